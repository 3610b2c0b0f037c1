import type { Decoy } from "./bait.js";
import { type BaitHit, findBait } from "./bait-search.js";
import type { Payload } from "./sinkhole/payload.js";

export interface Tunnel {
  readonly parent: string;
  readonly count: number;
  readonly hits: readonly BaitHit[];
  /** By their look alone. */
  readonly isData: boolean;
}

/** Names by the domain that they lie below, where their labels carry something. */
export function tunnelled(names: readonly string[], decoys: readonly Decoy[]): readonly Tunnel[] {
  const byParent = new Map<string, Set<string>>();
  for (const name of names) {
    const labels = name.replace(/\.$/, "").split(".");
    if (labels.length < 3) continue;
    const parent = labels.slice(-2).join(".");
    byParent.set(parent, (byParent.get(parent) ?? new Set()).add(labels.slice(0, -2).join(".")));
  }
  return [...byParent].flatMap(([parent, below]) => {
    const joined = [...below].map((labels) => labels.replaceAll(".", ""));
    // Often a counter stands in one of the labels: the longest of each alone, too.
    const longest = [...below].map((labels) =>
      labels.split(".").reduce((best, label) => (label.length > best.length ? label : best), ""),
    );
    const hits = findBait(Buffer.from([joined.join(""), longest.join(""), ...joined].join("\n")), decoys);
    const isData =
      hits.length > 0 || below.size > 15 || longest.some((label) => label.length >= 30 && looksRandom(label));
    return isData ? [{ parent, count: below.size, hits, isData }] : [];
  });
}

function looksRandom(label: string): boolean {
  return new Set(label).size >= 10 && /\d/.test(label);
}

/** Pieces of at least so many characters are told apart from chance. */
const pieceLength = 4;

/** Decoys of which most pieces went to one host, or to several together, in payloads none of which has the whole. */
export function slowDrips(
  payloads: readonly Payload[],
  decoys: readonly Decoy[],
): readonly { readonly decoy: Decoy; readonly host: string }[] {
  const byHost = new Map<string, Payload[]>();
  for (const payload of payloads) byHost.set(payload.host, [...(byHost.get(payload.host) ?? []), payload]);
  const together: readonly (readonly [string, readonly Payload[]])[] =
    byHost.size > 1 ? [[`${byHost.size} hosts`, payloads]] : [];
  return [...byHost, ...together].flatMap(([host, sent]) => {
    if (sent.length < 3) return [];
    const texts = sent.map(({ request, body }) => `${request?.target ?? ""}\n${body.toString("latin1")}`);
    const joined = varying(texts);
    return decoys
      .filter(({ token }) => !texts.some((text) => text.includes(token)))
      .filter(
        (decoy) => covered(decoy.token, texts) > 0.7 || findBait(Buffer.from(joined), [decoy]).length > 0,
      )
      .map((decoy) => ({ decoy, host }));
  });
}

function covered(token: string, texts: readonly string[]): number {
  const whole = texts.join("\n");
  const seen = new Set<number>();
  for (let start = 0; start + pieceLength <= token.length; start++) {
    if (!whole.includes(token.slice(start, start + pieceLength))) continue;
    for (let at = start; at < start + pieceLength; at++) seen.add(at);
  }
  return seen.size / token.length;
}

/** What differs between requests that are otherwise alike, one after the other. */
function varying(texts: readonly string[]): string {
  const [first = ""] = texts;
  let prefix = first.length;
  let suffix = first.length;
  for (const text of texts) {
    while (!text.startsWith(first.slice(0, prefix))) prefix--;
    while (suffix > 0 && !text.endsWith(first.slice(first.length - suffix))) suffix--;
  }
  return texts.map((text) => text.slice(prefix, Math.max(prefix, text.length - suffix))).join("");
}
