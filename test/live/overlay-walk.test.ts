import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { requires } from "../helpers/requires.js";

const root = path.resolve(import.meta.dirname, "../../..");
const nobody = 65_534;
const flags = [
  ...["-std=c++20", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"],
  "-fsanitize=address,undefined",
];

/** Built with sanitizers into a directory of its own, which ends with the test. */
function runOverlayTest(t: ExecutionContext, uid: number | undefined): void {
  t.timeout(300_000);
  const scratch = temporaryDirectory(t, tmpdir());
  const program = path.join(scratch, "overlay_test");
  const sources = readdirSync(path.join(root, "native/overlay")).filter((name) => name.endsWith(".cc"));
  const build = spawnSync(
    "g++",
    [
      ...flags,
      ...sources.map((name) => `native/overlay/${name}`),
      "test/native/overlay_test.cc",
      "-o",
      program,
    ],
    { cwd: root, encoding: "utf8" },
  );
  t.is(build.status, 0, build.stderr);

  const memory = existsSync("/dev/shm") ? temporaryDirectory(t, "/dev/shm") : scratch;
  const directories = ["disk", "memory"].map((name) => path.join(name === "disk" ? scratch : memory, name));
  for (const directory of directories) {
    mkdirSync(directory);
    if (uid !== undefined) chownSync(directory, uid, uid);
  }
  const user = uid === undefined ? {} : { uid, gid: uid };
  const environment = { PATH: process.env["PATH"] };
  const run = spawnSync(program, directories, { cwd: "/", encoding: "utf8", env: environment, ...user });
  t.log(withoutPasses(run.stdout));
  t.is(run.status, 0, run.stderr);
  t.regex(run.stdout, /^1\.\.\d+$/m);
}

function temporaryDirectory(t: ExecutionContext, parent: string): string {
  const directory = mkdtempSync(path.join(parent, "overlay-walk-"));
  t.teardown(() => {
    // Not rmSync: it recurses, and the deepest tree here has 10 000 levels.
    spawnSync("rm", ["-rf", directory]);
  });
  chmodSync(directory, 0o755);
  return directory;
}

function withoutPasses(output: string): string {
  const lines = output.split("\n");
  return lines.filter((line) => !line.startsWith("ok ")).join("\n");
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
