import type { IncomingMessage } from "node:http";
import { Refusal } from "./refusal.js";

const mostBytes = 64 * 1024;

/** The body of a request as JSON. Rejects with 400, 413 or 415. */
export async function readJson(request: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) {
    throw new Refusal(415, "the body has to be application/json");
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  const body: AsyncIterable<Buffer> = request;
  for await (const chunk of body) {
    signal.throwIfAborted();
    bytes += chunk.length;
    if (bytes > mostBytes) throw new Refusal(413, `at most ${mostBytes} bytes are taken`);
    chunks.push(chunk);
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return parsed;
  } catch (cause) {
    throw new Refusal(400, "the body is no JSON", { cause });
  }
}
