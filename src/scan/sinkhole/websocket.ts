import { createHash } from "node:crypto";

/** The answer to an opening handshake (RFC 6455, 4.2.2): without it a client sends nothing. No extension is taken up. */
export function acceptWebSocket(key: string): string {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`;
}

/** Takes the masks off what a client sends: one message's bytes after the other, without the frames' heads (RFC 6455, 5.2). */
export class WebSocketReader {
  #head: Buffer = Buffer.alloc(0);
  #mask: Buffer | undefined;
  #left = 0;
  #offset = 0;

  read(chunk: Buffer): Buffer {
    const parts: Buffer[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        this.#head = Buffer.concat([this.#head, rest]);
        const length = this.#readHead();
        if (length === undefined) break;
        rest = this.#head.subarray(length);
        this.#head = Buffer.alloc(0);
        continue;
      }
      const part = Buffer.from(rest.subarray(0, this.#left));
      const { length } = part;
      for (let at = 0; at < length && this.#mask !== undefined; at++)
        part[at] = (part[at] ?? 0) ^ (this.#mask[(this.#offset + at) % 4] ?? 0);
      parts.push(part);
      this.#offset += length;
      this.#left -= length;
      rest = rest.subarray(length);
    }
    return Buffer.concat(parts);
  }

  /** Of the frame that begins; undefined while there is more to come. */
  #readHead(): number | undefined {
    const head = this.#head;
    if (head.length < 2) return undefined;
    const second = head.readUInt8(1);
    const short = second & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    const masked = (second & 0x80) === 0 ? 0 : 4;
    const length = 2 + extended + masked;
    if (head.length < length) return undefined;
    this.#left =
      extended === 8 ? Number(head.readBigUInt64BE(2)) : extended === 2 ? head.readUInt16BE(2) : short;
    this.#mask = masked === 0 ? undefined : head.subarray(2 + extended, length);
    this.#offset = 0;
    return length;
  }
}
