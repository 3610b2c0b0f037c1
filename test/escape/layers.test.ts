import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import test from "ava";
import { grantSource, systemSource } from "../../src/plan/mount-source.js";
import type { LaunchPlan, MountAttribute, RootOperation } from "../../src/plan/launch-plan.js";
import { defaultPolicy } from "../../src/policy/default.js";
import { prepare } from "../../src/sandbox/prepare.js";
import { callerEnvironment, probed } from "../helpers/exec.js";
import { launchEdited, type EditedLaunch } from "../helpers/launch.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch, type Scratch } from "../helpers/scratch.js";

/**
 * Each attempt is refused by a run as it is, and gets through once the layers that refuse it are taken away: so the
 * refusal is the layer's doing and not an accident. Where two layers hold, either alone holds too.
 */
const layerTest = requires(test, "userns", "program:gcc");
const rootTest = requires(test, "userns", "program:gcc", "root");

async function probe(box: Scratch, probes: readonly string[], launch: EditedLaunch = {}) {
  compileProbe("probe", box.work);
  return probed((await launchEdited(box, ["./probe", ...probes], launch)).stdout);
}

function withoutFilter(plan: LaunchPlan): LaunchPlan {
  return { ...plan, seccomp: { program: new Uint8Array(), listener: false } };
}

function withOperations(change: (operation: RootOperation) => RootOperation | undefined) {
  return (plan: LaunchPlan): LaunchPlan => ({
    ...plan,
    operations: plan.operations.flatMap((operation) => change(operation) ?? []),
  });
}

function alsoShow(operation: RootOperation) {
  return (plan: LaunchPlan): LaunchPlan => ({ ...plan, operations: [...plan.operations, operation] });
}

const writable: readonly MountAttribute[] = ["nosuid", "nodev"];

layerTest("mount namespace: the home, and whatever is not granted, is not there", async (t) => {
  const box = scratch(t);
  const key = box.file("home/.ssh/id_ed25519", "secret", 0o600);
  const question = `read:${key}`;
  t.deepEqual(await probe(box, [question]), { [question]: "ENOENT" });
  const shown: RootOperation[] = [
    { type: "directory", target: box.home, mode: 0o755 },
    { type: "bind", target: box.home, source: grantSource(box.home, "directory"), attributes: writable },
  ];
  const edit = (plan: LaunchPlan): LaunchPlan => ({ ...plan, operations: [...plan.operations, ...shown] });
  t.deepEqual(await probe(box, [question], { edit }), { [question]: "OK" });
});

rootTest("mount namespace and identity: /etc/shadow for a root caller", async (t) => {
  const box = scratch(t);
  const question = "read:/etc/shadow";
  t.deepEqual(await probe(box, [question]), { [question]: "ENOENT" });
  const shadow =
    (idmapped: boolean) =>
    (plan: LaunchPlan): LaunchPlan => ({
      ...plan,
      operations: [
        ...plan.operations,
        { type: "file", target: "/etc/shadow", mode: 0o444, content: "" },
        {
          type: "bind",
          target: "/etc/shadow",
          source: { path: "/etc/shadow", kind: "file", idmapped },
          attributes: writable,
        },
      ],
    });
  // Shown, but as the file of a user that is nobody to the program.
  t.deepEqual(await probe(box, [question], { edit: shadow(false) }), { [question]: "EACCES" });
  t.deepEqual(await probe(box, [question], { edit: shadow(true) }), { [question]: "OK" });
});

layerTest("read-only mounts: a read grant", async (t) => {
  const box = scratch(t);
  const file = box.file("granted/file", "kept");
  const questions = [`write:${file}`, `create:${box.at("granted/new")}`];
  const read = [box.at("granted")];
  t.deepEqual(
    await probe(box, questions, { read }),
    Object.fromEntries(questions.map((each) => [each, "EROFS"])),
  );
  const edit = withOperations((operation) =>
    operation.type === "overlay-read" && operation.target === box.at("granted")
      ? { ...operation, type: "bind", attributes: writable }
      : operation,
  );
  t.deepEqual(
    await probe(box, questions, { read, edit }),
    Object.fromEntries(questions.map((each) => [each, "OK"])),
  );
});

