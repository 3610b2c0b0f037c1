import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { parse } from "yaml";
import { z } from "zod";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const step = z.looseObject({
  run: z.string().optional(),
  shell: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const action = z.looseObject({
  inputs: z.record(z.string(), z.looseObject({ description: z.string() })),
  runs: z.looseObject({ using: z.literal("composite"), steps: z.array(step) }),
});

test("the action's scripts are bash's, take inputs as variables alone, and use every input", (t) => {
  const { inputs, runs } = action.parse(parse(readFileSync(`${root}action.yml`, "utf8")));
  const scripts = runs.steps.flatMap(({ run }) => run ?? []);
  t.true(scripts.length >= 3);
  for (const script of scripts) {
    // An expression in a script is text of the script: `path: "$(curl …)"` would be run.
    t.false(script.includes("${{"), script);
    t.notThrows(() => execFileSync("bash", ["-n"], { input: script, stdio: ["pipe", "ignore", "pipe"] }));
  }
  const taken = runs.steps.flatMap(({ env }) => Object.values(env ?? {}));
  for (const name of Object.keys(inputs)) t.true(taken.includes(`\${{ inputs.${name} }}`), name);
});
