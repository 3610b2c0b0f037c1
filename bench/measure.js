/** Measuring side by side: every contender in turn, round after round, so that what else the machine does meets them all. */
import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";
import { buffer } from "node:stream/consumers";

/** What each contender took, by round. @typedef {Readonly<Record<string, readonly number[]>>} Samples */
/** @typedef {Readonly<Record<string, () => number | Promise<number>>>} Contenders */

/**
 * Samples of `rounds`, after one round that does not count. Each round starts with another contender, so that none always meets
 * what the same one left to be cleaned up.
 *
 * @param {number} rounds
 * @param {Contenders} contenders
 * @returns {Promise<Samples>}
 */
export async function interleaved(rounds, contenders) {
  const order = Object.entries(contenders);
  /** @type {Record<string, number[]>} */
  const samples = Object.fromEntries(order.map(([name]) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, measure] of order) {
      const value = await measure();
      if (round >= 0) samples[name]?.push(value);
    }
    order.push(...order.splice(0, 1));
  }
  return samples;
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** Milliseconds. @param {() => unknown} work */
export async function timed(work) {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/**
 * Runs a program as the library does: its output is captured, and it has to succeed.
 *
 * @param {readonly string[]} argv
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export async function spawned([program = "", ...args], options) {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  const [status, stdout, stderr] = await Promise.all([ended, buffer(child.stdout), buffer(child.stderr)]);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${status}\n${stdout}${stderr}`);
  return stdout.toString();
}

/**
 * `total` times, so many at once.
 *
 * @param {number} total
 * @param {number} atOnce
 * @param {() => PromiseLike<unknown>} work
 */
export async function inParallel(total, atOnce, work) {
  let left = total;
  const worker = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
