import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { openPromise, type Entry, type ZipFile } from "yauzl";
import { Refusal } from "./refusal.js";

export const zipLimits = {
  entries: 5000,
  /** Of all files together, in bytes, unpacked. */
  totalBytes: 500 * 1024 * 1024,
  fileBytes: 100 * 1024 * 1024,
  /** Unpacked to packed, of the whole archive; deflate's own bound is 1032. */
  ratio: 200,
  /** Below this many bytes no ratio is looked at: a file of zeros is no bomb. */
  ratioFromBytes: 10 * 1024 * 1024,
  depth: 32,
  nameBytes: 1024,
} as const;

const formatMask = 0o170000;
const regularFile = 0o100000;
const directoryFile = 0o040000;

/**
 * Unpacks an archive into an empty directory of ours. Rejects with 400 or 413 for an archive that is broken, too large, or holds
 * anything but files and directories below it: links, devices, `..`, absolute names, a name twice. Nothing is written outside, and what
 * was written before is for the caller to remove.
 */
export async function unzip(archive: string, directory: string, signal: AbortSignal): Promise<void> {
  const zip = await opened(archive);
  try {
    let total = 0;
    let entries = 0;
    if (zip.entryCount > zipLimits.entries) throw tooMany();
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      entries++;
      if (entries > zipLimits.entries) throw tooMany();
      total += entry.uncompressedSize;
      judge(entry, total, zip.fileSize);
      await unpack(zip, entry, directory, signal);
    }
  } catch (cause) {
    if (cause instanceof Refusal || signal.aborted) throw cause;
    throw new Refusal(400, `the archive cannot be unpacked: ${reason(cause)}`, { cause });
  } finally {
    zip.close();
  }
}

async function opened(archive: string): Promise<ZipFile> {
  try {
    return await openPromise(archive, { lazyEntries: true, autoClose: false, strictFileNames: true });
  } catch (cause) {
    throw new Refusal(400, `this is no zip archive: ${reason(cause)}`, { cause });
  }
}

/** yauzl has refused absolute names, `..` and backslashes, and holds what a file really unpacks to against what it says. */
function judge(entry: Entry, total: number, archiveBytes: number): void {
  const name = entry.fileName;
  const quoted = JSON.stringify(name.slice(0, 200));
  const format = (entry.externalFileAttributes >>> 16) & formatMask;
  if (format !== 0 && format !== regularFile && format !== directoryFile) {
    throw new Refusal(400, `${quoted} is a link or a special file; only files and directories are taken`);
  }
  if (entry.isEncrypted()) throw new Refusal(400, `${quoted} is encrypted`);
  if (name.includes("\0") || Buffer.byteLength(name) > zipLimits.nameBytes) {
    throw new Refusal(400, `${quoted} is no name for a file`);
  }
  if (name.split("/").length > zipLimits.depth) throw new Refusal(400, `${quoted} lies too deep`);
  if (entry.uncompressedSize > zipLimits.fileBytes) {
    throw new Refusal(413, `${quoted} unpacks to more than ${zipLimits.fileBytes} bytes`);
  }
  if (total > zipLimits.totalBytes) {
    throw new Refusal(413, `the archive unpacks to more than ${zipLimits.totalBytes} bytes`);
  }
  if (total > zipLimits.ratioFromBytes && total > archiveBytes * zipLimits.ratio) {
    throw new Refusal(413, `the archive unpacks to more than ${zipLimits.ratio} times its size`);
  }
}

async function unpack(zip: ZipFile, entry: Entry, directory: string, signal: AbortSignal): Promise<void> {
  const target = path.join(directory, entry.fileName);
  if (!target.startsWith(`${directory}/`)) throw new Refusal(400, "an entry leads out of the archive");
  if (entry.fileName.endsWith("/")) {
    await mkdir(target, { recursive: true });
    return;
  }
  await mkdir(path.dirname(target), { recursive: true });
  // "wx": a second entry of the same name is an error, and no link could be followed.
  const file = createWriteStream(target, { flags: "wx", mode: 0o644 });
  await pipeline(await zip.openReadStreamPromise(entry), file, { signal });
}

function tooMany(): Refusal {
  return new Refusal(413, `the archive has more than ${zipLimits.entries} entries`);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
