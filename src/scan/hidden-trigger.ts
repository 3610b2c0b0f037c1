import type { Seen } from "./findings.js";
import { isAtLeast } from "./report-findings.js";
import { rules } from "./rules.js";

/**
 * What a script does with an argument that SKILL.md does not name, and in no run without arguments: one finding a script. `seen` are
 * the sightings of all runs.
 */
export function hiddenTriggers(seen: readonly Seen[], body: string): readonly Seen[] {
  const serious = seen.filter(({ rule, severity }) => isAtLeast(severity ?? rules[rule].severity, "HIGH"));
  const open = new Set(
    serious
      .filter(({ exercise }) => exercise?.entry.phase === "main" && exercise.entry.name === undefined)
      .map(({ rule, file }) => `${rule} ${file}`),
  );
  return serious.flatMap((sighting): readonly Seen[] => {
    const { exercise, rule, file, what } = sighting;
    const words = exercise?.entry.phase === "main" ? exercise.entry.target.slice(1) : [];
    const isHidden = words.length > 0 && !words.some((word) => body.includes(word));
    if (!isHidden || open.has(`${rule} ${file}`)) return [];
    const [word = ""] = words;
    return [
      { ...sighting, rule: "SBX308", severity: undefined, subject: [word], what: `with ${word}: ${what}` },
    ];
  });
}
