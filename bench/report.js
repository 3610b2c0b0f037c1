/** The same figures for people at a terminal, for README.md and for machines. */
import { cpus, loadavg, release, totalmem } from "node:os";

/** In general terms: no name of a host or a model. @param {number} load before the first round */
export function describeMachine(load) {
  const gib = Math.round(totalmem() / 2 ** 30);
  const who = process.geteuid?.() === 0 ? "root" : "an ordinary user";
  const kernel = /^\d+\.\d+/.exec(release())?.[0] ?? release();
  return `${cpus().length} cores, ${gib} GiB, Linux ${kernel}, node ${process.versions.node}, as ${who}, load ${load.toFixed(1)} before`;
}

/** Whether other work disturbed the figures: then only ratios mean something. */
export function isBusy(load = loadavg()[0] ?? 0) {
  return load > cpus().length / 4;
}

/** @param {readonly import("./bench.js").Table[]} tables */
export function forTerminal(tables) {
  return tables.flatMap(({ what, unit, base, rows }) => {
    const names = Math.max(34, what.length, ...rows.map(({ who }) => who.length + 2));
    const head = `${what.padEnd(names)} ${unit.padStart(9)} ${base === undefined ? "" : `× ${base}`}`;
    const lines = rows.map(({ who, median, ratio, bars }) =>
      [
        `  ${who}`.padEnd(names),
        figure(median).padStart(9),
        (ratio === undefined ? "" : ratio.toFixed(2)).padEnd(8),
        bars.map(({ text, value, met }) => `${met ? "met" : "MISSED"}: ${figure(value)}, ${text}`).join("; "),
      ]
        .join(" ")
        .trimEnd(),
    );
    return [head.trimEnd(), ...lines, ""];
  });
}

/** What is skillbox's, ratios first. @param {readonly import("./bench.js").Table[]} tables */
export function forReadme(tables) {
  const lines = tables.flatMap(({ what, unit, base, rows }) => {
    if (base === undefined) return [];
    const baseline = rows.find(({ who }) => who === base);
    const others = rows.filter(({ who }) => who !== base && !isOurs(who));
    return rows
      .filter(({ who }) => isOurs(who))
      .map(({ who, median, ratio, bars }) => {
        const variant = who.replace(/^skillbox(, )?/, "");
        return [
          variant === "" ? what : `${what}: ${variant}`,
          `${ratio?.toFixed(2)} × ${base}`,
          `${figure(median)} to ${figure(baseline?.median ?? NaN)} ${unit}`,
          others.map((row) => `${row.who} ${row.ratio?.toFixed(2)}`).join(", "),
          bars.map(({ text, met }) => `${text}: ${met ? "met" : "missed"}`).join(", "),
        ];
      });
  });
  return [
    ["what", "skillbox", "medians", "others", "bar"],
    ["---", "---", "---", "---", "---"],
    ...lines,
  ].map((cells) => `| ${cells.join(" | ")} |`);
}

/** @param {string} who */
function isOurs(who) {
  return who.startsWith("skillbox") || who === "recorded";
}

/** Three digits. @param {number} value */
function figure(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
