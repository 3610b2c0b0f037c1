/** /bin/true from its start to its end, as node's own children and the library's; and the command line tool beside node itself. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sandbox } from "../dist/src/index.js";
import { interleaved, spawned, timed } from "./measure.js";
import { underPeers } from "./peers.js";

const cli = path.resolve(import.meta.dirname, "../bin/skillbox.js");

/** @param {import("./bench.js").Bench} bench */
export async function launch(bench) {
  const cwd = bench.folder;
  const auditFile = path.join(cwd, "record");
  const box = await sandbox.create({ cwd });
  const pool = await sandbox.pool({ cwd, size: 1 });
  const samples = await interleaved(bench.quick ? 10 : 60, {
    "no sandbox": () => timed(() => spawned(["true"])),
    skillbox: () => timed(() => sandbox({ argv: ["true"], cwd })),
    "skillbox, recorded": () => timed(() => sandbox({ argv: ["true"], cwd, auditFile })),
    "skillbox, from a pool": async () => {
      const elapsed = await timed(() => pool.exec(["true"]));
      // What is made for the next one is not to meet another contender.
      while (pool.available === 0) await sleep(1);
      await sleep(5);
      return elapsed;
    },
    "skillbox, in a kept sandbox": () => timed(() => box.exec(["true"])),
    ...(await underPeers(bench, { what: "run /bin/true", argv: ["true"], measure: timed })),
  });
  await Promise.all([box.close(), pool.close()]);
  bench.add({
    what: "run /bin/true",
    unit: "ms",
    samples,
    base: "bwrap",
    bars: [
      { who: "skillbox, recorded", of: "ratio", to: "bwrap", atMost: 0.65 },
      { who: "skillbox, from a pool", of: "ratio", to: "bwrap", atMost: 0.35 },
      { who: "skillbox, from a pool", of: "ratio", to: "no sandbox", atMost: 2 },
    ],
  });
}

/** @param {import("./bench.js").Bench} bench */
export async function commandLine(bench) {
  const cwd = bench.folder;
  const policy = path.join(cwd, "policy.yaml");
  writeFileSync(policy, "version: 1\nfilesystem: { read: [.] }\n");
  const node = process.execPath;
  const samples = await interleaved(bench.quick ? 7 : 30, {
    "node -e 0": () => timed(() => spawned([node, "-e", "0"])),
    "skillbox exec": () => timed(() => spawned([node, cli, "exec", "--", "true"], { cwd })),
    "skillbox exec --policy": () =>
      timed(() => spawned([node, cli, "exec", "--policy", policy, "--", "true"], { cwd })),
    ...(await underPeers(bench, { what: "command line", argv: ["true"], names: ["srt"], measure: timed })),
  });
  bench.add({
    what: "command line, /bin/true",
    unit: "ms",
    samples,
    base: "node -e 0",
    bars: [
      { who: "skillbox exec", of: "extra", to: "node -e 0", atMost: 30 },
      { who: "skillbox exec --policy", of: "extra", to: "node -e 0", atMost: 60 },
    ],
  });
}
