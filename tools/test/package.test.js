import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { requires } from "../../dist/test/helpers/requires.js";

const root = path.resolve(import.meta.dirname, "../..");

/** @param {string} program @param {readonly string[]} args @param {string} cwd @param {NodeJS.ProcessEnv} [environment] */
function run(program, args, cwd, environment) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    env: { ...cleanEnvironment(), ...environment },
  });
  if (status !== 0)
    throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? status}\n${stdout}${stderr}`);
  return stdout;
}

/** npm hands its own settings down to what it runs. */
function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
}

/** The package in an empty folder, as npm puts it there without scripts. @param {string} folder @param {string} archive */
function install(folder, archive) {
  const project = path.join(folder, "project");
  mkdirSync(project);
  writeFileSync(path.join(project, "package.json"), "{}");
  const quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  run("npm", ["install", ...quietly, path.join(folder, archive)], project);
  return project;
}

/** @param {string} folder */
function pack(folder) {
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root),
  );
  return packed;
}

test("the package is well formed and, installed in an empty folder without scripts, runs", (t) => {
  t.timeout(180_000);
  const folder = mkdtempSync(path.join(tmpdir(), "package-"));
  const ready = existsSync(path.join(root, "prebuilds"));
  try {
    run(process.execPath, ["tools/prebuild.js", process.arch], root);
    const packed = pack(folder);
    const files = packed.files.map((/** @type {{ path: string }} */ file) => file.path);
    for (const part of [
      `prebuilds/linux-${process.arch}/skillbox.node`,
      "dist/src/index.d.ts",
      "dist/bundle/cli/start.cjs",
      "native/init/main.cc",
      "binding.gyp",
    ]) {
      t.true(files.includes(part), part);
    }
    t.deepEqual(
      files.filter((/** @type {string} */ file) =>
        /^(?:test|build|node_modules|examples)\/|\.(?:[cm]?[jt]s\.map|cache)$/.test(file),
      ),
      [],
    );

    const bin = (/** @type {string} */ name) => path.join(root, "node_modules/.bin", name);
    run(bin("publint"), ["--strict", "--pack", "false"], root);
    run(bin("attw"), ["--profile", "esm-only", path.join(folder, packed.filename)], root);

    const project = install(folder, packed.filename);
    t.is(run("npx", ["--no-install", "skillbox", "exec", "--", "echo", "hello"], project), "hello\n");
    writeFileSync(path.join(project, "policy.yaml"), "version: 1\n");
    t.is(
      run("npx", ["--no-install", "skillbox", "exec", "-p", "policy.yaml", "--", "echo", "hello"], project),
      "hello\n",
    );
    const script =
      'import("skillbox").then(async ({ sandbox }) => console.log((await sandbox({ argv: ["echo", "hi"] })).stdout))';
    t.is(run(process.execPath, ["-e", script], project).trim(), "hi");
    const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
    t.is(run("npx", ["--no-install", "skillbox", "--version"], project), `${version}\n`);
  } finally {
    rmSync(folder, { recursive: true });
    if (!ready) rmSync(path.join(root, "prebuilds"), { recursive: true, force: true });
  }
});

// Root alone: it takes a compiler half a minute, and what it makes is the same for everybody.
requires(
  test,
  "userns",
  "root",
  "program:g++",
  "program:make",
)("where no prebuild fits, `skillbox build-native` makes the native part in the installed package", (t) => {
  t.timeout(600_000);
  const folder = mkdtempSync(path.join(tmpdir(), "package-"));
  try {
    const project = install(folder, pack(folder).filename);
    rmSync(path.join(project, "node_modules/skillbox/prebuilds"), { recursive: true, force: true });
    const skillbox = (/** @type {string[]} */ ...args) => ["--no-install", "skillbox", ...args];
    const hint = t.throws(() => run("npx", skillbox("exec", "--", "true"), project));
    t.regex(hint?.message ?? "", /not built for linux-\w+\n +hint: run `npx skillbox build-native`/);
    // Without optimisation it takes half the time.
    run("npx", skillbox("build-native"), project, { CXXFLAGS: "-O0" });
    t.is(run("npx", skillbox("exec", "--", "echo", "hello"), project), "hello\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
