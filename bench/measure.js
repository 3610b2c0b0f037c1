/** Measuring side by side: every contender in turn, round after round, so that what else the machine does meets them all. */
import { spawnSync } from "node:child_process";
import { performance } from "node:perf_hooks";

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/**
 * Medians of `rounds`, after one that does not count.
 *
 * @param {number} rounds
 * @param {Readonly<Record<string, () => number | Promise<number>>>} contenders
 */
export async function interleaved(rounds, contenders) {
  /** @type {Record<string, number[]>} */
  const found = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(contenders)) {
      const value = await measure();
      if (round > 0) (found[name] ??= []).push(value);
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, median(values)]));
}

/** Milliseconds. @param {() => unknown} work */
export async function timed(work) {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** @param {readonly string[]} argv @param {string} [cwd] */
export function spawned([program = "", ...args], cwd) {
  const { status, stderr, error } = spawnSync(program, args, {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? status} ${stderr}`);
}

/** @param {string} program */
export function installed(program) {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", program], { stdio: "ignore" }).status === 0;
}
