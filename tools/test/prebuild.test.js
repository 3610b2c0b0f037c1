import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { requires } from "../../dist/test/helpers/requires.js";
import { checkNative } from "../check-native.js";

/** Of `npm run native:prebuild`, which CI has run by now. */
const arm64 = path.resolve(import.meta.dirname, "../../prebuilds/linux-arm64");
const init = path.join(arm64, "skillbox-init");
const parts = ["skillbox-init", "skillbox-selftest", "skillbox.node"];

requires(test, "program:readelf")(
  "a native part that asks for too much is told, with all that it asks for",
  (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), "prebuild-"));
    try {
      // Programs like any other: loaded dynamically, for this machine, with a main of their own.
      for (const name of parts) copyFileSync("/bin/sh", path.join(folder, name));
      const other = process.arch === "x64" ? "arm64" : "x64";
      const { message = "" } = t.throws(() => checkNative(other, folder)) ?? {};
      t.regex(message, /skillbox-init is for /);
      t.regex(message, /skillbox-init is linked dynamically/);
      t.regex(message, /skillbox\.node exports /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

/** A sandbox's start as the launch thread makes it, with bytes that are no plan. */
const wrongPlan = `
import os, socket, sys
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
plan = os.memfd_create("plan")
os.write(plan, b"no plan" * 100)
announce = os.pipe()[1]
pid = os.fork()
if pid == 0:
    for number, fd in enumerate((theirs.fileno(), announce)): os.dup2(fd, 103 + number)
    for number in (3, 4): os.dup2(100 + number, number)
    os.execvp(sys.argv[1], sys.argv[1:])
theirs.close()
socket.send_fds(ours, [bytes(4)], [plan])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), ours.recv(4096))
`;

requires(
  test,
  "program:qemu-aarch64-static",
  "program:python3",
  `file:${init}`,
)("the programs for arm64 start, and refuse what is no plan", (t) => {
  t.notThrows(() => checkNative("arm64", arm64));
  // Which makes it read the plan before it makes namespaces: those are the host's to make, and qemu does not.
  const inCgroup = "--cgroup";
  const refused = spawnSync("python3", ["-c", wrongPlan, "qemu-aarch64-static", init, inCgroup], {
    encoding: "utf8",
  });
  t.regex(refused.stdout, /^1 b'.*plan/, refused.stderr);
  const alone = spawnSync("qemu-aarch64-static", [path.join(arm64, "skillbox-selftest")], {
    encoding: "utf8",
  });
  t.is(alone.status, 2);
  t.regex(alone.stderr, /this is not a sandbox/);
});
