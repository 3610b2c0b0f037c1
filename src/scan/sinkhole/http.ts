import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import net from "node:net";
import { Duplex, PassThrough } from "node:stream";
import { answerTo } from "./answers.js";
import type { Payload, PayloadLog } from "./payload.js";
import type { Peer } from "./peer.js";
import { acceptWebSocket, WebSocketReader } from "./websocket.js";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** Bytes of a request head. */
const headBytes = 64 * 1024;
const streams = 100;

/**
 * The HTTP side of a sinkhole: answers every request, and keeps its head, body and trailers. What the parsers leave out (extensions
 * of chunks, padding, what they refuse) is among the bytes of the connection, which are kept as well.
 */
export class HttpEnd {
  readonly #log: PayloadLog;
  readonly #marker: string;
  /** What is spoken on a connection after a request has led to another protocol. */
  readonly #onTunnel: (socket: net.Socket, peer: Peer) => void;
  readonly #http1 = createHttp1({ maxHeaderSize: headBytes, requestTimeout: 30_000 });
  readonly #peers = new WeakMap<object, Peer>();

  constructor(log: PayloadLog, marker: string, onTunnel: (socket: net.Socket, peer: Peer) => void) {
    this.#log = log;
    this.#marker = marker;
    this.#onTunnel = onTunnel;
    this.#http1.on("error", ignore);
    this.#http1.on("request", (request, response) => {
      this.#answer(request, response, this.#peerOf(request.socket));
    });
    this.#http1.on("upgrade", (request, socket, head: Buffer) => {
      if (socket instanceof net.Socket) this.#upgrade(request, socket, head);
      else socket.destroy();
    });
    this.#http1.on("connect", (request, socket, head: Buffer) => {
      if (socket instanceof net.Socket) this.#connect(request, socket, head);
      else socket.destroy();
    });
    this.#http1.on("clientError", (_error, socket) => socket.destroy());
  }

  speakHttp1(socket: net.Socket, peer: Peer): void {
    this.#peers.set(socket, peer);
    this.#http1.emit("connection", socket);
    this.#keepWire(socket, peer);
  }

  speakHttp2(socket: net.Socket, peer: Peer): void {
    const server = createHttp2({ maxHeaderListPairs: 1000, settings: { maxConcurrentStreams: streams } });
    server.on("request", (request, response) => {
      this.#answer(request, response, peer);
    });
    server.on("sessionError", ignore);
    server.on("error", ignore);
    this.#keepWire(socket, peer);
    // As a plain stream: of a socket it would take the handle, with bytes that have been put back and those to come past us, and
    // of TLS without ALPN it would take nothing.
    const tap = new PassThrough();
    socket.pipe(tap);
    const stream = Duplex.from({ readable: tap, writable: socket });
    stream.on("error", ignore);
    server.emit("connection", stream);
  }

  #keepWire(socket: net.Socket, { host, port }: Peer): void {
    const wire = this.#log.openWire({ host, port });
    socket.on("data", wire.add);
    socket.once("close", wire.done);
  }

  #peerOf(socket: object | undefined): Peer {
    return (socket && this.#peers.get(socket)) ?? { host: "", port: 0, secure: false };
  }

  #answer(request: Request, response: Response, peer: Peer): void {
    const payload = this.#log.open(described(request, peer));
    request.on("data", payload.add);
    request.once("error", payload.done);
    request.once("close", payload.done);
    request.once("end", () => {
      payload.add(Buffer.from(headText(request.rawTrailers), "latin1"));
      payload.done();
      const { method, url, headers } = request;
      const answer = answerTo(method ?? "GET", url ?? "/", headers, this.#marker);
      response.on("error", ignore);
      response.statusCode = answer.status;
      response.setHeader("content-type", answer.type);
      response.setHeader("content-length", Buffer.byteLength(answer.body));
      response.end(method === "HEAD" ? "" : answer.body);
    });
  }

  #connect(request: IncomingMessage, socket: net.Socket, head: Buffer): void {
    const peer = this.#peerOf(socket);
    this.#log.open(described(request, peer)).done();
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) socket.unshift(head);
    const [, host = peer.host, port = "443"] = /^(.*):(\d+)$/.exec(request.url ?? "") ?? [];
    this.#onTunnel(socket, { host, port: Number(port), secure: false });
  }

  #upgrade(request: IncomingMessage, socket: net.Socket, head: Buffer): void {
    const peer = this.#peerOf(socket);
    const key = request.headers["sec-websocket-key"];
    if (request.headers.upgrade?.toLowerCase() === "websocket" && key !== undefined) {
      this.#log.open(described(request, peer)).done();
      socket.write(acceptWebSocket(key));
      this.#readFrames(socket, head, peer);
      return;
    }
    // Any other offer may be passed over (RFC 9110, 7.8): the request is answered as if it had not been made.
    const kept = request.rawHeaders.flatMap((name, index) =>
      index % 2 === 0 && !/^(upgrade|connection|http2-settings)$/i.test(name)
        ? [name, request.rawHeaders[index + 1] ?? ""]
        : [],
    );
    const line = `${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1`;
    const whole = `${line}\r\n${headText(kept).replaceAll("\n", "\r\n")}\r\n`;
    socket.unshift(Buffer.concat([Buffer.from(whole, "latin1"), head]));
    this.#http1.emit("connection", socket);
  }

  #readFrames(socket: net.Socket, head: Buffer, { host, port, secure }: Peer): void {
    const payload = this.#log.open({ host, port, scheme: secure ? "wss" : "ws" });
    const reader = new WebSocketReader();
    if (head.length > 0) payload.add(reader.read(head));
    socket.on("data", (chunk: Buffer) => {
      payload.add(reader.read(chunk));
    });
    socket.once("close", payload.done);
    socket.once("end", payload.done);
  }
}

function described(request: Request, { host, port, secure }: Peer): Omit<Payload, "body" | "bytes"> {
  const { method, url } = request;
  const head = headText(request.rawHeaders);
  const scheme = secure ? "https" : "http";
  return { host, port, scheme, request: { method: method ?? "GET", target: url ?? "/", head } };
}

/** `Name: value`, a line each. */
function headText(raw: readonly string[]): string {
  return raw.map((part, index) => (index % 2 === 0 ? `${part}: ` : `${part}\n`)).join("");
}

/** A client of hostile code fails as it likes. */
function ignore(): void {
  return;
}
