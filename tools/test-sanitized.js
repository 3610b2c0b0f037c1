/**
 * Live tests with an addon and a skillbox-init that were built with ASan and UBSan (npm run build:native:asan):
 *
 *     npm run test:asan -- [PART-OF-A-FILE-NAME…]
 *
 * Without a name: those of the record, a minute. Tests that count memory, time or descriptors of skillbox itself cannot all pass. They
 * run in a copy of the tree whose build/Release is the sanitized one. What a sanitizer has to say stops the program that it says
 * it of, goes to a file, and fails the run.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const built = path.join(root, "build-dev/asan/Debug");
const copy = mkdtempSync(path.join(tmpdir(), "sanitized-"));
const asked = process.argv.slice(2);
const files = asked.length > 0 ? asked : "audit-hostile audit-deaths audit-failure audit-strace".split(" ");
const reports = path.join(copy, "reports");
try {
  for (const name of "bin dist examples native schema seccomp-profiles test/fixtures test/native tools".split(
    " ",
  ))
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  for (const name of ["package.json", "ava.config.js"]) cpSync(path.join(root, name), path.join(copy, name));
  symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"));
  cpSync(built, path.join(copy, "build/Release"), { recursive: true });
  mkdirSync(reports, { mode: 0o777 });
  // Node itself and V8 do not free what they hold at the end.
  const common = `log_path=${reports}/report:detect_leaks=0`;
  const { status } = spawnSync(process.execPath, ["tools/test.js", "live", ...files, "--", "--timeout=3m"], {
    cwd: copy,
    stdio: "inherit",
    env: {
      ...process.env,
      LD_PRELOAD: ["libasan.so", "libubsan.so"].map(runtime).join(":"),
      ASAN_OPTIONS: common,
      UBSAN_OPTIONS: `${common}:print_stacktrace=1`,
    },
  });
  process.exitCode = status ?? 1;
  for (const report of readdirSync(reports)) {
    console.log(readFileSync(path.join(reports, report), "utf8"));
    process.exitCode = 1;
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}

/** @param {string} library */
function runtime(library) {
  return spawnSync("gcc", [`-print-file-name=${library}`], { encoding: "utf8" }).stdout.trim();
}
