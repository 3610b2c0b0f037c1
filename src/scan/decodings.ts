import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from "node:zlib";
import type { BaitEncoding } from "./report-findings.js";

const mostInflated = 1024 * 1024;
const mostRuns = 200;

/** What the data, or parts of it, may have been before somebody encoded it. `text` is the same data as Latin-1. */
export function* decodings(data: Buffer, text: string): Generator<readonly [BaitEncoding, Buffer]> {
  if (/[%=][0-9a-fA-F]{2}/.test(text)) {
    const plain = text.replace(/[%=]([0-9a-fA-F]{2})/g, (_whole, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
    yield ["url", Buffer.from(plain, "latin1")];
  }
  for (const [run] of runs(text, /(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s:,-]{0,2}){10,}/g))
    yield ["hex", Buffer.from(run.replace(/0x|\\x|[^0-9a-fA-F]/g, ""), "hex")];
  for (const [run] of runs(text, /[A-Za-z0-9+/_-]{16,}/g))
    for (const skipped of [0, 1, 2, 3]) yield ["base64", Buffer.from(run.slice(skipped), "base64")];
  for (const [run] of runs(text, /[A-Za-z2-7]{24,}/g)) yield ["base32", base32(run)];
  for (const [run] of runs(text, /(?:\d{2,3}[\s,;]{1,2}){12,}\d{2,3}/g))
    yield ["codes", Buffer.from(run.split(/[\s,;]+/).map(Number))];
  for (const [run] of runs(text, /[!-~]{20,}/g))
    for (const alphabet of [ascii85, base85]) yield ["base85", fromBase85(run, alphabet)];
  // UTF-16, of either order.
  if (/(?:[ -~]\0){8}/.test(text)) yield ["utf-16", Buffer.from(data.filter((byte) => byte !== 0))];
  yield* inflations(data);
}

function* inflations(data: Buffer): Generator<readonly [BaitEncoding, Buffer]> {
  for (let at = data.indexOf("\x1f\x8b", 0, "latin1"), tries = 0; at >= 0 && tries < 20; tries++) {
    const inner = inflated(() => gunzipSync(data.subarray(at), inflating));
    if (inner !== undefined) yield ["gzip", inner];
    at = data.indexOf("\x1f\x8b", at + 1, "latin1");
  }
  for (let at = data.indexOf(0x78), tries = 0; at >= 0 && tries < 50; tries++) {
    const inner = inflated(() => inflateSync(data.subarray(at), inflating));
    if (inner !== undefined) yield ["deflate", inner];
    at = data.indexOf(0x78, at + 1);
  }
  const raw = inflated(() => inflateRawSync(data, inflating));
  if (raw !== undefined) yield ["deflate", raw];
  const brotli = inflated(() => brotliDecompressSync(data, { maxOutputLength: mostInflated }));
  if (brotli !== undefined) yield ["brotli", brotli];
}

function runs(text: string, pattern: RegExp): readonly RegExpMatchArray[] {
  return [...text.matchAll(pattern)].slice(0, mostRuns);
}

const inflating = { maxOutputLength: mostInflated, finishFlush: 2 } as const;

/** Undefined for what is not compressed after all. */
function inflated(inflate: () => Buffer): Buffer | undefined {
  try {
    const inner = inflate();
    return inner.length < 8 ? undefined : inner;
  } catch {
    return undefined;
  }
}

/** RFC 4648, 6, in any case. */
function base32(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const character of text.toUpperCase()) {
    value = ((value << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
  }
  return Buffer.from(bytes);
}

/** Adobe's and that of RFC 1924, which Python calls a85 and b85. */
const ascii85 = String.fromCharCode(...Array.from({ length: 85 }, (_, index) => index + 33));
const base85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

function fromBase85(text: string, alphabet: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at + 5 <= text.length; at += 5) {
    let value = 0;
    for (const character of text.slice(at, at + 5)) value = value * 85 + alphabet.indexOf(character);
    bytes.push((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
  }
  return Buffer.from(bytes);
}
