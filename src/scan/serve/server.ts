import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { SkillboxError } from "../../errors.js";
import { Refusal } from "./refusal.js";
import { ScanService, type ScanServiceOptions } from "./scan-service.js";

export interface ServerOptions extends ScanServiceOptions {
  /** Of a whole request, waiting included. */
  readonly timeoutMs: number;
  /** Told of each request when it is over. */
  readonly onRequest?: (line: RequestLine) => void;
}

export interface RequestLine {
  readonly method: string;
  readonly path: string;
  /** 499: the caller went away. */
  readonly status: number;
  readonly durationMs: number;
  /** Why it was refused or failed. */
  readonly detail?: string | undefined;
}

/** The scanner service as an HTTP server. Not listening yet. */
export function createScanServer(options: ServerOptions): Server {
  const service = new ScanService(options);
  const timeouts = { requestTimeout: options.timeoutMs, headersTimeout: Math.min(10_000, options.timeoutMs) };
  const server = createServer(timeouts, (request, response) => {
    void answer(request, response, service, options);
  });
  server.maxConnections = 256;
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  service: ScanService,
  options: ServerOptions,
): Promise<void> {
  const started = performance.now();
  const end = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) end.abort(new Refusal(499, "the caller went away"));
  });
  const timer = setTimeout(() => {
    end.abort(new Refusal(504, `the scan took longer than ${options.timeoutMs / 1000} s`));
  }, options.timeoutMs);
  let refusal: Refusal | undefined;
  let path = "";
  try {
    const url = new URL(`http://service${request.url ?? "/"}`);
    path = url.pathname;
    // A scan that was cut short may still say what it knows; that is no answer, and not waited for.
    const content = await Promise.race([service.answer(request, url, end.signal), aborted(end.signal)]);
    end.signal.throwIfAborted();
    send(response, 200, content);
  } catch (error) {
    refusal = refusalOf(error, end.signal);
    send(response, refusal.status, { detail: refusal.message });
  } finally {
    clearTimeout(timer);
  }
  options.onRequest?.({
    method: request.method ?? "",
    path,
    status: refusal?.status ?? 200,
    durationMs: performance.now() - started,
    detail: refusal?.message,
  });
}

async function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    });
  });
}

function refusalOf(error: unknown, signal: AbortSignal): Refusal {
  const cause: unknown = signal.aborted ? signal.reason : error;
  if (cause instanceof Refusal) return cause;
  if (cause instanceof SkillboxError) {
    const isSkills = cause.code === "ERR_POLICY" || cause.code === "ERR_USAGE" || cause.code === "ERR_GRANT";
    const hint = cause.hint === undefined ? "" : ` (${cause.hint})`;
    return new Refusal(isSkills ? 422 : 500, cause.message + hint, { cause });
  }
  return new Refusal(500, cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause), {
    cause,
  });
}

function send(response: ServerResponse, status: number, content: unknown): void {
  if (response.destroyed) return;
  const body = JSON.stringify(content);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    // What is left of a body that was refused is not waited for.
    ...(status >= 400 ? { connection: "close" } : {}),
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    ...(status === 503 ? { "retry-after": "30" } : {}),
  });
  response.end(body);
}