layerTest("overlay over a read grant: the host's socket and FIFO behind it", async (t) => {
  const box = scratch(t);
  spawnSync("mkfifo", ["-m", "666", box.at("work/fifo")]);
  const heard: string[] = [];
  const server = createServer((accepted) => accepted.on("data", (chunk) => heard.push(chunk.toString())));
  server.listen(box.at("work/socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  const fifo = openSync(box.at("work/fifo"), constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => {
    server.close();
    closeSync(fifo);
  });
  const questions = ["connect:socket", "fifo:fifo"];
  t.deepEqual(await probe(box, questions), { "connect:socket": "ECONNREFUSED", "fifo:fifo": "ENXIO" });
  t.throws(() => readFileSync(fifo), { code: "EAGAIN" });
  t.deepEqual(heard, []);
  // As a read-only bind mount, which is what others make of a read grant.
  const edit = withOperations((operation) =>
    operation.type === "overlay-read" && operation.target === box.work
      ? { ...operation, type: "bind" }
      : operation,
  );
  t.deepEqual(await probe(box, questions, { edit }), { "connect:socket": "OK", "fifo:fifo": "OK" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.deepEqual(heard, ["inside"]);
});

const systemFile = "/usr/lib/os-release";

rootTest("read-only mounts and identity: /usr for a root caller", async (t) => {
  const box = scratch(t);
  const question = `write:${systemFile}`; // opened for writing, and not written to
  const ofUsr = (operation: RootOperation): operation is RootOperation & { type: "bind" } =>
    operation.type === "bind" && operation.target === "/usr";
  const notReadOnly = withOperations((operation) =>
    ofUsr(operation) ? { ...operation, attributes: writable } : operation,
  );
  const asOwner = withOperations((operation) =>
    ofUsr(operation) ? { ...operation, source: grantSource("/usr", "directory") } : operation,
  );
  t.deepEqual(await probe(box, [question]), { [question]: "EACCES" });
  t.deepEqual(await probe(box, [question], { edit: notReadOnly }), { [question]: "EACCES" });
  t.deepEqual(await probe(box, [question], { edit: asOwner }), { [question]: "EROFS" });
  t.deepEqual(await probe(box, [question], { edit: (plan) => asOwner(notReadOnly(plan)) }), {
    [question]: "OK",
  });
});

rootTest("read-only /proc/sys and identity: core_pattern for a root caller", async (t) => {
  const box = scratch(t);
  const question = "write:/proc/sys/kernel/core_pattern"; // opened for writing, and not written to
  const withoutCover = withOperations((operation) =>
    operation.target === "/proc/sys" ? undefined : operation,
  );
  t.deepEqual(await probe(box, [question]), { [question]: "EACCES" });
  t.deepEqual(
    await probe(box, [question], { edit: withoutCover }),
    { [question]: "EACCES" },
    "identity alone",
  );
  t.deepEqual(await probe(box, [question], { asCaller: true }), { [question]: "EROFS" }, "the cover alone");
  t.deepEqual(await probe(box, [question], { edit: withoutCover, asCaller: true }), { [question]: "OK" });
});

layerTest("masks: /proc/kallsyms, /proc/keys and what else tells of the kernel", async (t) => {
  const box = scratch(t);
  const questions = ["read:/proc/kallsyms", "read:/proc/keys", "list:/proc/acpi", "read:/proc/timer_list"];
  const masked = await probe(box, questions);
  for (const answer of Object.values(masked)) t.true(["EACCES", "ENOENT"].includes(answer), answer);
  const edit = withOperations((operation) => (operation.type === "mask" ? undefined : operation));
  t.like(await probe(box, questions, { edit }), { "read:/proc/kallsyms": "OK" });
});

layerTest("own /proc: the host's processes are not there", async (t) => {
  const box = scratch(t);
  const question = `read:/proc/${process.pid}/cmdline`;
  t.deepEqual(await probe(box, [question]), { [question]: "ENOENT" });
  const edit = alsoShow({
    type: "bind",
    target: "/proc",
    source: systemSource("/proc", "directory"),
    attributes: ["ro"],
  });
  t.deepEqual(await probe(box, [question], { edit }), { [question]: "OK" });
});

layerTest("pid namespace: the host's processes cannot be signalled by any number", async (t) => {
  const box = scratch(t);
  const question = `kill:${process.pid},0`;
  t.deepEqual(await probe(box, [question]), { [question]: "ESRCH" });
  t.deepEqual(await probe(box, [question], { edit: withoutFilter }), { [question]: "ESRCH" });
  // The plan cannot express a sandbox without the namespace: the same program outside has no such trouble.
  t.deepEqual(probed(spawnSync(box.at("work/probe"), [question], { encoding: "utf8" }).stdout), {
    [question]: "OK",
  });
});

const mountCalls = [
  "mount:/tmp",
  "umount:/tmp",
  "remount:/",
  "open-tree:/tmp",
  "fsopen:tmpfs",
  "chroot:/tmp",
];

layerTest("system call filter and capabilities: mounting", async (t) => {
  const box = scratch(t);
  compileProbe("probe", box.work);
  compileProbe("with-filter", box.work);
  const refused = Object.fromEntries(mountCalls.map((call) => [call, "EPERM"]));
  t.deepEqual(await probe(box, mountCalls), refused);
  t.deepEqual(
    await probe(box, mountCalls, { edit: withoutFilter }),
    refused,
    "no capabilities, and nothing else",
  );
  // The filter alone, around a program that has every capability in a namespace of its own.
  const inNamespace = ["--user", "--map-root-user", "--mount", "--"];
  const plan = prepare({
    policy: defaultPolicy(),
    argv: ["true"],
    cwd: box.work,
    environment: callerEnvironment(box),
    auditLevel: "off",
  });
  const filter = box.file("filter", plan.plan.seccomp.program);
  const unshare = (...argv: string[]): Record<string, string> =>
    probed(spawnSync("unshare", [...inNamespace, ...argv], { encoding: "utf8", cwd: box.work }).stdout);
  t.deepEqual(unshare("./with-filter", filter, "./probe", ...mountCalls), refused);
  t.like(unshare("./probe", ...mountCalls), {
    "mount:/tmp": "OK",
    "open-tree:/tmp": "OK",
    "fsopen:tmpfs": "OK",
    "chroot:/tmp": "OK",
  });
});

layerTest("system call filter and max_user_namespaces: a nested user namespace", async (t) => {
  const box = scratch(t);
  const calls = ["unshare:10000000", "clone-userns", "clone3-userns"];
  t.deepEqual(await probe(box, calls), {
    "unshare:10000000": "EPERM",
    "clone-userns": "EPERM",
    "clone3-userns": "ENOSYS",
  });
  const limited = Object.fromEntries(calls.map((call) => [call, "ENOSPC"]));
  t.deepEqual(await probe(box, calls, { edit: withoutFilter }), limited, "the limit alone");
  compileProbe("with-filter", box.work);
  const { plan } = prepare({
    policy: defaultPolicy(),
    argv: ["true"],
    cwd: box.work,
    environment: callerEnvironment(box),
    auditLevel: "off",
  });
  const filter = box.file("filter", plan.seccomp.program);
  const nested = (...argv: string[]): Record<string, string> =>
    probed(
      spawnSync("unshare", ["--user", "--map-root-user", "--", ...argv], { encoding: "utf8", cwd: box.work })
        .stdout,
    );
  t.deepEqual(nested("./with-filter", filter, "./probe", ...calls), {
    "unshare:10000000": "EPERM",
    "clone-userns": "EPERM",
    "clone3-userns": "ENOSYS",
  });
  t.deepEqual(nested("./probe", ...calls), Object.fromEntries(calls.map((call) => [call, "OK"])));
});

layerTest("a sandbox whose limit on user namespaces was not set does not start", async (t) => {
  const box = scratch(t);
  // The limit is set where /proc is mounted: a plan with the host's /proc instead goes without.
  const edit = withOperations((operation) =>
    operation.type === "proc"
      ? { type: "bind", target: "/proc", source: systemSource("/proc", "directory"), attributes: writable }
      : operation.target.startsWith("/proc/")
        ? undefined
        : operation,
  );
  const error = await t.throwsAsync(launchEdited(box, ["true"], { edit }));
  t.like(error, { code: "ERR_LAUNCH", stage: "confirm" });
});

layerTest("network namespace: a server on the host's loopback", async (t) => {
  const box = scratch(t);
  let heard = 0;
  const server = createServer((accepted) => {
    heard++;
    accepted.destroy();
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const question = `tcp:127.0.0.1,${typeof address === "object" ? (address?.port ?? 0) : 0}`;
  t.deepEqual(await probe(box, [question]), { [question]: "ECONNREFUSED" });
  t.is(heard, 0);
  t.deepEqual(probed(spawnSync(box.at("work/probe"), [question], { encoding: "utf8" }).stdout), {
    [question]: "OK",
  });
});

layerTest("a plan that would create something on the host is refused, and nothing is created", async (t) => {
  const box = scratch(t);
  const target = `${box.directory("work/host")}/new`;
  const write = [box.work];
  for (const operation of [
    { type: "directory", target, mode: 0o755 },
    { type: "file", target, mode: 0o644, content: "" },
    { type: "symlink", target, linkTarget: "/" },
  ] satisfies RootOperation[]) {
    const error = await t.throwsAsync(launchEdited(box, ["true"], { write, edit: alsoShow(operation) }));
    t.like(error, { code: "ERR_LAUNCH", stage: "rootfs", errno: "EXDEV" });
  }
  t.is(spawnSync("ls", ["-A", box.at("work/host")], { encoding: "utf8" }).stdout, "");
});
