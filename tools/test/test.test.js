import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";

const root = path.resolve(import.meta.dirname, "../..");

/**
 * Runs tools/test.js over one compiled test file; returns its exit status and last line.
 *
 * @param {import("ava").ExecutionContext} t
 * @param {string | undefined} source
 */
async function run(t, source) {
  const project = mkdtempSync(path.join(tmpdir(), "runner-test-"));
  t.teardown(() => rmSync(project, { recursive: true }));
  mkdirSync(path.join(project, "dist/test/unit"), { recursive: true });
  for (const file of ["tools/test.js", "tools/test-tally.js", "ava.config.js", "package.json"]) {
    cpSync(path.join(root, file), path.join(project, file));
  }
  symlinkSync(path.join(root, "node_modules"), path.join(project, "node_modules"));
  if (source !== undefined) {
    writeFileSync(path.join(project, "dist/test/unit/a.test.js"), `import test from "ava";\n${source}`);
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [path.join(project, "tools/test.js")], (error, stdout) => {
      resolve([error?.code ?? 0, stdout.trimEnd().split("\n").at(-1)]);
    });
  });
}

const pass = 'test("passes", (t) => t.pass());';

test("passes with the tests", async (t) => {
  const skip = 'test.skip("v2 # skipped: needs cgroup-v2", (t) => t.pass());';
  t.deepEqual(await run(t, `${pass} ${skip}`), [0, "1 passed, 0 failed, 1 skipped"]);
});

test("fails with a test", async (t) => {
  t.deepEqual(await run(t, `${pass} test("fails", (t) => t.fail());`), [1, "1 passed, 1 failed, 0 skipped"]);
});

test("fails without a test", async (t) => {
  t.deepEqual(await run(t, undefined), [1, "0 passed, 0 failed, 0 skipped"]);
});

test("fails when every test is skipped", async (t) => {
  t.deepEqual(await run(t, 'test.skip("v2 # skipped: needs cgroup-v2", (t) => t.pass());'), [
    1,
    "0 passed, 0 failed, 1 skipped",
  ]);
});

test("fails on a skip that gives no reason", async (t) => {
  t.deepEqual(await run(t, `${pass} test.skip("later", (t) => t.pass());`), [
    1,
    "1 passed, 1 failed, 0 skipped",
  ]);
});

test("fails when a file crashes after its tests have passed", async (t) => {
  const crash = 'test("crashes", (t) => { t.pass(); setImmediate(() => { throw new Error("late"); }); });';
  t.deepEqual(await run(t, crash), [1, "1 passed, 1 failed, 0 skipped"]);
});
