import net from "node:net";
import type { Binding } from "../native/binding.js";
import { resetSocket } from "./relay-close.js";

/** How long an allowed program may take from the answer to its SYN: it only has to be scheduled. */
const patienceMs = 5000;
const batch = 16;
const reserve = 4;

interface Family {
  readonly unbound: number[];
  /** Who waits for one. */
  readonly wanted: (() => void)[];
  requested: boolean;
}

interface Listener {
  readonly server: net.Server;
  readonly waiting: ((socket: net.Socket | undefined) => void)[];
}

/**
 * Listeners in a sandbox's network namespace, each bound to the exact address and port of a connection that was allowed: a
 * wildcard would take the port from the program's own servers. What connects without having been allowed meets nobody, or
 * is reset.
 */
export class ListenerStock {
  readonly #binding: Pick<Binding, "bindListen" | "closeFd">;
  readonly #request: (family: 4 | 6, count: number) => void;
  readonly #families: Readonly<Record<4 | 6, Family>> = {
    4: { unbound: [], wanted: [], requested: false },
    6: { unbound: [], wanted: [], requested: false },
  };
  readonly #listeners = new Map<string, Listener>();
  readonly #servers: net.Server[] = [];
  #closed = false;

  constructor(
    binding: Pick<Binding, "bindListen" | "closeFd">,
    request: (family: 4 | 6, count: number) => void,
  ) {
    this.#binding = binding;
    this.#request = request;
  }

  add(family: 4 | 6, fds: readonly number[]): void {
    const { unbound, wanted } = this.#families[family];
    this.#families[family].requested = false;
    if (this.#closed) {
      for (const fd of fds) this.#binding.closeFd(fd);
      return;
    }
    unbound.push(...fds);
    for (const wake of wanted.splice(0)) wake();
  }

  /** Listens before it resolves: the program may connect from then on. The inner promise is its connection, or undefined. */
  async listen(
    address: string,
    port: number,
  ): Promise<{ readonly accepted: Promise<net.Socket | undefined> }> {
    const key = `${address} ${port}`;
    let listener = this.#listeners.get(key);
    if (listener === undefined) {
      const fd = await this.#take(net.isIPv6(address) ? 6 : 4);
      // Somebody else may have come to listen there meanwhile.
      listener = this.#listeners.get(key);
      if (listener === undefined) listener = this.#open(key, fd, address, port);
      else this.#families[net.isIPv6(address) ? 6 : 4].unbound.push(fd);
    }
    return { accepted: this.#await(key, listener) };
  }

  /** A listener for the whole run. Throws what bind(2) says. */
  async serve(address: string, port: number, onConnection: (socket: net.Socket) => void): Promise<void> {
    const fd = await this.#take(net.isIPv6(address) ? 6 : 4);
    this.#bind(fd, address, port);
    const server = net.createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
      onConnection,
    );
    server.listen({ fd });
    this.#servers.push(server);
  }

  close(): void {
    this.#closed = true;
    for (const server of this.#servers.splice(0)) server.close();
    for (const key of [...this.#listeners.keys()]) this.#drop(key);
    for (const { unbound } of Object.values(this.#families))
      for (const fd of unbound.splice(0)) this.#binding.closeFd(fd);
  }

  async #take(number: 4 | 6): Promise<number> {
    const family = this.#families[number];
    for (;;) {
      const fd = family.unbound.shift();
      if (family.unbound.length < reserve && !family.requested) {
        family.requested = true;
        this.#request(number, batch);
      }
      if (fd !== undefined) return fd;
      await new Promise<void>((resolve) => {
        family.wanted.push(resolve);
      });
    }
  }

  #bind(fd: number, address: string, port: number): void {
    try {
      this.#binding.bindListen(fd, address, port);
    } catch (error) {
      this.#binding.closeFd(fd);
      throw error;
    }
  }

  #open(key: string, fd: number, address: string, port: number): Listener {
    this.#bind(fd, address, port);
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    const listener: Listener = { server, waiting: [] };
    server.on("connection", (socket) => {
      const next = listener.waiting.shift();
      if (next === undefined) resetSocket(socket);
      else next(socket);
      this.#rest(key, listener);
    });
    server.listen({ fd });
    this.#listeners.set(key, listener);
    return listener;
  }

  async #await(key: string, listener: Listener): Promise<net.Socket | undefined> {
    return await new Promise((resolve) => {
      const settle = (socket: net.Socket | undefined): void => {
        clearTimeout(patience);
        resolve(socket);
      };
      const patience = setTimeout(() => {
        const index = listener.waiting.indexOf(settle);
        if (index >= 0) listener.waiting.splice(index, 1);
        this.#rest(key, listener);
        resolve(undefined);
      }, patienceMs);
      listener.waiting.push(settle);
    });
  }

  /** Not kept for the next connection: the port may be what the program wants to serve on next, at every address. */
  #rest(key: string, listener: Listener): void {
    if (listener.waiting.length === 0 && this.#listeners.get(key) === listener) this.#drop(key);
  }

  #drop(key: string): void {
    const listener = this.#listeners.get(key);
    if (listener === undefined) return;
    this.#listeners.delete(key);
    for (const settle of listener.waiting.splice(0)) settle(undefined);
    listener.server.close();
  }
}
