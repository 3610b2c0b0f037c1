import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";
import { passing, readOutcomes, summary, unexplained, type Outcomes } from "./compare.js";
import { node } from "./differences.js";
import { isInstalled, program, runInside, runOutside, suite, workplace } from "./places.js";

/** Node's own tests of files, child processes and sockets (test/parallel), by the node that runs this. */
const suiteTest = requires(test, "userns", "program:unshare");

const prefixes = ["test-child-process-", "test-dgram-", "test-fs-", "test-net-"];

if (isInstalled) {
  suiteTest.serial("node's tests do inside what they do outside", async (t) => {
    t.timeout(1_200_000);
    const box = scratch(t);
    const places = { outside: workplace(box, "outside"), inside: workplace(box, "inside") };
    const runner = program("run-node-tests.mjs");
    const argv = [process.execPath, runner, suite("node/test/parallel"), ...prefixes];
    const policy =
      `version: 1\nfilesystem: { read: [${runner}, ${suite("node")}], write: [${places.inside}] }\n` +
      `resources: { wallTime: 10m, pids: 1024, openFiles: 4096 }\naudit: { level: denied }\n`;
    await runOutside(places.outside, argv, { asRoot: false });
    await runInside(box, places.inside, argv, policy);
    const outside = readResults(places.outside);
    const inside = readResults(places.inside);
    t.log(summary(outside, inside));
    t.true(passing(outside) > 400);
    t.deepEqual(unexplained(outside, inside, node), []);
  });
}

function readResults(folder: string): Outcomes {
  return readOutcomes(readFileSync(path.join(folder, "results"), "utf8"));
}
