import { once } from "node:events";
import net from "node:net";
import type { Binding, Listener } from "../native/binding.js";
import { resetSocket } from "./relay-close.js";
import { RelaySocket } from "./relay-socket.js";
import type { SocketStock } from "./socket-stock.js";

/** How long an allowed program may take from the answer to its SYN: it only has to be scheduled. */
const patienceMs = 5000;

/** Open for who was allowed to come. */
interface Door {
  readonly listener: Listener;
  readonly waiting: Waiting[];
}

interface Waiting {
  readonly settle: (socket: net.Socket | undefined) => void;
  readonly deadlineMs: number;
}

/**
 * Listeners in a sandbox's network namespace, each bound to the exact address and port of a connection that was allowed: a
 * wildcard would take the port from the program's own servers. What connects without having been allowed meets nobody, or
 * is reset.
 */
export class Listeners {
  readonly #binding: Pick<Binding, "bindListen" | "closeFd" | "openListener">;
  readonly #stock: SocketStock;
  readonly #doors = new Map<string, Door>();
  readonly #servers: net.Server[] = [];
  #sweep: NodeJS.Timeout | undefined;

  constructor(binding: Pick<Binding, "bindListen" | "closeFd" | "openListener">, stock: SocketStock) {
    this.#binding = binding;
    this.#stock = stock;
  }

  /**
   * Listens before it resolves: the program may connect from then on. `onAccepted` gets its connection, or undefined when it does
   * not come. Throws what bind(2) says.
   */
  async listen(
    address: string,
    port: number,
    onAccepted: (socket: net.Socket | undefined) => void,
  ): Promise<void> {
    const key = `${address} ${port}`;
    if (!this.#doors.has(key)) {
      const kind = net.isIPv6(address) ? "tcp6" : "tcp4";
      const fd = this.#stock.takeNow(kind) ?? (await this.#stock.take(kind));
      // Somebody else may have come to listen there meanwhile.
      if (this.#doors.has(key)) this.#stock.add(kind, [fd]);
      else this.#open(key, fd, address, port);
    }
    this.#doors.get(key)?.waiting.push({ settle: onAccepted, deadlineMs: performance.now() + patienceMs });
    this.#sweep ??= setInterval(() => {
      this.#giveUp();
    }, patienceMs / 2).unref();
  }

  /** A listener for the whole run. Throws what bind(2) says. */
  async serve(address: string, port: number, onConnection: (socket: net.Socket) => void): Promise<void> {
    const fd = await this.#stock.take(net.isIPv6(address) ? "tcp6" : "tcp4");
    try {
      this.#binding.bindListen(fd, address, port);
    } catch (error) {
      this.#binding.closeFd(fd);
      throw error;
    }
    const server = net.createServer(acceptOptions, onConnection);
    this.#servers.push(server);
    const listening = once(server, "listening");
    server.listen({ fd });
    await listening;
    // Of a connection that could not be accepted its client hears.
    server.on("error", () => undefined);
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const server of this.#servers.splice(0)) server.close();
    for (const [key, door] of [...this.#doors]) {
      for (const { settle } of door.waiting.splice(0)) settle(undefined);
      this.#rest(key, door);
    }
  }

  #open(key: string, fd: number, address: string, port: number): void {
    const waiting: Waiting[] = [];
    const listener = this.#binding.openListener(fd, address, port, (accepted) => {
      const socket = new RelaySocket(accepted);
      const next = waiting.shift();
      this.#rest(key, door);
      if (next === undefined) resetSocket(socket);
      else next.settle(socket);
    });
    const door: Door = { listener, waiting };
    this.#doors.set(key, door);
  }

  /** One timer for all: most connections are accepted within a millisecond. */
  #giveUp(): void {
    const now = performance.now();
    for (const [key, door] of [...this.#doors]) {
      while ((door.waiting[0]?.deadlineMs ?? Infinity) <= now) door.waiting.shift()?.settle(undefined);
      this.#rest(key, door);
    }
    if (this.#doors.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  /** Not kept for the next connection: the port may be what the program wants to serve on next, at every address. */
  #rest(key: string, door: Door): void {
    if (door.waiting.length > 0 || this.#doors.get(key) !== door) return;
    this.#doors.delete(key);
    door.listener.close();
  }
}

const acceptOptions: net.ServerOpts = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
