import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { encodeAuditTables } from "../../dist/src/audit/encode-tables.js";
import { auditLevels } from "../../dist/src/policy/policy.js";
import { choiceInput } from "../../dist/src/sandbox/filter-input.js";
import { compileFilter } from "../../dist/src/seccomp/filter.js";
import { builtInProfiles } from "../../dist/src/seccomp/load-profile.js";
import { decodeFilter, filterFile } from "../../dist/src/seccomp/precompiled.js";
import { architectures } from "../../dist/src/seccomp/syscall-table.js";

const root = path.resolve(import.meta.dirname, "../..");
const bundle = path.join(root, "dist/bundle");

/** @param {string} file */
function read(file) {
  return readFileSync(path.join(bundle, file));
}

// zod alone costs more than a whole run of a small program.
test("what a run without a policy file reads holds no policy library, no commander and nothing about egress", (t) => {
  const start = read("cli/start.cjs").toString();
  t.true(start.includes("async function exec("));
  for (const [what, sign] of /** @type {const} */ ([
    ["zod", "ZodError"],
    ["yaml", "parseDocument"],
    ["commander", "CommanderError"],
    ["the gateway", "Gateway=class"],
    ["the audit tables' text", "O_RDONLY\\0"],
  ])) {
    t.false(start.includes(sign), what);
    const elsewhere = readdirSync(path.join(bundle, "cli")).filter((file) => /\.js$/.test(file));
    t.true(
      elsewhere.some((file) => read(`cli/${file}`).toString().includes(sign)),
      `${what} is in no chunk: what tells it from others?`,
    );
  }
});

test("every filter in the bundle is what the compiler makes now", (t) => {
  let compared = 0;
  for (const profile of builtInProfiles) {
    t.deepEqual(
      read(`filters/${profile}.json`),
      readFileSync(path.join(root, `seccomp-profiles/${profile}.json`)),
    );
    for (const arch of architectures) {
      for (const level of auditLevels) {
        for (const outward of [false, true]) {
          const choice = { profile, arch, level, outward };
          const { program, verdicts, ...rest } = decodeFilter(read(`filters/${filterFile(choice)}`));
          const now = compileFilter(choiceInput(choice));
          t.deepEqual(rest, { instructions: now.instructions, notifies: now.notifies });
          t.true(Buffer.from(now.program).equals(program), `program of ${filterFile(choice)}`);
          t.true(Buffer.from(now.verdicts).equals(verdicts), `verdicts of ${filterFile(choice)}`);
          compared++;
        }
      }
    }
  }
  t.is(readdirSync(path.join(bundle, "filters")).length, compared + builtInProfiles.length);
});

test("so are the audit tables", (t) => {
  for (const arch of architectures)
    t.true(read(`tables/${arch}.tables`).equals(encodeAuditTables(arch)), arch);
});

test("compiled code is kept beside the script, and a wrong one does no harm", (t) => {
  const copy = mkdtempSync(path.join(tmpdir(), "bundle-"));
  const scripts = path.join(copy, "dist/bundle/cli");
  try {
    for (const part of [
      "bin",
      "dist/bundle",
      "package.json",
      "seccomp-profiles",
      "build/Release/skillbox.node",
      "build/Release/skillbox-init",
    ]) {
      cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
    }
    const caches = () => readdirSync(scripts).filter((file) => file.endsWith(".cache"));
    const run = () =>
      spawnSync(
        process.execPath,
        [path.join(copy, "bin/skillbox.js"), "exec", "--", "sh", "-c", "echo hello; exit 3"],
        { encoding: "utf8" },
      );
    for (const cache of caches()) rmSync(path.join(scripts, cache));
    /** @param {string} situation */
    const works = (situation) => {
      const { status, stdout, stderr } = run();
      t.deepEqual({ status, stdout, stderr }, { status: 3, stdout: "hello\n", stderr: "" }, situation);
    };
    works("none yet");
    const [cache] = caches();
    t.is(caches().length, 1, "of the one script that was read");
    const file = path.join(scripts, cache ?? "");
    const good = readFileSync(file);
    works("there is one");
    t.deepEqual(readFileSync(file), good, "it is not written again");
    for (const bad of [
      Buffer.alloc(0),
      Buffer.from("nonsense"),
      good.subarray(0, good.length / 2),
      Buffer.alloc(good.length),
    ]) {
      writeFileSync(file, bad);
      works(`${bad.length} bytes that are wrong`);
      t.true(readFileSync(file).length > 100_000, "it is mended");
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
});
