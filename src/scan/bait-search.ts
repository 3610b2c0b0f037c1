import type { Decoy } from "./bait.js";
import { enciphered, isShifted } from "./ciphers.js";
import { decodings } from "./decodings.js";
import type { BaitEncoding } from "./report-findings.js";

export interface BaitHit {
  readonly decoy: Decoy;
  readonly encoding: BaitEncoding;
}

/** Layers of encoding that are taken off: base64 of gzip of hex is three. */
const mostLayers = 3;
/** Bytes that are decoded and searched, over all layers. */
const mostSearched = 8 * 1024 * 1024;

/** Decoys whose bytes are in the data, plain or encoded, at any alignment. The outermost encoding is named. */
export function findBait(data: Buffer, decoys: readonly Decoy[]): readonly BaitHit[] {
  const search = new Search(decoys);
  search.look(data, "plain", mostLayers);
  return [...search.found].map(([decoy, encoding]) => ({ decoy, encoding }));
}

class Search {
  readonly found = new Map<Decoy, BaitEncoding>();
  readonly #decoys: readonly Decoy[];
  readonly #shortest: number;
  #left = mostSearched;

  constructor(decoys: readonly Decoy[]) {
    this.#decoys = decoys;
    this.#shortest = Math.min(...decoys.map(({ token }) => token.length));
  }

  look(data: Buffer, outer: BaitEncoding, layers: number): void {
    if (data.length < this.#shortest || this.found.size === this.#decoys.length) return;
    this.#left -= data.length;
    if (this.#left < 0) return;
    const text = data.toString("latin1");
    const backwards = Buffer.from(data).reverse();
    const reversed = backwards.toString("latin1");
    const spread = text.replace(/[^A-Za-z0-9]+/g, "");
    const isEnciphered = enciphered(data);
    const small = spread.toLowerCase();
    const named = (own: BaitEncoding): BaitEncoding => (outer === "plain" ? own : outer);
    for (const decoy of this.#decoys) {
      if (this.found.has(decoy)) continue;
      const { token } = decoy;
      const own = spelled(text, token);
      if (own !== undefined) this.found.set(decoy, named(own));
      else if (spelled(reversed, token) !== undefined) this.found.set(decoy, named("reversed"));
      else if (small.includes(token.replace(/[^A-Za-z0-9]/g, "").toLowerCase()))
        this.found.set(decoy, named("spread"));
      else if (isShifted(spread, token)) this.found.set(decoy, named("shifted"));
      else if (isEnciphered(token)) this.found.set(decoy, named("xor"));
    }
    if (layers === 0) return;
    for (const [encoding, inner] of decodings(data, text)) this.look(inner, named(encoding), layers - 1);
    for (const [, inner] of decodings(backwards, reversed)) this.look(inner, named("reversed"), layers - 1);
  }
}

function spelled(text: string, token: string): BaitEncoding | undefined {
  return spellings(token).find(([, spelling]) => text.includes(spelling))?.[0];
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
