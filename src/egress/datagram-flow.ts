import dgram from "node:dgram";
import net from "node:net";

export interface DatagramFlowOptions {
  /** Judged already. */
  readonly address: string;
  readonly port: number;
  readonly idleTimeoutMs: number;
  /** Asked for every datagram; false ends the flow. */
  readonly spend: (bytes: number) => boolean;
  /** Takes what comes back, from that address and port alone: the kernel drops what others send to a connected socket. */
  readonly onReply: (data: Uint8Array) => void;
  readonly onEnd: (end: DatagramFlowEnd) => void;
}

interface DatagramFlowEnd {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** "idle", "byte-limit", "refused" at the end of the run, or what the network said: "ECONNREFUSED". */
  readonly reason: string;
}

/** What waits for the socket to be connected; more is dropped, as UDP does. */
const mostWaiting = 16;

/** The datagrams between one socket of a program and one address outside. */
export class DatagramFlow {
  readonly #options: DatagramFlowOptions;
  readonly #socket: dgram.Socket;
  #waiting: Uint8Array[] | undefined = [];
  #bytesIn = 0;
  #bytesOut = 0;
  readonly #timer: NodeJS.Timeout;
  #ended = false;

  constructor(options: DatagramFlowOptions) {
    this.#options = options;
    const { address, port, idleTimeoutMs } = options;
    this.#timer = setTimeout(() => {
      this.end("idle");
    }, idleTimeoutMs).unref();
    this.#socket = dgram.createSocket(net.isIPv6(address) ? "udp6" : "udp4");
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.end(error.code ?? "EIO");
    });
    this.#socket.on("message", (data) => {
      this.#receive(data);
    });
    this.#socket.connect(port, address, () => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      for (const data of waiting) this.send(data);
    });
    this.#socket.unref();
  }

  send(data: Uint8Array): void {
    if (this.#ended) return;
    if (this.#waiting !== undefined) {
      if (this.#waiting.length < mostWaiting) this.#waiting.push(data);
      return;
    }
    if (!this.#pay(data)) return;
    this.#bytesOut += data.length;
    // Its error comes as an event, or is that of an earlier datagram.
    this.#socket.send(data, (error) => {
      if (error !== null && "code" in error) this.end(String(error.code));
    });
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#socket.close();
    this.#options.onEnd({ bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, reason });
  }

  #receive(data: Uint8Array): void {
    if (this.#ended || !this.#pay(data)) return;
    this.#bytesIn += data.length;
    this.#options.onReply(data);
  }

  #pay(data: Uint8Array): boolean {
    this.#timer.refresh();
    if (this.#options.spend(data.length)) return true;
    this.end("byte-limit");
    return false;
  }
}
