import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";
import { passing, readOutcomes, summary, unexplained, type Outcomes } from "./compare.js";
import { cpython } from "./differences.js";
import { isInstalled, program, runInside, runOutside, workplace } from "./places.js";

/** CPython's own tests of what it asks of a system, with no network and with one. */
const suiteTest = requires(test, "userns", "program:unshare");

const modules = ["test_os", "test_subprocess", "test_socket", "test_tempfile", "test_shutil"];
const networks = { none: "", open: "network: { egress: [{ to: [0.0.0.0/0] }] }\n" };

if (isInstalled) {
  for (const [network, rules] of Object.entries(networks)) {
    suiteTest.serial(`CPython's tests do inside what they do outside, network: ${network}`, async (t) => {
      t.timeout(900_000);
      const box = scratch(t);
      const places = { outside: workplace(box, "outside"), inside: workplace(box, "inside") };
      const chosen = network === "none" ? modules : ["test_socket"];
      const runner = program("run-unittests.py");
      const argv = ["/usr/bin/python3", runner, ...chosen.map((name) => `test.${name}`)];
      const policy =
        `version: 1\nfilesystem: { read: [${runner}], write: [${places.inside}], tmp: 1GiB }\n` +
        `${rules}resources: { wallTime: 10m, pids: 1024 }\naudit: { level: denied }\n`;
      await runOutside(places.outside, argv, { asRoot: false });
      await runInside(box, places.inside, argv, policy);
      const outside = readResults(places.outside);
      const inside = readResults(places.inside);
      t.log(summary(outside, inside));
      t.true(passing(outside) > (network === "none" ? 1200 : 400));
      t.deepEqual(unexplained(outside, inside, cpython), []);
    });
  }
}

function readResults(folder: string): Outcomes {
  return readOutcomes(readFileSync(path.join(folder, "results"), "utf8"));
}
