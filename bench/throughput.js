/** Runs of /bin/true a second, with so many at once. */
import { performance } from "node:perf_hooks";
import { sandbox } from "../dist/src/index.js";
import { interleaved, spawned } from "./measure.js";
import { underPeers } from "./peers.js";

/** strace runs nothing in a sandbox, and srt takes too long to be counted in a second. */
const compared = ["bwrap", "nsjail", "firejail", "crun", "runc"];

/** @param {import("./bench.js").Bench} bench */
export async function throughput(bench) {
  const cwd = bench.folder;
  const seconds = bench.quick ? 0.5 : 2;
  for (const atOnce of [1, 2, 8, 64]) {
    const what = `runs of /bin/true, ${atOnce} at once`;
    const pool = await sandbox.pool({ cwd, size: atOnce });
    const samples = await interleaved(bench.quick ? 1 : 5, {
      "no sandbox": () => perSecond(seconds, atOnce, () => spawned(["true"])),
      skillbox: () => perSecond(seconds, atOnce, () => sandbox({ argv: ["true"], cwd })),
      "skillbox, from a pool": () => perSecond(seconds, atOnce, () => pool.exec(["true"])),
      ...(await underPeers(bench, {
        what,
        argv: ["true"],
        names: compared,
        measure: (run) => perSecond(seconds, atOnce, run),
      })),
    });
    await pool.close();
    bench.add({ what, unit: "1/s", samples, base: "bwrap" });
  }
}

/**
 * What is started in `seconds` is counted when it has ended.
 *
 * @param {number} seconds
 * @param {number} atOnce
 * @param {() => PromiseLike<unknown>} work
 */
async function perSecond(seconds, atOnce, work) {
  const from = performance.now();
  const until = from + seconds * 1000;
  let runs = 0;
  const worker = async () => {
    do {
      await work();
      runs++;
    } while (performance.now() < until);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (runs / (performance.now() - from)) * 1000;
}
