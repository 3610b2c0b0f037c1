import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { encodeAuditTables } from "../../src/audit/encode-tables.js";
import { encodeAuditView } from "../../src/sandbox/audit-view.js";
import { prepare } from "../../src/sandbox/prepare.js";
import { defaultPolicy } from "../../src/policy/default.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

const root = path.resolve(import.meta.dirname, "../../..");
const flags =
  "-std=c++20 -g -O1 -Wall -Wextra -fno-exceptions -fno-rtti -D_GNU_SOURCE -fsanitize=thread -pthread";

requires(test, "program:g++").serial(
  "ThreadSanitizer has nothing to say of the notify thread among six programs and eight threads, and no call is missing",
  (t) => {
    t.timeout(300_000);
    const box = scratch(t);
    const sources = readdirSync(path.join(root, "native/audit")).filter((name) => name.endsWith(".cc"));
    const program = box.at("notify_thread_test");
    const build = spawnSync(
      "g++",
      [
        ...flags.split(" "),
        "-Wno-missing-field-initializers",
        ...sources.map((name) => `native/audit/${name}`),
        "native/sys/fd_passing.cc",
        "test/native/notify_thread_test.cc",
        "-o",
        program,
      ],
      { cwd: root, encoding: "utf8" },
    );
    t.is(build.status, 0, build.stderr);
    const { arch, plan } = prepare({
      policy: defaultPolicy(),
      argv: ["true"],
      cwd: box.work,
      environment: process.env,
    });
    writeFileSync(box.at("tables"), encodeAuditTables(arch));
    writeFileSync(box.at("view"), encodeAuditView(plan));
    // Its shadow memory needs addresses that are not random by more than 28 bits (gcc 12).
    const argv = ["-R", program, box.at("tables"), box.at("view"), box.at("record")];
    const { status, stdout, stderr } = spawnSync("setarch", argv, { encoding: "utf8" });
    t.log(stdout);
    t.is(status, 0, `${stdout}${stderr}`);
    t.false(stderr.includes("ThreadSanitizer"), stderr);
  },
);
