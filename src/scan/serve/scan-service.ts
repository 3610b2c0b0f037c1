import type { IncomingMessage } from "node:http";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { version } from "../../package-root.js";
import { makeOwnedFolder } from "../../sandbox/owned-folder.js";
import { analyzerName, scannerReply, type ScannerReply } from "../report/scanner-reply.js";
import type { ScanReport } from "../scan-report.js";
import { admit } from "./access.js";
import { readJson } from "./json-body.js";
import { Refusal } from "./refusal.js";
import { allowedDirectory, skillRoot } from "./skill-directory.js";
import { Slots } from "./slots.js";
import { unzip } from "./unzip.js";
import { receiveUpload } from "./upload.js";
import { askUpstream, merged, type Subject, type Upstream } from "./upstream.js";

export interface ScanServiceOptions {
  /** Scans the skill in a directory; ends early, with what is known or with an error, when the signal says so. */
  readonly scan: (directory: string, signal: AbortSignal) => Promise<ScanReport>;
  /** Directories whose skills callers may name; none: uploads only. */
  readonly roots: readonly string[];
  readonly token?: string | undefined;
  readonly upstream?: Upstream | undefined;
  /** Scans at once. */
  readonly concurrency: number;
}

const mostWaiting = 32;
const methods: Readonly<Record<string, string>> = {
  "/health": "GET",
  "/analyzers": "GET",
  "/scan": "POST",
  "/scan-upload": "POST",
};
const descriptions: Readonly<Record<string, string>> = {
  [analyzerName]: "Runs the skill in a sandbox and reports what it does.",
  upstream: "What another scanner of this API finds.",
};
/** Other options of the API are for other analyzers. */
const scanRequest = z.looseObject({ skill_directory: z.string().min(1).max(4096) });

/** What is behind the URLs of the scanner service that a skill registry calls. */
export class ScanService {
  readonly #options: ScanServiceOptions;
  readonly #slots: Slots;

  constructor(options: ScanServiceOptions) {
    this.#options = options;
    this.#slots = new Slots(options.concurrency, mostWaiting);
  }

  /** The answer's content. Rejects with a {@link Refusal}, or with what the scan rejected with. */
  async answer(request: IncomingMessage, url: URL, signal: AbortSignal): Promise<unknown> {
    const method = methods[url.pathname];
    if (method === undefined) throw new Refusal(404, `there are ${Object.keys(methods).join(", ")}`);
    if (request.method !== method) throw new Refusal(405, `${url.pathname} is for ${method}`);
    // Who watches over the service needs no token.
    admit(request, url.pathname === "/health" ? undefined : this.#options.token);
    switch (url.pathname) {
      case "/health":
        return { status: "healthy", version: version(), analyzers_available: this.#analyzers() };
      case "/analyzers":
        return {
          analyzers: this.#analyzers().map((name) => ({
            name,
            available: true,
            description: descriptions[name],
          })),
        };
      case "/scan":
        return this.#scanNamed(request, url.search, signal);
      default:
        return this.#scanUpload(request, url.search, signal);
    }
  }

  #analyzers(): string[] {
    return this.#options.upstream === undefined ? [analyzerName] : [analyzerName, "upstream"];
  }

  async #scanNamed(request: IncomingMessage, query: string, signal: AbortSignal): Promise<ScannerReply> {
    const body = scanRequest.safeParse(await readJson(request, signal));
    if (!body.success) throw new Refusal(422, z.prettifyError(body.error));
    const directory = await allowedDirectory(body.data.skill_directory, this.#options.roots);
    const release = await this.#slots.take(signal);
    try {
      return await this.#scan({ directory }, directory, query, signal);
    } finally {
      release();
    }
  }

  async #scanUpload(request: IncomingMessage, query: string, signal: AbortSignal): Promise<ScannerReply> {
    // Before the upload: what waits shall wait at its sender's.
    const release = await this.#slots.take(signal);
    const directory = await makeOwnedFolder("upload");
    try {
      const archive = path.join(directory, "skill.zip");
      const unpacked = path.join(directory, "skill");
      await receiveUpload(request, archive, signal);
      await mkdir(unpacked);
      await unzip(archive, unpacked, signal);
      return await this.#scan({ archive }, await skillRoot(unpacked), query, signal);
    } finally {
      await rm(directory, { recursive: true, force: true });
      release();
    }
  }

  async #scan(
    subject: Subject,
    directory: string,
    query: string,
    signal: AbortSignal,
  ): Promise<ScannerReply> {
    const { scan, upstream } = this.#options;
    if (upstream === undefined) return scannerReply(await scan(directory, signal));
    // A failure of the one ends the other; both are over before the files go.
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    const endBoth = (error: unknown): never => {
      failure.abort(error);
      throw error;
    };
    const [ours, theirs] = await Promise.allSettled([
      scan(directory, either).catch(endBoth),
      askUpstream(upstream, subject, query, either).catch(endBoth),
    ]);
    signal.throwIfAborted();
    failure.signal.throwIfAborted();
    if (ours.status === "rejected" || theirs.status === "rejected") throw new Refusal(500, "the scan failed");
    return merged(scannerReply(ours.value), theirs.value);
  }
}
