import type { Binding } from "../native/binding.js";

export type SocketKind = "tcp4" | "tcp6" | "udp4" | "udp6";

/** Asks PID 1 for more unbound sockets; they come to {@link SocketStock.add}. */
export type RequestSockets = (family: 4 | 6, protocol: "tcp" | "udp", count: number) => void;

const batch = 16;
const reserve = 6;

interface Shelf {
  readonly unbound: number[];
  /** Who waits for one. */
  readonly wanted: Waiting[];
  requested: boolean;
}

interface Waiting {
  readonly give: (fd: number) => void;
  readonly fail: (why: Error) => void;
}

/**
 * Unbound sockets of a sandbox's network namespace, made by PID 1. A socket stays in the namespace that it was made in: we
 * bind or connect it from outside.
 */
export class SocketStock {
  readonly #binding: Pick<Binding, "closeFd">;
  readonly #request: RequestSockets;
  readonly #shelves: Readonly<Record<SocketKind, Shelf>> = {
    tcp4: emptyShelf(),
    tcp6: emptyShelf(),
    udp4: emptyShelf(),
    udp6: emptyShelf(),
  };
  #closed = false;

  constructor(binding: Pick<Binding, "closeFd">, request: RequestSockets) {
    this.#binding = binding;
    this.#request = request;
  }

  /** Orders what is likely to be needed, so that nobody waits for it. */
  order(kind: SocketKind): void {
    this.#restock(kind, this.#shelves[kind]);
  }

  add(kind: SocketKind, fds: readonly number[]): void {
    const shelf = this.#shelves[kind];
    shelf.requested = false;
    if (this.#closed) {
      for (const fd of fds) this.#binding.closeFd(fd);
      return;
    }
    for (const fd of fds) {
      const waiting = shelf.wanted.shift();
      if (waiting === undefined) shelf.unbound.push(fd);
      else waiting.give(fd);
    }
    if (shelf.wanted.length > 0) this.#restock(kind, shelf);
  }

  /** One at once, if there is one. It is the caller's to close. */
  takeNow(kind: SocketKind): number | undefined {
    const shelf = this.#shelves[kind];
    const fd = shelf.unbound.shift();
    this.#restock(kind, shelf);
    return fd;
  }

  /** Rejects when the sandbox ends before there is one. */
  async take(kind: SocketKind): Promise<number> {
    const fd = this.takeNow(kind);
    if (fd !== undefined) return fd;
    if (this.#closed) throw new Error("the sandbox has ended");
    return await new Promise<number>((give, fail) => {
      this.#shelves[kind].wanted.push({ give, fail });
    });
  }

  close(): void {
    this.#closed = true;
    for (const { unbound, wanted } of Object.values(this.#shelves)) {
      for (const fd of unbound.splice(0)) this.#binding.closeFd(fd);
      for (const { fail } of wanted.splice(0)) fail(new Error("the sandbox has ended"));
    }
  }

  #restock(kind: SocketKind, shelf: Shelf): void {
    if (shelf.requested || this.#closed || shelf.unbound.length >= reserve) return;
    shelf.requested = true;
    this.#request(kind.endsWith("4") ? 4 : 6, kind.startsWith("tcp") ? "tcp" : "udp", batch);
  }
}

function emptyShelf(): Shelf {
  return { unbound: [], wanted: [], requested: false };
}
