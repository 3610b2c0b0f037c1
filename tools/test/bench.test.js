import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";

const script = path.resolve(import.meta.dirname, "../../bench/run.js");

/** @param {readonly string[]} args */
function bench(...args) {
  return spawnSync(process.execPath, ["--expose-gc", script, "--quick", ...args], { encoding: "utf8" });
}

test("the benchmark says of each figure what it is beside others', and of each bar whether it is met", (t) => {
  t.timeout(180_000);
  const folder = mkdtempSync(path.join(tmpdir(), "bench-"));
  try {
    const json = path.join(folder, "bench.json");
    const { status, stdout, stderr } = bench("--json", json, "cli");
    t.is(status, 0, stderr);
    t.regex(
      stdout,
      /^ {2}skillbox exec +\d[\d.]* \d+\.\d\d +(?:met|MISSED): \d[\d.]*, ≤ 30 ms more than node -e 0$/m,
    );
    const { tables } = JSON.parse(readFileSync(json, "utf8"));
    const [{ base, rows }] = tables;
    t.is(base, "node -e 0");
    for (const { who, median, least, most, ratio } of rows) {
      t.true(least > 0 && least <= median && median <= most, who);
      t.true(ratio >= 0.5, who);
    }
    t.is(rows[0].ratio, 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("an unknown part is named", (t) => {
  const { status, stderr } = bench("lunch");
  t.is(status, 1);
  t.regex(stderr, /lunch: the parts are launch, cli,/);
});
