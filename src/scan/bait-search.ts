import { gunzipSync, inflateRawSync, inflateSync } from "node:zlib";
import type { Decoy } from "./bait.js";
import type { BaitEncoding } from "./report-findings.js";

export interface BaitHit {
  readonly decoy: Decoy;
  readonly encoding: BaitEncoding;
}

/** Layers of encoding that are taken off: base64 of gzip of hex is three. */
const mostLayers = 3;
const mostInflated = 1024 * 1024;
const mostRuns = 200;

/** Decoys whose bytes are in the data, plain or encoded, at any alignment. The outermost encoding is named. */
export function findBait(data: Buffer, decoys: readonly Decoy[]): readonly BaitHit[] {
  const found = new Map<Decoy, BaitEncoding>();
  search(data, decoys, "plain", mostLayers, found);
  return [...found].map(([decoy, encoding]) => ({ decoy, encoding }));
}

function search(
  data: Buffer,
  decoys: readonly Decoy[],
  outer: BaitEncoding,
  layers: number,
  found: Map<Decoy, BaitEncoding>,
): void {
  const text = data.toString("latin1");
  const reversed = Array.from(text).reverse().join("");
  const named = (own: BaitEncoding): BaitEncoding => (outer === "plain" ? own : outer);
  for (const decoy of decoys) {
    if (found.has(decoy)) continue;
    const spelled = spellings(decoy.token).find(([, spelling]) => text.includes(spelling));
    if (spelled !== undefined) found.set(decoy, named(spelled[0]));
    else if (reversed.includes(decoy.token)) found.set(decoy, named("reversed"));
    else if (spellings(decoy.token).some(([, spelling]) => reversed.includes(spelling)))
      found.set(decoy, named("reversed"));
  }
  if (layers === 0) return;
  for (const [encoding, inner] of [
    ...unpacked(data, text),
    ...unpacked(Buffer.from(reversed, "latin1"), reversed),
  ])
    search(inner, decoys, named(encoding), layers - 1, found);
}

const spelledOnce = new Map<string, readonly (readonly [BaitEncoding, string])[]>();

function spellings(token: string): readonly (readonly [BaitEncoding, string])[] {
  const known = spelledOnce.get(token);
  if (known !== undefined) return known;
  const bytes = Buffer.from(token);
  const hex = bytes.toString("hex");
  const all: (readonly [BaitEncoding, string])[] = [
    ["plain", token],
    ["hex", hex],
    ["hex", hex.toUpperCase()],
    ...[0, 1, 2].flatMap((shift): (readonly [BaitEncoding, string])[] => {
      // The characters at both ends depend on the neighbours.
      const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
      const core = encoded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
      return [
        ["base64", core],
        ["base64url", core.replaceAll("+", "-").replaceAll("/", "_")],
      ];
    }),
  ];
  if (spelledOnce.size > 1000) spelledOnce.clear();
  spelledOnce.set(token, all);
  return all;
}

function* unpacked(data: Buffer, text: string): Generator<readonly [BaitEncoding, Buffer]> {
  if (/%[0-9a-fA-F]{2}/.test(text)) {
    const plain = text.replace(/%([0-9a-fA-F]{2})/g, (_whole, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
    yield ["url", Buffer.from(plain, "latin1")];
  }
  for (const [run] of runs(text, /(?:[0-9a-fA-F]{2}){10,}/g)) yield ["hex", Buffer.from(run, "hex")];
  for (const [run] of runs(text, /[A-Za-z0-9+/_-]{16,}/g))
    for (const skipped of [0, 1, 2, 3]) yield ["base64", Buffer.from(run.slice(skipped), "base64")];
  for (const [run] of runs(text, /[A-Za-z2-7]{24,}/g)) yield ["base32", base32(run)];
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
