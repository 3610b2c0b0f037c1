import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { requires } from "../helpers/requires.js";

// The other live tests rely on this check: one that sees nothing would let every leak pass.

test.serial("an unchanged host is unchanged", async (t) => {
  const before = snapshotHost();
  t.true(before.mounts.size > 0);
  await t.notThrowsAsync(assertUnchanged(before));
});

test.serial("a temporary file that is left is named", async (t) => {
  const before = snapshotHost();
  const left = mkdtempSync(path.join(tmpdir(), "skillbox-left-"));
  t.teardown(() => rmSync(left, { recursive: true }));
  const error = await t.throwsAsync(assertUnchanged(before, { withinMs: 0 }));
  t.true(error.message.includes(`file ${left}`));
});

requires(test, "userns").serial("a process in a pid namespace is seen until it is gone", async (t) => {
  const before = snapshotHost();
  const argv = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", "cat"];
  const child = spawn("unshare", argv, { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  child.stdin.write("started\n");
  await once(child.stdout, "data");
  const error = await t.throwsAsync(assertUnchanged(before, { withinMs: 0 }));
  t.regex(error.message, /process \d+ cat$/m);
  child.kill("SIGKILL");
  await t.notThrowsAsync(assertUnchanged(before));
});
