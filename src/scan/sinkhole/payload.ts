/** What a program sent on one connection, in the clear: TLS is taken off, an HTTP body put together. */
export interface Payload {
  /** A host name, or an address that the program wrote itself. */
  readonly host: string;
  readonly port: number;
  readonly scheme: "http" | "https" | "tcp" | "tls";
  /** Of an HTTP request. */
  readonly request?: { readonly method: string; readonly target: string; readonly head: string } | undefined;
  /** As much as was kept. */
  readonly body: Buffer;
  /** Bytes of it in all. */
  readonly bytes: number;
}

/** Kept of one payload, and of all payloads of a run. */
const mostOfOne = 1024 * 1024;
const mostOfAll = 16 * 1024 * 1024;
const mostPayloads = 2000;

/** Collects payloads in bounded memory. What is over the bounds is counted, not kept. */
export class PayloadLog {
  readonly payloads: Payload[] = [];
  /** Payloads that were not kept. */
  further = 0;
  #kept = 0;

  /** A body that grows; `done` puts it in the log. */
  open(what: Omit<Payload, "body" | "bytes">): { add: (chunk: Buffer) => void; done: () => void } {
    const parts: Buffer[] = [];
    let kept = 0;
    let bytes = 0;
    let isDone = false;
    return {
      add: (chunk) => {
        bytes += chunk.length;
        const room = Math.min(mostOfOne - kept, mostOfAll - this.#kept);
        if (room <= 0) return;
        const part = Buffer.from(chunk.subarray(0, room));
        parts.push(part);
        kept += part.length;
        this.#kept += part.length;
      },
      done: () => {
        if (isDone) return;
        isDone = true;
        if (this.payloads.length >= mostPayloads) this.further++;
        else this.payloads.push({ ...what, body: Buffer.concat(parts), bytes });
      },
    };
  }
}
