import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, rmSync } from "node:fs";
import net from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTls } from "node:tls";
import { RelaySocket } from "../../egress/relay-socket.js";
import type { Sinkhole } from "../../egress/sinkhole.js";
import { makeOwnedFolder } from "../../sandbox/owned-folder.js";
import { greetingOf, replyTo } from "./answers.js";
import type { Authority } from "./authority.js";
import { HttpEnd } from "./http.js";
import { PayloadLog } from "./payload.js";
import type { Peer } from "./peer.js";

/** For reading to the end what programs have sent that are gone. */
const lastWordsMs = 2000;
/** A client that says nothing for so long is greeted. */
const silenceMs = 300;
/** The client connection preface (RFC 9113, 3.4) begins so. */
const http2Preface = "PRI * HTTP/2";

/**
 * The server behind every address: HTTP/1.1, HTTP/2 and TLS are spoken, anything else is read. It listens on a Unix socket in a
 * directory that only this user can enter, so that nothing of it is on a network.
 */
export class SinkholeServer implements Sinkhole {
  readonly log = new PayloadLog();
  /** In every script that is handed out. */
  readonly marker = `skillbox-fetched-${randomBytes(9).toString("hex")}`;
  readonly #authority: Authority;
  readonly #directory: string;
  readonly #directoryFd: number;
  readonly #server: net.Server;
  readonly #http = new HttpEnd(this.log, this.marker, (socket, peer) => {
    this.#serve(socket, peer);
  });
  readonly #expected = new Map<string, Peer>();
  readonly #open = new Set<Duplex>();

  private constructor(authority: Authority, directory: string) {
    this.#authority = authority;
    this.#directory = directory;
    this.#directoryFd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#introduce(socket);
    });
  }

  static async open(authority: Authority): Promise<SinkholeServer> {
    const sinkhole = new SinkholeServer(authority, await makeOwnedFolder("sinkhole"));
    await new Promise<void>((resolve, reject) => {
      sinkhole.#server.once("error", reject);
      sinkhole.#server.listen(sinkhole.#path, resolve);
    });
    return sinkhole;
  }

  readonly dial: Sinkhole["dial"] = async ({ host, port }) => {
    const ticket = randomBytes(8).toString("hex");
    this.#expected.set(ticket, { host, port, secure: false });
    const socket = new RelaySocket();
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(this.#path, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    // It stays, as dial.ts leaves one: nobody else may be listening yet.
    socket.on("error", ignore);
    socket.write(ticket);
    return socket;
  };

  /** An address of a Unix socket has 108 bytes (unix(7)), and a temporary directory may have a longer name. */
  get #path(): string {
    return `/proc/self/fd/${this.#directoryFd}/s`;
  }

  /** Reads first what has arrived: a program may send, close and end before anybody here has looked. */
  async close(): Promise<void> {
    const deadline = performance.now() + lastWordsMs;
    while ((this.#expected.size > 0 || this.#open.size > 0) && performance.now() < deadline) await sleep(5);
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    closeSync(this.#directoryFd);
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
    const begin = first.subarray(0, 64).toString("latin1");
    if (!peer.secure && first[0] === 0x16 && first[1] === 0x03) this.#takeOffTls(socket, peer);
    else if (begin.startsWith(http2Preface)) this.#http.speakHttp2(socket, peer);
    else if (/^[A-Z]{3,12} \S/.test(begin)) this.#http.speakHttp1(socket, peer);
    else this.#read(socket, peer);
  }

  /** By a server of its own that never listens: only such a one tells HTTP/2 that a connection is up. */
  #takeOffTls(socket: net.Socket, peer: Peer): void {
    const { credentialsFor, contextFor } = this.#authority;
    const server = createTls({
      ...credentialsFor(peer.host),
      SNICallback: (name, done) => {
        // A name that it did not connect to is something that it says.
        const said = this.log.openWire(peer);
        if (name !== peer.host) said.add(Buffer.from(name));
        said.done();
        done(null, contextFor(name === "" ? peer.host : name));
      },
      ALPNProtocols: ["h2", "http/1.1"],
    });
    server.once("secureConnection", (secure) => {
      this.#keep(secure);
      this.#serve(secure, { ...peer, secure: true });
    });
    server.once("tlsClientError", () => {
      this.log.sealed.push({ host: peer.host, port: peer.port });
    });
    server.emit("connection", socket);
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
}

/** A client of hostile code fails as it likes. */
function ignore(): void {
  return;
}
