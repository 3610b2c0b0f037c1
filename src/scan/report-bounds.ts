import { z } from "zod";

/** A list that was cut where it grew too long, and how many entries that cost: a report must not grow with what a program does. */
export interface Bounded<Item> {
  readonly items: Item[];
  readonly cut: number;
}

/** Schema of a list of at most `most` entries. */
export function bounded<Item extends z.ZodType>(item: Item, most: number) {
  return z.strictObject({
    items: z.array(item).max(most),
    cut: z.int().nonnegative().meta({ description: "How many further entries there were." }),
  });
}

/** The first `most` of the entries, and the number of the others (`further`: of those that were never collected). */
export function boundedList<Item>(items: readonly Item[], most: number, further = 0): Bounded<Item> {
  return { items: items.slice(0, most), cut: Math.max(0, items.length - most) + further };
}

/** At most `most` UTF-16 units; an ellipsis stands for what was cut. No half of a surrogate pair is left behind. */
export function boundedText(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = /[\ud800-\udbff]/.test(text.charAt(most - 2)) ? most - 2 : most - 1;
  return `${text.slice(0, end)}…`;
}

/** The bounds of a report's parts, for those who fill them and for the schema. */
export const bounds = {
  path: 4096,
  name: 512,
  sentence: 1024,
  paragraph: 4096,
  excerpt: 2048,
  policyText: 65_536,
  argument: 1024,
  arguments: 64,
  skillFiles: 10_000,
  runs: 2000,
  findings: 1000,
  evidence: 16,
  marks: 32,
  chain: 32,
  drift: 2000,
  denials: 2000,
  timeline: 5000,
  files: 5000,
  processes: 5000,
  names: 2000,
  connections: 2000,
  requests: 2000,
  entryPoints: 5000,
  notices: 200,
} as const;

/** Text of a program's, as it was: hostile. Whoever shows it has to make it fit for where it is shown. */
export const text = (most: number) => z.string().max(most);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const runIdentity = z.string().min(1).max(64).meta({ description: "`id` of a run of this report." });
export const count = z.int().nonnegative();
/** A file of the skill, relative to its folder, with `/`; or, where it begins with `/`, as the sandbox sees it. */
export const place = z.strictObject({
  file: text(bounds.path),
  line: z.int().positive().optional().meta({ description: "1-based." }),
});
export type Place = z.infer<typeof place>;
