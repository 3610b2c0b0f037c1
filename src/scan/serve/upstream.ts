import { openAsBlob } from "node:fs";
import { z } from "zod";
import { withFindings, type ReplyFinding, type ScannerReply } from "../report/scanner-reply.js";
import { Refusal } from "./refusal.js";

/** Another scanner of the same API, which looks at what skillbox does not: a static one. */
export interface Upstream {
  readonly url: URL;
  readonly token?: string | undefined;
}

/** What is to be scanned: an archive, or a directory that both can see. */
export type Subject = { readonly archive: string } | { readonly directory: string };

/** The other is trusted to tell of findings, but not to be short. */
const mostBytes = 16 * 1024 * 1024;
const text = z.string().nullish();
const findingSchema = z.object({
  id: z.string(),
  rule_id: z.string(),
  severity: z.string(),
  category: z.string(),
  title: z.string(),
  description: z.string(),
  file_path: text,
  line_number: z.int().nullish(),
  snippet: text,
  remediation: text,
  analyzer: text,
  metadata: z.record(z.string(), z.unknown()).nullish(),
});
const replySchema = z.object({ is_safe: z.boolean(), findings: z.array(findingSchema).max(10_000) });
type UpstreamReply = z.infer<typeof replySchema>;

/** Rejects with 502 where the other scanner does not answer as one does: half a scan is none. */
export async function askUpstream(
  upstream: Upstream,
  subject: Subject,
  query: string,
  signal: AbortSignal,
): Promise<UpstreamReply> {
  const isUpload = "archive" in subject;
  const url = new URL(`${upstream.url.href.replace(/\/$/, "")}/${isUpload ? "scan-upload" : "scan"}`);
  url.search = query;
  const headers = new Headers();
  if (upstream.token !== undefined) headers.set("authorization", `Bearer ${upstream.token}`);
  try {
    let body: FormData | string;
    if (isUpload) {
      body = new FormData();
      body.set("file", await openAsBlob(subject.archive), "skill.zip");
    } else {
      body = JSON.stringify({ skill_directory: subject.directory });
      headers.set("content-type", "application/json");
    }
    const response = await fetch(url, { method: "POST", body, headers, signal, redirect: "error" });
    const answer = await boundedText(response);
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${answer.slice(0, 200)}`);
    return replySchema.parse(JSON.parse(answer));
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new Refusal(502, `the upstream scanner failed: ${reason(cause)}`, { cause });
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (response.body === null) return "";
  const body: AsyncIterable<Uint8Array> = response.body;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) throw new Error(`its reply is longer than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function reason(cause: unknown): string {
  if (cause instanceof z.ZodError) return z.prettifyError(cause);
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message;
}

/** Both scanners' findings; safe only where both say so. */
export function merged(reply: ScannerReply, upstream: UpstreamReply): ScannerReply {
  const theirs = upstream.findings.map((finding): ReplyFinding => ({
    ...finding,
    file_path: finding.file_path ?? null,
    line_number: finding.line_number ?? null,
    snippet: finding.snippet ?? null,
    remediation: finding.remediation ?? null,
    analyzer: finding.analyzer ?? "upstream",
    metadata: finding.metadata ?? {},
  }));
  const all = withFindings(reply, [...reply.findings, ...theirs]);
  return {
    ...all,
    is_safe: all.is_safe && upstream.is_safe,
    scan_metadata: {
      ...reply.scan_metadata,
      upstream: { findings_count: theirs.length, is_safe: upstream.is_safe },
    },
  };
}
