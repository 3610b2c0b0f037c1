import net from "node:net";
import type { Binding, Datagram } from "../native/binding.js";
import { resetSocket } from "./relay-close.js";
import type { Resolver } from "./resolver.js";

export const dnsPort = 53;

/** RFC 1035, section 4.2.2: a message over TCP has its length in front. */
const largestMessage = 65_535;
const mostConnections = 64;
const idleMs = 10_000;

/** Port 53 of a sandbox, at every address, for a resolver that answers from memory. */
export class DnsServer {
  readonly #binding: Pick<Binding, "openDatagram">;
  readonly #resolver: Resolver;
  readonly #datagrams: Datagram[] = [];
  readonly #servers: net.Server[] = [];
  readonly #connections = new Set<net.Socket>();
  readonly #onFailure: (error: Error) => void;

  /** `onFailure`: it cannot listen. */
  constructor(binding: Pick<Binding, "openDatagram">, resolver: Resolver, onFailure: (error: Error) => void) {
    this.#binding = binding;
    this.#resolver = resolver;
    this.#onFailure = onFailure;
  }

  /** UDP, TCP for IPv4, then for IPv6. Takes the descriptors over. */
  serve(fds: readonly number[]): void {
    for (const [index, fd] of fds.entries()) {
      if (index % 2 === 0) this.#serveDatagrams(fd);
      else this.#serveStreams(fd);
    }
  }

  close(): void {
    for (const datagram of this.#datagrams.splice(0)) datagram.close();
    for (const server of this.#servers.splice(0)) server.close();
    for (const socket of this.#connections) socket.destroy();
    this.#connections.clear();
  }

  #serveDatagrams(fd: number): void {
    const datagram = this.#binding.openDatagram(fd, (data, peer, peerPort, local) => {
      const reply = this.#resolver.answer(data, "udp", largestMessage);
      if (reply !== undefined) datagram.send(reply, peer, peerPort, local);
    });
    this.#datagrams.push(datagram);
  }

  #serveStreams(fd: number): void {
    const server = net.createServer((socket) => {
      if (this.#connections.size >= mostConnections) {
        resetSocket(socket);
        return;
      }
      this.#connections.add(socket);
      socket.on("close", () => this.#connections.delete(socket));
      socket.on("error", () => socket.destroy());
      socket.setTimeout(idleMs, () => socket.destroy());
      this.#converse(socket);
    });
    server.on("error", (error) => {
      // Of a connection that could not be accepted its client hears.
      if (!server.listening) this.#onFailure(error);
    });
    server.listen({ fd });
    this.#servers.push(server);
  }

  #converse(socket: net.Socket): void {
    let pending = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const reply = this.#resolver.answer(pending.subarray(2, end), "tcp", largestMessage);
        pending = pending.subarray(end);
        if (reply === undefined) {
          socket.destroy();
          return;
        }
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        // A client that asks without reading is cut off, not buffered for.
        if (!socket.write(Buffer.concat([length, reply]))) {
          socket.pause();
          socket.once("drain", () => socket.resume());
        }
      }
    });
  }
}
