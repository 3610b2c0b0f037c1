import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, globSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { requires } from "../helpers/requires.js";

const root = path.resolve(import.meta.dirname, "../../..");
const nobody = 65_534;
const flags =
  "-std=c++20 -g -O1 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -fsanitize=address,undefined";

/** Built with sanitizers into a directory of its own, which ends with the test. */
function runOverlayTest(t: ExecutionContext, uid: number | undefined): void {
  t.timeout(300_000);
  const scratch = mkdtempSync(path.join(tmpdir(), "overlay-walk-"));
  t.teardown(() => {
    // Not rmSync: it recurses, and the deepest tree here has 10 000 levels.
    spawnSync("rm", ["-rf", scratch]);
  });
  chmodSync(scratch, 0o755);
  const program = path.join(scratch, "overlay_test");
  const sources = [...globSync("native/overlay/*.cc", { cwd: root }), "test/native/overlay_test.cc"];
  const build = spawnSync("g++", [...flags.split(" "), ...sources, "-o", program], {
    cwd: root,
    encoding: "utf8",
  });
  t.is(build.status, 0, build.stderr);

  const work = path.join(scratch, "work");
  mkdirSync(work);
  if (uid !== undefined) chownSync(work, uid, uid);
  const user = uid === undefined ? {} : { uid, gid: uid };
  const run = spawnSync(program, [work], {
    cwd: "/",
    encoding: "utf8",
    env: { PATH: process.env["PATH"] },
    ...user,
  });
  t.log(
    run.stdout
      .split("\n")
      .filter((line) => !line.startsWith("ok "))
      .join("\n"),
  );
  t.is(run.status, 0, run.stderr);
  t.regex(run.stdout, /^1\.\.\d+$/m);
}

const liveTest = requires(test, "overlay-userns", "program:g++", "program:perl");

liveTest("changes of real overlay mounts are listed and committed, as this caller", (t) => {
  runOverlayTest(t, undefined);
});

requires(
  test,
  "root",
  "overlay-userns",
  "program:g++",
  "program:perl",
)("changes of real overlay mounts are listed and committed, as an ordinary user", (t) => {
  runOverlayTest(t, nobody);
});
