/** What became of each case of a suite, by its name. */
export type Outcomes = ReadonlyMap<string, Outcome>;
const outcomes = ["passed", "failed", "skipped"] as const;
type Outcome = (typeof outcomes)[number];

/** Why cases that pass outside do not pass inside: reason to names of cases, in which `*` stands for anything. */
export type Differences = Readonly<Record<string, readonly string[]>>;

/**
 * One line for each case that is not as the table has it: what passes outside only has to be there with its reason, and what is
 * there has to differ still. A case that does not pass outside says nothing about a sandbox.
 */
export function unexplained(outside: Outcomes, inside: Outcomes, differences: Differences): string[] {
  const patterns = Object.values(differences).flat();
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const [name, outcome] of outside) {
    if (outcome !== "passed") continue;
    const explained = patterns.filter((pattern) => matches(pattern, name));
    for (const pattern of explained) seen.add(pattern);
    const within = inside.get(name) ?? "missing";
    if (within !== "passed" && explained.length === 0) lines.push(`${name}: ${within} inside`);
    if (within === "passed" && explained.length > 0) lines.push(`${name}: passes inside as well`);
    if (explained.length > 1) lines.push(`${name}: has more than one reason`);
  }
  // What does not pass outside on this machine (another kernel, no IPv6) cannot be asked for.
  const known = new Set([...outside.keys(), ...inside.keys()]);
  for (const pattern of patterns) {
    const isKnown = [...known].some((name) => matches(pattern, name));
    if (!seen.has(pattern) && !isKnown) lines.push(`${pattern}: there is no such case`);
  }
  return lines;
}

export function passing(of: Outcomes): number {
  return [...of.values()].filter((outcome) => outcome === "passed").length;
}

/** For people: how many cases there are, how many pass on both sides, and how many pass outside only. */
export function summary(outside: Outcomes, inside: Outcomes): string {
  const outer = [...outside].filter(([, outcome]) => outcome === "passed").map(([name]) => name);
  const both = outer.filter((name) => inside.get(name) === "passed").length;
  return `${outside.size} cases, ${outer.length} pass outside, ${both} of them inside`;
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

/** Lines of a name, a tab and an outcome, as the programs of test/suites/programs write them. */
export function readOutcomes(text: string): Outcomes {
  const lines = text.matchAll(/^(.+)\t(passed|failed|skipped)$/gm);
  return new Map(
    Array.from(lines, ([, name = "", word]) => [name, outcomes.find((each) => each === word) ?? "failed"]),
  );
}

/**
 * Test Anything Protocol: `ok 12 global.name`, `not ok 13 global.other # a comment`, `ok 14 # SKIP why`. The process ids that some
 * print before a name, and the numbers, which move when a case before is skipped, are left out.
 */
export function readTap(prefix: string, text: string): Outcomes {
  const read = new Map<string, Outcome>();
  for (const [, not, rest = ""] of text.matchAll(/^(not )?ok \d+ (.*)$/gm)) {
    const [title = "", comment = ""] = rest.split(/ ?# ?/, 2);
    const name = `${prefix} ${title.replace(/^\[\d+\] /, "")}`.trim();
    const outcome = comment.startsWith("SKIP") ? "skipped" : not === undefined ? "passed" : "failed";
    read.set(unused(name, read), outcome);
  }
  return read;
}

function unused(name: string, taken: Outcomes): string {
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name} (${count})`;
  return free;
}
