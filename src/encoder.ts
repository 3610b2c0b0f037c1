import { SkillboxError } from "./errors.js";

/** Bytes for the native side: little endian, strings with their length and a closing NUL, lists with their count. */
export class Encoder {
  #buffer = Buffer.allocUnsafe(16384);
  #length = 0;

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  boolean(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#word(value);
  }

  u64(value: bigint): void {
    this.#reserve(8);
    this.#word(Number(value & 0xffff_ffffn));
    this.#word(Number(value >> 32n));
  }

  data(value: string | Uint8Array): void {
    const length = typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
    this.u32(length);
    this.#reserve(length + 1);
    if (typeof value === "string") this.#buffer.write(value, this.#length);
    else this.#buffer.set(value, this.#length);
    this.#length += length;
    this.#buffer[this.#length++] = 0;
  }

  string(value: string): void {
    if (value.includes("\0")) {
      throw new SkillboxError(
        "ERR_USAGE",
        `a string with a NUL byte cannot cross into the kernel: ${JSON.stringify(value)}`,
      );
    }
    this.data(value);
  }

  list<Item>(items: readonly Item[], encode: (item: Item) => void): void {
    this.u32(items.length);
    for (const item of items) encode(item);
  }

  /** Byte by byte: a start encodes a plan before any of this is compiled, and the methods of Buffer check in four calls. */
  #word(value: number): void {
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = value;
    buffer[at++] = value >>> 8;
    buffer[at++] = value >>> 16;
    buffer[at++] = value >>> 24;
    this.#length = at;
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + length));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
