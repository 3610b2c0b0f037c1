import type { HttpHeader } from "./http-request.js";

/** What follows a request head (RFC 9112, section 6). */
export type BodyFraming =
  | { readonly kind: "length"; readonly bytes: number; readonly tunnel: boolean }
  | { readonly kind: "chunked"; readonly tunnel: boolean };

/**
 * How long the body is, or what is wrong: whatever a server could end at another byte than we do (request smuggling) is wrong, even
 * where the RFC lets a recipient guess. `tunnel` says that another protocol may follow (CONNECT, Upgrade).
 */
export function bodyFraming(
  method: string,
  version: string,
  headers: readonly HttpHeader[],
): BodyFraming | string {
  const valuesOf = (wanted: string): string[] =>
    headers.filter(({ name }) => name === wanted).map(({ value }) => value);
  const lengths = valuesOf("content-length");
  const codings = valuesOf("transfer-encoding");
  const tunnel = method === "CONNECT" || valuesOf("upgrade").length > 0;

  if (codings.length > 0) {
    if (lengths.length > 0) return "both Content-Length and Transfer-Encoding";
    if (codings.length > 1 || codings[0]?.toLowerCase() !== "chunked")
      return "a Transfer-Encoding other than chunked";
    if (version !== "1.1") return "Transfer-Encoding in HTTP/1.0";
    return method === "CONNECT" ? "CONNECT with a body" : { kind: "chunked", tunnel };
  }
  const [length = "0"] = lengths;
  if (lengths.length > 1) return "more than one Content-Length";
  if (!/^[0-9]{1,15}$/.test(length)) return "a Content-Length that is no number";
  const bytes = Number(length);
  if (method === "CONNECT" && bytes > 0) return "CONNECT with a body";
  return { kind: "length", bytes, tunnel };
}
