/** What a program sent on one connection, in the clear: TLS is taken off, an HTTP body put together. */
export interface Payload {
  /** A host name, or an address that the program wrote itself. */
  readonly host: string;
  readonly port: number;
  readonly scheme: "http" | "https" | "ws" | "wss" | "tcp" | "tls";
  /** Of an HTTP request. */
  readonly request?: { readonly method: string; readonly target: string; readonly head: string } | undefined;
  /** As much as was kept. */
  readonly body: Buffer;
  /** Bytes of it in all. */
  readonly bytes: number;
}

/** All the bytes of a connection on which HTTP was spoken, TLS taken off. */
export interface Wire {
  readonly host: string;
  readonly port: number;
  readonly body: Buffer;
}

/** Kept of one payload, and of all payloads of a run. */
const mostOfOne = 1024 * 1024;
const mostOfAll = 16 * 1024 * 1024;
const mostPayloads = 2000;

/** Collects payloads in bounded memory. What is over the bounds is counted, not kept. */
export class PayloadLog {
  readonly payloads: Payload[] = [];
  readonly wires: Wire[] = [];
  /** Connections whose TLS the client broke off: nobody saw what it would have sent. */
  readonly sealed: Omit<Wire, "body">[] = [];
  /** Payloads that were not kept. */
  further = 0;
  #kept = 0;

  /** A body that grows; `done` puts it in the log. */
  open(what: Omit<Payload, "body" | "bytes">): Growing {
    return this.#growing((body, bytes) => {
      if (this.payloads.length >= mostPayloads) this.further++;
      else this.payloads.push({ ...what, body, bytes });
    });
  }

  openWire(what: Omit<Wire, "body">): Growing {
    const { host, port } = what;
    return this.#growing((body) => {
      if (body.length > 0 && this.wires.length < mostPayloads) this.wires.push({ host, port, body });
    });
  }

  #growing(finish: (body: Buffer, bytes: number) => void): Growing {
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
        finish(Buffer.concat(parts), bytes);
      },
    };
  }
}

interface Growing {
  readonly add: (chunk: Buffer) => void;
  readonly done: () => void;
}
