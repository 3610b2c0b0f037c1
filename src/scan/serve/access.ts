import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Refusal } from "./refusal.js";

/**
 * Throws 401 for a caller without the token, and 403 for a page in a browser: any web site could make its visitors' browsers ask a
 * service on 127.0.0.1, and a form's POST needs nobody's leave.
 */
export function admit(request: IncomingMessage, token: string | undefined): void {
  if (request.headers.origin !== undefined || request.headers["sec-fetch-site"] !== undefined) {
    throw new Refusal(403, "this service is not for browsers");
  }
  if (token === undefined) return;
  const [scheme, given] = (request.headers.authorization ?? "").split(" ");
  if (scheme?.toLowerCase() !== "bearer" || !isEqual(given ?? "", token)) {
    throw new Refusal(401, "the header `Authorization: Bearer TOKEN` is missing or wrong");
  }
}

/** In a time that does not tell how much of it is right. */
function isEqual(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
