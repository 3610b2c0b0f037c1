import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { RelaySocket } from "../../egress/relay-socket.js";
import type { Sinkhole } from "../../egress/sinkhole.js";
import { answerTo, greetingOf, replyTo } from "./answers.js";
import type { Authority } from "./authority.js";
import { type Payload, PayloadLog } from "./payload.js";

interface Peer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
}

/** A client that says nothing for so long is greeted. */
const silenceMs = 300;
/** Bytes of a request head. */
const headBytes = 64 * 1024;

/**
 * The server behind every address: HTTP/1.1 and TLS are spoken, anything else is read. It listens on a Unix socket in a
 * directory that only this user can enter, so that nothing of it is on a network.
 */
export class SinkholeServer implements Sinkhole {
  readonly log = new PayloadLog();
  /** In every script that is handed out. */
  readonly marker = `skillbox-fetched-${randomBytes(9).toString("hex")}`;
  readonly #authority: Authority;
  readonly #directory = mkdtempSync(join(tmpdir(), "skillbox-sinkhole-"));
  readonly #server: net.Server;
  readonly #http = createHttp({ maxHeaderSize: headBytes, requestTimeout: 30_000 });
  readonly #expected = new Map<string, Peer>();
  readonly #peers = new WeakMap<object, Peer>();
  readonly #open = new Set<Duplex>();

  private constructor(authority: Authority) {
    this.#authority = authority;
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#introduce(socket);
    });
    this.#http.on("error", ignore);
    this.#http.on("request", (request, response) => {
      this.#answer(request, response, this.#peerOf(request.socket));
    });
    this.#http.on("upgrade", (request, socket, head: Buffer) => {
      this.#switchOver(
        request,
        socket,
        head,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n",
      );
    });
    this.#http.on("connect", (request, socket, head: Buffer) => {
      this.#switchOver(request, socket, head, "HTTP/1.1 200 Connection established\r\n\r\n");
    });
    this.#http.on("clientError", (_error, socket) => socket.destroy());
  }

  static async open(authority: Authority): Promise<SinkholeServer> {
    const sinkhole = new SinkholeServer(authority);
    await new Promise<void>((resolve, reject) => {
      sinkhole.#server.once("error", reject);
      sinkhole.#server.listen(join(sinkhole.#directory, "s"), resolve);
    });
    return sinkhole;
  }

  readonly dial: Sinkhole["dial"] = async ({ host, port }) => {
    const ticket = randomBytes(8).toString("hex");
    this.#expected.set(ticket, { host, port, secure: false });
    const socket = new RelaySocket();
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(join(this.#directory, "s"), () => {
        socket.off("error", reject);
        resolve();
      });
    });
    // It stays, as dial.ts leaves one: nobody else may be listening yet.
    socket.on("error", ignore);
    socket.write(ticket);
    return socket;
  };

  close(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The first 16 bytes say which connection this is. */
  #introduce(socket: net.Socket): void {
    this.#keep(socket);
    const read = (): void => {
      const ticket: unknown = socket.read(16);
      if (!Buffer.isBuffer(ticket)) return;
      socket.off("readable", read);
      const name = ticket.toString("latin1");
      const peer = this.#expected.get(name);
      this.#expected.delete(name);
      if (peer === undefined) socket.destroy();
      else this.#serve(socket, peer);
    };
    socket.on("readable", read);
  }

  #keep(socket: Duplex): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
  }

  /** Finds out what is spoken from the first bytes, which are put back. */
  #serve(socket: net.Socket, peer: Peer): void {
    const greeting = setTimeout(() => {
      const text = greetingOf(peer.port);
      if (text !== undefined) socket.write(text);
    }, silenceMs);
    const begin = (): void => {
      const first: unknown = socket.read();
      if (!Buffer.isBuffer(first)) return;
      clearTimeout(greeting);
      socket.off("readable", begin);
      socket.unshift(first);
      this.#speak(socket, peer, first);
    };
    socket.on("readable", begin);
    socket.once("end", () => {
      clearTimeout(greeting);
      socket.end();
    });
    begin();
  }

  #speak(socket: net.Socket, peer: Peer, first: Buffer): void {
    this.#peers.set(socket, peer);
    if (!peer.secure && first[0] === 0x16 && first[1] === 0x03) this.#takeOffTls(socket, peer);
    else if (
      !first.toString("latin1", 0, 14).startsWith("PRI * HTTP/2") &&
      /^[A-Z]{3,12} \S/.test(first.subarray(0, 64).toString("latin1"))
    )
      this.#http.emit("connection", socket);
    else this.#read(socket, peer);
  }

  #takeOffTls(socket: net.Socket, peer: Peer): void {
    const { contextFor } = this.#authority;
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: contextFor(peer.host),
      SNICallback: (name, done) => {
        done(null, contextFor(name === "" ? peer.host : name));
      },
      ALPNProtocols: ["http/1.1"],
    });
    this.#keep(secure);
    secure.once("secure", () => {
      this.#serve(secure, { ...peer, secure: true });
    });
  }

  /** To the end: what it says is not understood. */
  #read(socket: net.Socket, peer: Peer): void {
    const { host, port, secure } = peer;
    const payload = this.log.open({ host, port, scheme: secure ? "tls" : "tcp" });
    let lines = 0;
    socket.on("data", (chunk: Buffer) => {
      payload.add(chunk);
      for (const line of chunk.toString("latin1").split(/\r?\n/).slice(0, 20)) {
        const reply = line === "" || lines++ > 1000 ? undefined : replyTo(port, line);
        if (reply !== undefined) socket.write(reply);
      }
    });
    socket.once("close", payload.done);
    socket.once("end", payload.done);
  }

  #peerOf(socket: object | undefined): Peer {
    return (socket && this.#peers.get(socket)) ?? { host: "", port: 0, secure: false };
  }

  #answer(request: IncomingMessage, response: ServerResponse, peer: Peer): void {
    const payload = this.log.open(described(request, peer));
    request.on("data", payload.add);
    request.once("error", payload.done);
    request.once("close", payload.done);
    request.once("end", () => {
      payload.done();
      const { method = "GET", url = "/", headers } = request;
      const answer = answerTo(method, url, headers, this.marker);
      response.on("error", ignore);
      response.statusCode = answer.status;
      response.setHeader("content-type", answer.type);
      response.setHeader("content-length", Buffer.byteLength(answer.body));
      response.end(method === "HEAD" ? "" : answer.body);
    });
  }

  /** A proxy, or WebSocket: what follows is another protocol. */
  #switchOver(request: IncomingMessage, socket: Duplex, head: Buffer, reply: string): void {
    const peer = this.#peerOf(request.socket);
    this.log.open(described(request, peer)).done();
    if (!(socket instanceof net.Socket)) {
      socket.destroy();
      return;
    }
    socket.write(reply);
    if (head.length > 0) socket.unshift(head);
    if (request.method === "CONNECT") {
      const [, host = peer.host, port = "443"] = /^(.*):(\d+)$/.exec(request.url ?? "") ?? [];
      this.#serve(socket, { host, port: Number(port), secure: false });
    } else this.#read(socket, peer);
  }
}

function described(request: IncomingMessage, { host, port, secure }: Peer): Omit<Payload, "body" | "bytes"> {
  const { method = "GET", url = "/", rawHeaders } = request;
  const head = rawHeaders.map((part, index) => (index % 2 === 0 ? `${part}: ` : `${part}\n`)).join("");
  return { host, port, scheme: secure ? "https" : "http", request: { method, target: url, head } };
}

/** A client of hostile code fails as it likes. */
function ignore(): void {
  return;
}
