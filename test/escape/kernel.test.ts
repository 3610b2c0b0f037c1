import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import test from "ava";
import { exec, probed, start, type ExecRequest } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch, type Scratch } from "../helpers/scratch.js";

/** What a program may try against PID 1, the kernel and the host, under the default policy and under a wide one. */
const escapeTest = requires(test, "userns", "program:gcc");

async function probe(box: Scratch, probes: readonly string[], request: ExecRequest = {}) {
  compileProbe("probe", box.work);
  const { status, stdout, stderr } = await exec(box, ["./probe", ...probes], request);
  if (status !== 0) throw new Error(stderr);
  return probed(stdout);
}

function all(probes: readonly string[], answer: string): Record<string, string> {
  return Object.fromEntries(probes.map((each) => [each, answer]));
}

/** As much as a policy can give to a program: its own directory to write in, many processes, the home to read. */
function wide(box: Scratch): ExecRequest {
  return {
    policy: `version: 1\nextends: build\nfilesystem: { write: [${box.work}], read: [${box.home}] }\n`,
  };
}

for (const policy of ["default", "wide"] as const) {
  const requestFor = (box: Scratch): ExecRequest => (policy === "wide" ? wide(box) : {});

  escapeTest(`${policy} policy: PID 1 shows nothing of itself and takes no harm`, async (t) => {
    const box = scratch(t);
    const links = ["root", "cwd", "exe", "fd/0", "ns/mnt", "ns/user"].map(
      (name) => `readlink:/proc/1/${name}`,
    );
    const files = ["environ", "mem", "maps", "auxv", "syscall", "stack"].map(
      (name) => `read:/proc/1/${name}`,
    );
    const lists = ["fd", "fdinfo", "map_files", "root/", "cwd/"].map((name) => `list:/proc/1/${name}`);
    const calls = ["ptrace:1", "vm-read:1", "pidfd-getfd:1", "setns:/proc/1/ns/mnt"];
    const answers = await probe(
      box,
      [...links, ...files, ...lists, ...calls, "write:/proc/1/mem"],
      requestFor(box),
    );
    for (const [question, answer] of Object.entries(answers)) {
      t.true(["EACCES", "EPERM"].includes(answer), `${question} ${answer}`);
    }
    // It can be signalled by what it rules over, and ignores that.
    t.deepEqual(await probe(box, ["kill:1,9", "kill:1,19", "kill:1,15", "kill:1,0"]), {
      "kill:1,9": "OK",
      "kill:1,19": "OK",
      "kill:1,15": "OK",
      "kill:1,0": "OK",
    });
  });

  escapeTest(`${policy} policy: system calls that change what the sandbox stands on`, async (t) => {
    const box = scratch(t);
    const refused = [
      ...["mount:/tmp", "umount:/proc/sys", "remount:/usr", "chroot:/tmp", "open-tree:/", "fsopen:tmpfs"],
      ...[
        "unshare:20000",
        "unshare:40000000",
        "unshare:10000000",
        "unshare:80",
        "clone-userns",
        "by-handle:/usr",
      ],
      ...["mknod:/tmp/mem", "setns:/proc/self/ns/net", "setgroups", "raise-nofile", "tiocsti:0", "tiocsti:1"],
    ];
    t.deepEqual(await probe(box, refused, requestFor(box)), all(refused, "EPERM"));
    t.deepEqual(await probe(box, ["clone3-userns", "setuid:0"], requestFor(box)), {
      "clone3-userns": "ENOSYS",
      "setuid:0": "EINVAL", // no such user in its namespace
    });
  });

  escapeTest(`${policy} policy: kernel files and devices are read-only, masked or not there`, async (t) => {
    const box = scratch(t);
    const written = [
      ...["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches"],
      ...["/proc/sys/user/max_user_namespaces", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger"],
      ...["/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/modprobe", "/proc/irq/0/smp_affinity"],
      ...[
        "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/cgroup.procs",
        "/etc/passwd",
        "/etc/ld.so.preload",
        "/usr/bin/env",
      ],
      ...[
        "/dev/mem",
        "/dev/kmsg",
        "/dev/kvm",
        "/dev/fuse",
        "/dev/net/tun",
        "/dev/vda",
        "/dev/sda",
        "/dev/loop-control",
      ],
      ...["/proc/self/exe", "/proc/1/exe", "/", "/bin/new", "/run/new"],
    ].map((path) => `write:${path}`);
    const answers = await probe(box, written, requestFor(box));
    for (const [question, answer] of Object.entries(answers)) {
      t.true(
        ["EACCES", "EROFS", "ENOENT", "EISDIR", "EPERM", "ETXTBSY"].includes(answer),
        `${question} ${answer}`,
      );
    }
    const hidden = [
      ...[
        "read:/proc/kcore",
        "read:/proc/kallsyms",
        "read:/proc/keys",
        "read:/proc/key-users",
        "read:/proc/timer_list",
      ],
      ...[
        "list:/sys",
        "list:/sys/fs/cgroup",
        "list:/var",
        "list:/root",
        "list:/proc/acpi",
        "read:/etc/shadow",
      ],
      ...["read:/etc/machine-id", "list:/run/dbus", "stat:/run/docker.sock", "stat:/var/run/docker.sock"],
    ];
    for (const [question, answer] of Object.entries(await probe(box, hidden, requestFor(box)))) {
      // /var/tmp alone is there.
      const expected = question === "list:/var" ? ["OK"] : ["EACCES", "ENOENT", "ENODATA"];
      t.true(expected.includes(answer), `${question} ${answer}`);
    }
  });

  escapeTest(`${policy} policy: sockets of families that reach past the network namespace`, async (t) => {
    const box = scratch(t);
    // AF_INET raw, AF_PACKET, AF_VSOCK, AF_NETLINK/NETFILTER cannot be told here: its type is 3; AF_ALG, AF_KEY, AF_BLUETOOTH.
    const families = [
      "socket:2,3",
      "socket:10,3",
      "socket:17,3",
      "socket:40,1",
      "socket:38,5",
      "socket:15,3",
      "socket:31,1",
    ];
    for (const [question, answer] of Object.entries(await probe(box, families, requestFor(box)))) {
      t.true(
        ["EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"].includes(answer),
        `${question} ${answer}`,
      );
    }
    const remote = ["tcp:10.0.0.1,80", "tcp:169.254.169.254,80", "tcp:1.1.1.1,53"];
    for (const [question, answer] of Object.entries(await probe(box, remote, requestFor(box)))) {
      t.true(["ENETUNREACH", "EACCES", "EPERM", "ECONNREFUSED"].includes(answer), `${question} ${answer}`);
    }
  });
}

escapeTest("/proc/self/root and its like lead to the sandbox's own root", async (t) => {
  const box = scratch(t);
  const key = box.file("home/.ssh/id_ed25519", "secret");
  const ways = [
    "/proc/self/root",
    "/proc/self/root/..",
    "/proc/thread-self/root",
    "/proc/self/cwd/../../../../..",
  ];
  const probes = ways.flatMap((way) => [`read:${way}${key}`, `list:${way}/root`]);
  t.deepEqual(await probe(box, probes), all(probes, "ENOENT"));
  const { stdout } = await exec(box, [
    "sh",
    "-c",
    "readlink /proc/self/root; cd ..; cd ../../../..; pwd; ls -a / | tr '\\n' ' '",
  ]);
  t.regex(stdout, /^\/\n\/\n\. \.\. bin /);
  t.notRegex(stdout, /\b(root|boot|sys|scaffold|upper|mnt)\b/);
});

escapeTest(
  "only the processes of the run are there, and signalling all of them reaches nobody else",
  async (t) => {
    const box = scratch(t);
    const { stdout } = await exec(box, [
      "sh",
      "-c",
      "ls /proc | grep -c '^[0-9]'; cat /proc/sys/kernel/ns_last_pid 2>/dev/null | wc -l",
    ]);
    t.true(Number(stdout.split("\n")[0]) <= 5, stdout);
    const bystander = start(box, ["sh", "-c", "echo ready; sleep 600"]);
    await bystander.line(/ready/);
    // kill(-1) reaches everything that the caller may signal, and takes its own shell with it.
    const { status } = await exec(box, ["sh", "-c", "trap '' TERM; kill -TERM -1; kill -KILL -1; exit 5"]);
    t.true(status === 5 || status === 137, `${status}`);
    t.is(bystander.child.exitCode, null);
    bystander.child.kill("SIGTERM");
    t.is((await bystander.ended).status, 143);
  },
);

escapeTest(
  "namespaces, session and host name are its own; no terminal of the caller's is left",
  async (t) => {
    const box = scratch(t);
    const names = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    const script = `for n in ${names.join(" ")}; do readlink /proc/self/ns/$n; done; hostname; ps -o sid= -p $$ 2>/dev/null | tr -d ' '; exec 3<>/dev/tty`;
    const { stdout, stderr } = await exec(box, ["sh", "-c", script]);
    const lines = stdout.split("\n");
    names.forEach((name, index) => t.not(lines[index], readlinkSync(`/proc/self/ns/${name}`)));
    t.is(lines[names.length], "skillbox");
    t.regex(stderr, /\/dev\/tty/);
  },
);

escapeTest("IPC of the host is not there: System V, POSIX queues, shared memory", async (t) => {
  const box = scratch(t);
  const made = spawnSync("ipcmk", ["-M", "4096"], { encoding: "utf8" });
  const id = /(\d+)\s*$/.exec(made.stdout)?.[1];
  t.teardown(() => id !== undefined && spawnSync("ipcrm", ["-m", id]));
  const { stdout } = await exec(box, [
    "sh",
    "-c",
    "tail -n +2 /proc/sysvipc/shm | wc -l; ls /dev/shm | wc -l; ls /dev/mqueue 2>&1 | wc -l",
  ]);
  t.deepEqual(stdout.split("\n").slice(0, 2), ["0", "0"]);
  if (id !== undefined) t.true(readFileSync("/proc/sysvipc/shm", "utf8").includes(id));
});
