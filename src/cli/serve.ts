import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { isIP, type AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import path from "node:path";
import { shownJson } from "../audit/shown.js";
import { SkillboxError } from "../errors.js";
import { loadPolicyFile } from "../policy/load.js";
import { parseTime } from "../policy/units.js";
import { scanSkill } from "../scan/scan.js";
import { createScanServer } from "../scan/serve/server.js";
import type { Upstream } from "../scan/serve/upstream.js";
import { printLine } from "./print-error.js";

/** The options of `skillbox serve`, as commander hands them over. */
export interface ServeOptions {
  readonly listen: string;
  readonly root: readonly string[];
  readonly tokenFile?: string | undefined;
  readonly policy?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly timeout: string;
  readonly upstream?: string | undefined;
  readonly upstreamTokenFile?: string | undefined;
}

/**
 * Serves scans until SIGINT or SIGTERM, then ends what runs and returns 0. A line of JSON a request on stderr. Throws ERR_USAGE for an
 * address that others reach where no token keeps them out.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { host, port } = addressOf(options.listen);
  const token = tokenOf("--token-file", options.tokenFile);
  if (token === undefined && !isLoopback(host)) {
    throw new SkillboxError("ERR_USAGE", `--listen: ${options.listen} can be reached from other machines`, {
      hint: "give --token-file FILE, or listen on 127.0.0.1",
    });
  }
  const ceiling = options.policy === undefined ? undefined : loadPolicyFile(options.policy).policy;
  const ending = new AbortController();
  const running = new Set<Promise<unknown>>();
  const server = createScanServer({
    scan: async (directory, signal) => {
      const scan = scanSkill({ directory, ceiling, signal: AbortSignal.any([signal, ending.signal]) });
      running.add(scan);
      return scan.finally(() => running.delete(scan));
    },
    roots: options.root.map(rootOf),
    token,
    upstream: upstreamOf(options),
    concurrency: concurrencyOf(options.concurrency),
    timeoutMs: timeoutOf(options.timeout),
    onRequest: (line) => {
      printLine(shownJson(JSON.stringify({ time: new Date().toISOString(), ...line })));
    },
  });
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkillboxError("ERR_USAGE", `--listen: ${options.listen}: ${why}`, { cause });
  }
  printLine(`skillbox: scanner service at http://${shownAddress(server.address())}`);
  await Promise.race(["SIGINT", "SIGTERM"].map(async (signal) => once(process, signal)));
  ending.abort(new Error("the service ends"));
  server.close();
  server.closeAllConnections();
  // What they made has to be gone when the process is.
  await Promise.allSettled(running);
  return 0;
}

function addressOf(written: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(written);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  if (isIP(host) !== 0 && port <= 65535) return { host, port };
  throw new SkillboxError("ERR_USAGE", `--listen: ${JSON.stringify(written)} is no address with a port`, {
    hint: "--listen 127.0.0.1:8000",
  });
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.");
}

function shownAddress(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") return "?";
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${host}:${address.port}`;
}

/** From a file: what stands on a command line is everybody's to read (ps). */
function tokenOf(flag: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let token: string;
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new SkillboxError("ERR_USAGE", `${flag}: ${cause instanceof Error ? cause.message : file}`, {
      cause,
    });
  }
  if (/^[\x21-\x7e]{16,}$/.test(token)) return token;
  throw new SkillboxError("ERR_USAGE", `${flag}: ${file} does not hold a token of 16 or more characters`, {
    hint: `head -c 32 /dev/urandom | base64 >${file}`,
  });
}

function rootOf(written: string): string {
  const directory = path.resolve(written);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return directory;
  throw new SkillboxError("ERR_USAGE", `--root: ${written} is no directory`);
}

function upstreamOf({ upstream, upstreamTokenFile }: ServeOptions): Upstream | undefined {
  if (upstream === undefined) return undefined;
  const url = URL.canParse(upstream) ? new URL(upstream) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    return { url, token: tokenOf("--upstream-token-file", upstreamTokenFile) };
  }
  throw new SkillboxError("ERR_USAGE", `--upstream: ${JSON.stringify(upstream)} is no http(s) URL`);
}

function concurrencyOf(written: string | undefined): number {
  if (written === undefined) return Math.max(1, Math.floor(availableParallelism() / 2));
  const value = Number(written);
  if (/^\d{1,3}$/.test(written) && value >= 1) return value;
  throw new SkillboxError(
    "ERR_USAGE",
    `--concurrency: ${JSON.stringify(written)} is no number from 1 to 999`,
  );
}

function timeoutOf(written: string): number {
  const parsed = parseTime(written);
  if ("problem" in parsed) throw new SkillboxError("ERR_USAGE", `--timeout: ${parsed.problem}`);
  return parsed.value;
}
