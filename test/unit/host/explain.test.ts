import test from "ava";
import { diagnose } from "../../../src/host/diagnosis.js";
import { explainLaunchFailure, type LaunchFailure } from "../../../src/host/explain.js";
import type { HostFacts } from "../../../src/host/facts.js";
import { featureNames, parseProbe } from "../../../src/host/features.js";

/** A host that allows everything. */
const open: HostFacts = {
  kernelRelease: "6.1.0",
  isRoot: false,
  container: undefined,
  filtered: false,
  chrooted: false,
  procMasked: false,
  unprivilegedUsernsClone: undefined,
  maxUserNamespaces: 15000,
  apparmorRestrictUserns: undefined,
  yamaPtraceScope: undefined,
  label: "unconfined",
  selinuxEnforcing: false,
};

const clone = { stage: "clone", operation: "clone3" };
const move = { stage: "rootfs", operation: "move_mount", errno: "EACCES" };
const mountProc = { stage: "rootfs", operation: "fsmount", subject: "proc", errno: "EPERM" };
const overlay = { stage: "rootfs", operation: "create", subject: "overlay" };

const cases: readonly (readonly [string, LaunchFailure, Partial<HostFacts>, RegExp, RegExp])[] = [
  [
    "Debian's switch",
    { ...clone, errno: "EPERM" },
    { unprivilegedUsernsClone: 0 },
    /unprivileged_userns_clone is 0/,
    /kernel\.unprivileged_userns_clone=1 .*sysctl\.d/,
  ],
  [
    "a limit of none",
    { ...clone, errno: "ENOSPC" },
    { maxUserNamespaces: 0 },
    /is 0/,
    /max_user_namespaces=15000/,
  ],
  ["a limit reached", { ...clone, errno: "ENOSPC" }, { maxUserNamespaces: 9 }, /is 9/, /sysctl/],
  ["a chroot", { ...clone, errno: "EPERM" }, { chrooted: true }, /chroot/, /pivot_root/],
  [
    "Docker's seccomp filter",
    { ...clone, errno: "EPERM" },
    { container: "docker", filtered: true },
    /container \(docker\).*seccomp/,
    /^docker run .*seccomp=unconfined/,
  ],
  ["a service's filter", { ...clone, errno: "ENOSYS" }, { filtered: true }, /filter/, /SystemCallFilter/],
  ["an old kernel", { ...clone, errno: "ENOSYS" }, {}, /Linux 6\.1\.0/, /5\.12/],
  ["no room for a process", { ...clone, errno: "EAGAIN" }, {}, /RLIMIT_NPROC/, /ulimit/],
  [
    "Ubuntu's AppArmor at the mount",
    move,
    { apparmorRestrictUserns: 1 },
    /apparmor_restrict_unprivileged_userns is 1/,
    /^sudo tee \/etc\/apparmor\.d[^]*"\/opt\/skillbox-init"[^]*userns,[^]*apparmor_parser -r/,
  ],
  [
    "SELinux",
    { ...clone, errno: "EACCES" },
    { selinuxEnforcing: true, label: "user_t" },
    /user_t/,
    /ausearch/,
  ],
  ["an AppArmor profile", move, { label: "snap.code (enforce)" }, /snap\.code/, /userns,/],
  ["a masked /proc in Docker", mountProc, { procMasked: true, container: "docker" }, /masked/, /systempaths/],
  [
    "a masked /proc in a pod",
    mountProc,
    { procMasked: true, container: "kubernetes" },
    /masked/,
    /procMount/,
  ],
  ["a masked /proc by hand", mountProc, { procMasked: true }, /masked/, /unmount/],
  ["no overlay module", { ...overlay, errno: "ENODEV" }, {}, /overlayfs/, /modprobe overlay/],
  [
    "root without CAP_SETUID",
    { stage: "user_ns", operation: "write", errno: "EPERM" },
    { isRoot: true },
    /CAP_SETUID/,
    /ordinary user/,
  ],
  [
    "Yama",
    { stage: "audit", operation: "process_vm_readv", errno: "EPERM" },
    { yamaPtraceScope: 2 },
    /is 2/,
    /ptrace_scope=1/,
  ],
];

for (const [title, failure, facts, reason, hint] of cases) {
  test(`explains ${title}`, (t) => {
    const explained = explainLaunchFailure(failure, "/opt/skillbox-init", { ...open, ...facts });
    t.regex(explained?.reason ?? "", reason);
    t.regex(explained?.hint ?? "", hint);
  });
}

test("does not guess", (t) => {
  t.is(
    explainLaunchFailure({ stage: "sources", operation: "openat2", errno: "ENOENT" }, "", open),
    undefined,
  );
  t.is(explainLaunchFailure(mountProc, "", open), undefined);
});

test("reads the probe's lines, and passes over what it does not know", (t) => {
  const features = parseProbe(
    "user-ns\tok\nproc\tEPERM\tfsmount\nnew-thing\tok\ncgroup-kill\tENODATA\tx\nbroken\n",
  );
  t.deepEqual(features.get("user-ns"), { status: "ok" });
  t.deepEqual(features.get("proc"), { status: "missing", errno: "EPERM", operation: "fsmount" });
  t.is(features.get("cgroup-kill")?.status, "unknown");
  t.is(features.size, 3);
});

test("a refusal of the caller's own cgroup still shows that the kernel clones into one", (t) => {
  t.deepEqual(parseProbe("clone-into-cgroup\tEACCES\tclone3\n").get("clone-into-cgroup"), { status: "ok" });
  t.is(parseProbe("clone-into-cgroup\tENOENT\tx\n").get("clone-into-cgroup")?.status, "missing");
});

test("one cause is explained once", (t) => {
  const everythingFails = featureNames.map((name) => `${name}\tEPERM\tclone3`).join("\n");
  const found = diagnose(
    parseProbe(everythingFails),
    { ...open, unprivilegedUsernsClone: 0 },
    "/opt/skillbox-init",
  );
  t.is(found.length, featureNames.length);
  const explained = found.filter(({ status, blockedBy }) => status === "missing" && blockedBy === undefined);
  t.deepEqual(
    explained.map(({ name }) => name),
    ["user-ns"],
  );
  t.true(found.filter(({ group }) => group === "root").every(({ status }) => status === "not-applicable"));
});

test("whatever is missing has a reason and a hint", (t) => {
  const output = featureNames.map((name) => `${name}\tEINVAL\t${name}`).join("\n");
  for (const { status, reason, hint } of diagnose(parseProbe(output), { ...open, isRoot: true }, "/i")) {
    t.is(status, "missing");
    t.truthy(reason);
    t.truthy(hint);
  }
});
