import type net from "node:net";
import { resetSocket } from "./relay-close.js";

/** The sockets of a connection, once they are there. */
export interface Link {
  inside?: net.Socket | undefined;
  upstream?: net.Socket | undefined;
}

/** The connections of a run, each from the moment that it may be made to its end. */
export class Links {
  readonly #links = new Set<Link>();

  get size(): number {
    return this.#links.size;
  }

  async track(use: (link: Link) => Promise<void>): Promise<void> {
    const link: Link = {};
    this.#links.add(link);
    try {
      await use(link);
    } finally {
      this.#links.delete(link);
    }
  }

  /** Whether something that the program has sent may not have left yet. */
  get isSending(): boolean {
    return [...this.#links].some(
      ({ inside, upstream }) =>
        inside !== undefined &&
        upstream !== undefined &&
        !upstream.writableFinished &&
        !upstream.closed &&
        !inside.errored,
    );
  }

  reset(): void {
    for (const { inside, upstream } of this.#links) {
      if (inside !== undefined) resetSocket(inside);
      // What the kernel has taken to send is lost by a reset.
      if (upstream?.writableFinished === true) upstream.destroy();
      else if (upstream !== undefined) resetSocket(upstream);
    }
  }
}
