/** What the parts of the benchmark share: where they work, whom they compare with, and where their figures go. */
import { median } from "./measure.js";

/**
 * A bar of the design, on one contender: its own figure, or beside another's of the same round, as a ratio or what it takes more.
 *
 * @typedef {{ who: string, of: "value" | "ratio" | "extra", to?: string, atMost: number } |
 *   { who: string, of: "value" | "ratio", to?: string, atLeast: number }} Bar
 */
/** @typedef {{ text: string, value: number, met: boolean }} Judged */
/** @typedef {{ who: string, median: number, least: number, most: number, ratio: number | undefined, bars: Judged[] }} Row */
/** @typedef {{ what: string, unit: string, base: string | undefined, rows: Row[] }} Table */

export class Bench {
  /** @type {Table[]} */
  tables = [];
  /** What could not be measured here, and why. @type {string[]} */
  omissions = [];

  /**
   * @param {{ quick: boolean, folder: string, peers: readonly import("./peers.js").Peer[] }} options `folder` is empty, and
   *   removed at the end
   */
  constructor({ quick, folder, peers }) {
    this.quick = quick;
    this.folder = folder;
    this.peers = peers;
  }

  /**
   * One table of the report. Ratios are medians of the rounds' own, which a change in the machine's load leaves as they are.
   *
   * @param {{ what: string, unit: string, samples: import("./measure.js").Samples, base?: string, bars?: readonly Bar[] }} measured
   *   `base` is the contender that the others are compared with; where it is missing there are no ratios
   */
  add({ what, unit, samples, base, bars = [] }) {
    const baseline = base === undefined ? undefined : samples[base];
    const rows = Object.entries(samples).map(([who, values]) => ({
      who,
      median: median(values),
      least: Math.min(...values),
      most: Math.max(...values),
      ratio: baseline === undefined ? undefined : median(inEachRound(values, baseline, (a, b) => a / b)),
      bars: bars.filter((bar) => bar.who === who).flatMap((bar) => judge(bar, samples, unit)),
    }));
    this.tables.push({ what, unit, base: baseline === undefined ? undefined : base, rows });
  }

  /** @param {string} what @param {string} why */
  omit(what, why) {
    this.omissions.push(`${what}: ${why}`);
  }
}

/**
 * Nothing where the other contender is not there.
 *
 * @param {Bar} bar
 * @param {import("./measure.js").Samples} samples
 * @param {string} unit
 * @returns {Judged[]}
 */
function judge(bar, samples, unit) {
  const own = samples[bar.who];
  const other = bar.to === undefined ? undefined : samples[bar.to];
  if (own === undefined || (bar.of !== "value" && other === undefined)) return [];
  const [value, suffix] =
    bar.of === "value"
      ? [median(own), ` ${unit}`]
      : bar.of === "ratio"
        ? [median(inEachRound(own, other ?? [], (a, b) => a / b)), ` × ${bar.to}`]
        : [median(inEachRound(own, other ?? [], (a, b) => a - b)), ` ${unit} more than ${bar.to}`];
  return "atMost" in bar
    ? [{ text: `≤ ${bar.atMost}${suffix}`, value, met: value <= bar.atMost }]
    : [{ text: `≥ ${bar.atLeast}${suffix}`, value, met: value >= bar.atLeast }];
}

/**
 * @param {readonly number[]} values
 * @param {readonly number[]} others
 * @param {(value: number, other: number) => number} compare
 */
function inEachRound(values, others, compare) {
  return values.map((value, round) => compare(value, others[round] ?? NaN));
}
