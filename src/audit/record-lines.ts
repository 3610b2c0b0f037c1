import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface RecordLine {
  /** From 1. */
  readonly number: number;
  /** Undefined where the line is longer than any event. */
  readonly bytes: Uint8Array | undefined;
  /** False for what stands after the last line end. */
  readonly ended: boolean;
}

export interface LineOptions {
  /** Waits for more at the end of the file until the signal, or until the caller stops asking. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The byte to begin with. Default: where the file stands, which need not be one that has places. */
  readonly start?: number;
  /** How often to look for more. Default: 100. */
  readonly pollMs?: number;
}

/** 256 strings of 4096 bytes, each byte an escape of six. */
const longestLine = 16 << 20;
const chunkBytes = 256 << 10;
const usualPollMs = 100;

/** The lines of a file in batches, in memory that does not grow with it. A file that shrinks while it is followed ends. */
export async function* recordLines(
  file: FileHandle,
  options: LineOptions = {},
): AsyncGenerator<readonly RecordLine[]> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  const line = new PendingLine();
  let number = 1;
  let read = options.start ?? 0;
  let position: number | null = options.start ?? null;
  let isLast = options.follow !== true;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) {
      if (isLast) break;
      const stat = await file.stat();
      if (stat.size < read) {
        // Half a line is taken back where the writer's disk was full.
        if (!stat.isFile() || stat.size !== read - line.length) break;
        line.take();
        read = position = stat.size;
      }
      // What was written up to the signal is read after it.
      if (!(await waited(options))) isLast = true;
      continue;
    }
    read += bytesRead;
    if (position !== null) position += bytesRead;
    const lines: RecordLine[] = [];
    let start = 0;
    for (let end; (end = chunk.indexOf(0x0a, start)) >= 0 && end < bytesRead; start = end + 1) {
      line.add(chunk.subarray(start, end));
      lines.push({ number: number++, bytes: line.take(), ended: true });
    }
    line.add(chunk.subarray(start, bytesRead));
    if (lines.length > 0) yield lines;
  }
  if (line.length > 0) yield [{ number, bytes: line.take(), ended: false }];
}

async function waited({ signal, pollMs = usualPollMs }: LineOptions): Promise<boolean> {
  try {
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
    return true;
  } catch {
    return false;
  }
}

/** The beginning of a line whose end has not been read; of one that is too long only the length is kept. */
class PendingLine {
  #parts: Buffer[] = [];
  length = 0;

  add(part: Buffer): void {
    this.length += part.length;
    if (this.length > longestLine) this.#parts = [];
    else if (part.length > 0) this.#parts.push(Buffer.from(part));
  }

  take(): Buffer | undefined {
    const whole = this.length > longestLine ? undefined : Buffer.concat(this.#parts, this.length);
    this.#parts = [];
    this.length = 0;
    return whole;
  }
}
