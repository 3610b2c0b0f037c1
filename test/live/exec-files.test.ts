import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import test from "ava";
import { cli, exec, probed, start } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch, type Scratch } from "../helpers/scratch.js";

/** What a policy grants is there, as it was granted; what it does not grant is not. */
const liveTest = requires(test, "userns", "program:gcc");
const rootTest = requires(test, "userns", "program:gcc", "root");

/** Runs test/fixtures/probes/probe.c; the answers by what was asked. */
async function probe(box: Scratch, probes: readonly string[], options: readonly string[]) {
  compileProbe("probe", box.work);
  const { status, stdout, stderr } = await exec(box, ["./probe", ...probes], { options });
  if (status !== 0) throw new Error(stderr);
  return probed(stdout);
}

liveTest("read is read-only, write reaches the host, and what lies beside them is not there", async (t) => {
  const box = scratch(t);
  box.file("r/file", "r");
  box.file("w/file", "w");
  box.file("beside", "secret");
  box.file("w-evil/file", "secret");
  const [r, w] = [box.at("r"), box.at("w")];
  const answers = await probe(
    box,
    [
      `read:${r}/file`,
      `write:${r}/file`,
      `create:${r}/new`,
      `unlink:${r}/file`,
      `chmod:${r}/file`,
      `rename:${r}/file,${w}/moved`,
      `link:${r}/file,${w}/linked`,
      `read:${w}/file`,
      `create:${w}/new`,
      `chmod:${w}/file`,
      `rename:${w}/file,${w}/renamed`,
      `read:${box.at("beside")}`,
      `list:${box.at("w-evil")}`,
      `read:${w}/../beside`,
      `create:${box.at("new")}`,
    ],
    ["--read", r, "--write", w],
  );
  t.deepEqual(answers, {
    [`read:${r}/file`]: "OK",
    [`write:${r}/file`]: "EROFS",
    [`create:${r}/new`]: "EROFS",
    [`unlink:${r}/file`]: "EROFS",
    [`chmod:${r}/file`]: "EROFS",
    [`rename:${r}/file,${w}/moved`]: "EXDEV",
    [`link:${r}/file,${w}/linked`]: "EXDEV",
    [`read:${w}/file`]: "OK",
    [`create:${w}/new`]: "OK",
    [`chmod:${w}/file`]: "OK",
    [`rename:${w}/file,${w}/renamed`]: "OK",
    [`read:${box.at("beside")}`]: "ENOENT",
    [`list:${box.at("w-evil")}`]: "ENOENT",
    [`read:${w}/../beside`]: "ENOENT",
    // In the sandbox's own /tmp, where the host's files are not, the directories that lead to a grant are its own.
    [`create:${box.at("new")}`]: box.path.startsWith("/tmp/") ? "OK" : "EROFS",
  });
  t.deepEqual(readdirSync(box.at("w")), ["renamed"]);
});

liveTest(
  "grants nest both ways, single files are granted alone, and a deny wins over all of them",
  async (t) => {
    const box = scratch(t);
    for (const name of [
      "read/out/f",
      "read/f",
      "read/secret/f",
      "write/fixed/f",
      "write/f",
      "write/secret",
      "one",
    ]) {
      box.file(name, name);
    }
    const at = (name: string): string => box.at(name);
    const answers = await probe(
      box,
      [
        ...[`write:${at("read/f")}`, `write:${at("read/out/f")}`],
        ...[`write:${at("write/f")}`, `write:${at("write/fixed/f")}`, `read:${at("write/fixed/f")}`],
        ...[`write:${at("one")}`, `unlink:${at("one")}`],
        ...[`read:${at("read/secret/f")}`, `list:${at("read/secret")}`, `stat:${at("read/secret/f")}`],
        ...[`read:${at("write/secret")}`, `write:${at("write/secret")}`, `unlink:${at("write/secret")}`],
        `rename:${at("write/secret")},${at("write/found")}`,
      ],
      [
        ...[
          "--read",
          at("read"),
          "--write",
          at("read/out"),
          "--write",
          at("write"),
          "--read",
          at("write/fixed"),
        ],
        ...[
          "--write",
          at("one"),
          "--deny",
          at("read/secret"),
          "--deny",
          at("write/secret"),
          "--deny",
          at("nowhere"),
        ],
      ],
    );
    t.deepEqual(answers, {
      [`write:${at("read/f")}`]: "EROFS",
      [`write:${at("read/out/f")}`]: "OK",
      [`write:${at("write/f")}`]: "OK",
      [`write:${at("write/fixed/f")}`]: "EROFS",
      [`read:${at("write/fixed/f")}`]: "OK",
      [`write:${at("one")}`]: "OK",
      [`unlink:${at("one")}`]: box.path.startsWith("/tmp/") ? "EBUSY" : "EROFS",
      [`read:${at("read/secret/f")}`]: "EACCES",
      [`list:${at("read/secret")}`]: "EACCES",
      [`stat:${at("read/secret/f")}`]: "EACCES",
      [`read:${at("write/secret")}`]: "EACCES",
      [`write:${at("write/secret")}`]: "EACCES",
      [`unlink:${at("write/secret")}`]: "EBUSY",
      [`rename:${at("write/secret")},${at("write/found")}`]: "EBUSY",
    });
    t.is(box.read("write/secret"), "write/secret");
  },
);

liveTest(
  "a deny wins over grants below it and at the same place, over the system's view and over another root",
  async (t) => {
    const box = scratch(t);
    for (const name of ["all/below/f", "same/f", "root/etc/secret/f", "root/home/other/f"])
      box.file(name, name);
    compileProbe("probe", box.directory("root/bin"), "-static");
    const [below, same] = [box.at("all/below"), box.at("same")];
    const denied = await probe(
      box,
      [
        `read:${below}/f`,
        `read:${same}/f`,
        "list:/etc/ssl",
        "list:/usr/share",
        "read:/etc/passwd",
        "list:/dev",
      ],
      [
        ...["--read", below, "--deny", box.at("all"), "--write", same, "--deny", same],
        ...["--deny", "/etc", "--deny", "/usr/share", "--deny", "/dev"],
      ],
    );
    t.deepEqual(denied, {
      [`read:${below}/f`]: "ENOENT",
      [`read:${same}/f`]: "ENOENT",
      "list:/etc/ssl": "ENOENT",
      "list:/usr/share": "EACCES",
      // The sandbox's own, which hide nothing.
      "read:/etc/passwd": "OK",
      "list:/dev": "OK",
    });
    const policy = "version: 1\nfilesystem: { root: ./root, deny: [./root/etc/secret, ./root/home] }\n";
    const probes = ["read:/etc/secret/f", "read:/home/other/f", "list:/home/sandbox"];
    const { stdout, stderr } = await exec(box, ["probe", ...probes], { policy });
    t.deepEqual(
      probed(stdout),
      { "read:/etc/secret/f": "EACCES", "read:/home/other/f": "ENOENT", "list:/home/sandbox": "OK" },
      stderr,
    );
  },
);

liveTest("a grant named by way of the system's own links keeps the name", async (t) => {
  const box = scratch(t);
  const { status, stderr } = await exec(box, ["/bin/sh", "-c", ":"], {
    options: ["--read", "/bin/sh", "--read", "/lib"],
  });
  t.deepEqual({ status, stderr }, { status: 0, stderr: "" });
});

liveTest(
  "a grant named through a link has both names inside, and the link itself chooses nothing",
  async (t) => {
    const box = scratch(t);
    box.file("target/file", "linked");
    symlinkSync(box.at("target"), box.at("alias"));
    const cat = ["cat", box.at("alias/file"), box.at("target/file")];
    const { status, stdout, stderr } = await exec(box, cat, { options: ["--read", box.at("alias")] });
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "linkedlinked", stderr: "" });
  },
);

const refusals: readonly [string, (box: Scratch) => readonly string[], RegExp, string?][] = [
  [
    "a grant that is not there",
    () => ["--read", "nowhere"],
    /^skillbox: error: nowhere: no such file or directory \(\/.*\/work\/nowhere\)\n {2}hint: create it first, or take it out of the policy; skillbox creates nothing on the host\n$/,
    "ERR_GRANT",
  ],
  [
    "a deny of what is not there, where the program could create it",
    () => ["--write", ".", "--deny", "later"],
    /^skillbox: error: filesystem\.deny: later is not there, and the program may create it in \/.*\n {2}hint: create it first/,
    "ERR_GRANT",
  ],
  [
    "the root directory as a grant",
    () => ["--read", "/"],
    /^skillbox: error: filesystem\.read: the root directory cannot be granted\n/,
    "ERR_GRANT",
  ],
  [
    "the host's /proc, whose masks are the sandbox's",
    () => ["--read", "/proc/sys/kernel"],
    /^skillbox: error: filesystem\.read: \/proc\/sys\/kernel cannot be granted: the sandbox has its own\n {2}hint: /,
    "ERR_GRANT",
  ],
  [
    "the host's /dev",
    () => ["--write", "/dev"],
    /^skillbox: error: filesystem\.write: \/dev cannot be granted: the sandbox has its own\n {2}hint: /,
    "ERR_GRANT",
  ],
  [
    "a device",
    () => ["--write", "/dev/null"],
    /^skillbox: error: filesystem\.write: \/dev\/null is a device, which cannot be granted\n {2}hint: /,
    "ERR_GRANT",
  ],
  [
    "the root directory as a denial",
    () => ["--deny", "/"],
    /^skillbox: error: filesystem\.deny: the root directory cannot be denied\n/,
    "ERR_GRANT",
  ],
  [
    "a link below a write grant, which an earlier run may have made",
    (box) => {
      symlinkSync("/etc", box.at("work/link"));
      return ["--write", ".", "--read", "link"];
    },
    /^skillbox: error: \/.*\/link leads through a symbolic link below \/.*, which the sandbox may write to\n {2}hint: name the place itself \(\/etc\)/,
    "ERR_GRANT",
  ],
  ["a size without a unit", () => ["--memory", "64"], /^skillbox: error: --memory: .*\n {2}hint: /],
  ["a time without a unit", () => ["--timeout", "5"], /^skillbox: error: --timeout: .*\n {2}hint: /],
  [
    "a tilde, which no shell expanded",
    () => ["--read", "~/x"],
    /^skillbox: error: --read: `~\/x`: `~` is not expanded; /,
  ],
];

for (const [what, options, message, code = "ERR_USAGE"] of refusals) {
  liveTest(`refused with one message and nothing run: ${what}`, async (t) => {
    const box = scratch(t);
    const { status, stdout, stderr, report } = await exec(box, ["touch", "/tmp/ran"], {
      options: options(box),
    });
    t.is(status, 125);
    t.is(stdout, "");
    t.regex(stderr, message);
    t.like(report, { error: { code } });
  });
}

liveTest("the working directory may not be the root, a home, or above one", async (t) => {
  const box = scratch(t);
  for (const cwd of ["/", box.home, box.path]) {
    const { status, stderr } = await exec(box, ["true"], { cwd, environment: { HOME: box.home } });
    t.is(status, 125);
    t.regex(
      stderr,
      /^skillbox: error: the working directory is .*: the program would see all of it\n {2}hint: .*-C DIR/,
    );
  }
  // Asked for by name it is the caller's decision.
  const granted = await exec(box, ["pwd"], {
    cwd: box.home,
    environment: { HOME: box.home },
    options: ["--read", "."],
  });
  t.deepEqual([granted.status, granted.stdout], [0, `${box.home}\n`], granted.stderr);
  const elsewhere = await exec(box, ["pwd"], { cwd: "/", options: ["-C", box.work] });
  t.deepEqual([elsewhere.status, elsewhere.stdout], [0, `${box.work}\n`], elsewhere.stderr);
});

liveTest(
  "a working directory by way of a link is the place itself; none at all is one message",
  async (t) => {
    const box = scratch(t);
    symlinkSync(box.work, box.at("alias"));
    box.file("work/script", "#!/bin/sh\npwd\n", 0o755);
    const linked = await exec(box, ["./script"], { options: ["-C", box.at("alias")] });
    t.deepEqual([linked.status, linked.stdout], [0, `${box.work}\n`], linked.stderr);
    const missing = await exec(box, ["true"], { options: ["-C", "nowhere"] });
    t.deepEqual([missing.status, missing.stdout], [125, ""]);
    t.regex(
      missing.stderr,
      /^skillbox: error: the working directory \/.*\/nowhere is not there\n {2}hint: [^\n]*-C DIR\n$/,
    );
    const file = await exec(box, ["true"], { options: ["-C", "script"] });
    t.is(file.status, 125);
    t.regex(
      file.stderr,
      /^skillbox: error: the working directory \/.*\/script is not a directory\n {2}hint: .*\n$/,
    );
    const removed = spawnSync(
      "sh",
      [
        "-c",
        'mkdir gone && cd gone && rmdir ../gone && exec "$@"',
        "sh",
        process.execPath,
        cli,
        "exec",
        "true",
      ],
      {
        cwd: box.work,
        encoding: "utf8",
      },
    );
    t.is(removed.status, 125);
    t.is(
      removed.stderr,
      "skillbox: error: the current directory is not there any more\n  hint: change to one that is: cd DIR\n",
    );
  },
);

liveTest(
  "the report goes to the file that was there before the program could put something else in its place",
  (t) => {
    const box = scratch(t);
    box.file("victim", "precious");
    const swap = `rm -f report.json; ln -s ${box.at("victim")} report.json; exit 3`;
    const options = ["--write", ".", "--report", "report.json"];
    const run = () =>
      spawnSync(process.execPath, [cli, "exec", ...options, "--", "sh", "-c", swap], {
        cwd: box.work,
        encoding: "utf8",
      });
    const swapped = run();
    t.is(swapped.status, 125);
    t.regex(
      swapped.stderr,
      /^skillbox: error: --report: report\.json cannot be written: the program has removed it\n/,
    );
    // The link of the first run is there when the second one starts.
    const found = run();
    t.is(found.status, 125);
    t.regex(found.stderr, /^skillbox: error: --report: report\.json cannot be written: ELOOP/);
    t.is(box.read("victim"), "precious");
    mkdirSync(box.at("work/real"));
    symlinkSync("real", box.at("work/sub"));
    const below = spawnSync(
      process.execPath,
      [cli, "exec", "--write", ".", "--report", "sub/r.json", "--", "true"],
      { cwd: box.work, encoding: "utf8" },
    );
    t.is(below.status, 125);
    t.regex(below.stderr, /leads through a symbolic link, and the program may write there/);
  },
);

requires(
  test,
  "userns",
  "program:python3",
)("a virtual environment cannot choose what is mounted", async (t) => {
  const box = scratch(t);
  const outside = box.directory("outside/bin");
  box.file("outside/bin/python3", "#!/bin/sh\necho chosen\n", 0o755);
  box.file("work/venv/pyvenv.cfg", `home = ${outside}\ninclude-system-site-packages = false\n`);
  mkdirSync(box.at("work/venv/bin"));
  symlinkSync(`${outside}/python3`, box.at("work/venv/bin/python"));
  const linked = await exec(box, ["venv/bin/python"]);
  t.deepEqual([linked.status, linked.stdout], [125, ""]);
  t.regex(
    linked.stderr,
    /^skillbox: error: \/.*\/outside\/bin\/python3 was chosen by a file inside a grant, .*\n {2}hint: grant it/,
  );
  // An honest link to the system's python, and a configuration that is not.
  const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], {
    encoding: "utf8",
  }).stdout.trim();
  symlinkSync(python, box.at("work/venv/bin/honest"));
  const script = `import os; print(os.path.exists(${JSON.stringify(outside)}))`;
  const { stdout, stderr } = await exec(box, ["venv/bin/honest", "-c", script]);
  t.is(stdout, "False\n", stderr);
});

liveTest("another root directory: its programs, ours are not there, and it stays as it is", async (t) => {
  const box = scratch(t);
  for (const directory of ["bin", "etc", "data"]) mkdirSync(path.join(box.directory("root"), directory));
  compileProbe("probe", box.at("root/bin"), "-static");
  box.file("root/etc/hostname", "of the root\n");
  const before = spawnSync("find", [box.at("root"), "-printf", "%p %m %s %T@\n"], {
    encoding: "utf8",
  }).stdout;
  const policy = `version: 1\nfilesystem: { root: ./root, write: [./work] }\n`;
  const probes = [
    ...[
      "read:/etc/hostname",
      "list:/usr",
      "read:/etc/passwd",
      "create:/bin/new",
      "create:/tmp/new",
      "list:/proc/1",
    ],
    ...["write:/dev/null", `create:${box.work}/new`, `list:${box.home}`],
  ];
  const { status, stdout, stderr } = await exec(box, ["probe", ...probes], { policy });
  t.is(status, 0, stderr);
  t.deepEqual(probed(stdout), {
    "read:/etc/hostname": "OK",
    "list:/usr": "ENOENT",
    "read:/etc/passwd": "ENOENT",
    "create:/bin/new": "EROFS",
    "create:/tmp/new": "OK",
    "list:/proc/1": "OK",
    "write:/dev/null": "OK",
    [`create:${box.work}/new`]: "OK",
    [`list:${box.home}`]: "ENOENT",
  });
  t.is(spawnSync("find", [box.at("root"), "-printf", "%p %m %s %T@\n"], { encoding: "utf8" }).stdout, before);
  const missing = await exec(box, ["sh"], { policy });
  t.is(missing.status, 127);
  t.regex(missing.stderr, /^skillbox: error: sh: not found in the sandbox\n {2}hint: /);
});

liveTest("the caller's files, variables and descriptors do not come along", async (t) => {
  const box = scratch(t);
  const script =
    "env | cut -d= -f1 | sort | tr '\\n' ' '; ls /proc/self/fd | tr '\\n' ' '; id -G; umask; pwd";
  const { status, stdout } = await exec(box, ["sh", "-c", script], {
    environment: {
      LD_PRELOAD: "/nowhere.so",
      NODE_OPTIONS: "--no-warnings",
      GREETING: "hi",
      SSH_AUTH_SOCK: "/x",
    },
    options: ["--env", "GREETING", "--env", "MODE=batch"],
  });
  t.is(status, 0);
  const gid = process.geteuid?.() === 0 ? 1000 : (process.getegid?.() ?? 0);
  // ls holds the directory as 3.
  t.is(
    stdout,
    `GREETING HOME LOGNAME MODE PATH PWD SHELL SKILLBOX TMPDIR USER 0 1 2 3 ${gid}\n0022\n${box.work}\n`,
  );
});

rootTest("a root caller's program owns what it is granted, and its files are root's outside", async (t) => {
  const box = scratch(t);
  box.file("work/key", "0600 of root", 0o600);
  box.file("work/assets/key", "0600 of root", 0o600);
  mkdirSync(box.at("work/out"));
  chmodSync(box.at("work/out"), 0o700);
  const script =
    "cat key assets/key; stat -c ' %u:%g' key; echo new >out/new; mkdir out/d; chmod 700 out/d; id -u";
  const { status, stdout, stderr } = await exec(box, ["sh", "-c", script], { options: ["--write", "out"] });
  t.deepEqual(
    { status, stdout, stderr },
    { status: 0, stdout: "0600 of root0600 of root 1000:1000\n1000\n", stderr: "" },
  );
  for (const name of ["work/out/new", "work/out/d"]) {
    const { uid, gid } = statSync(box.at(name));
    t.deepEqual({ uid, gid }, { uid: 0, gid: 0 });
  }
});

rootTest("a root caller's programs are never root to the kernel, and no two share a uid", async (t) => {
  const box = scratch(t);
  const runs = [1, 2].map(() => start(box, ["sh", "-c", "echo ready; sleep 60; :"]));
  await Promise.all(runs.map(async ({ line }) => line(/ready/)));
  const programs = processesIn(box.work);
  for (const { child } of runs) child.kill("SIGTERM");
  await Promise.all(runs.map(async ({ ended }) => ended));
  t.is(programs.length, 4, "two shells, two sleeps");
  const uids = new Set<string>();
  for (const status of programs) {
    const [real, effective, saved, filesystem] = field(status, "Uid");
    t.true(Number(real) > 65_535, `uid ${real}`);
    t.true([effective, saved, filesystem].every((uid) => uid === real));
    t.true(field(status, "Gid").every((gid) => Number(gid) > 65_535));
    t.deepEqual(field(status, "Groups"), []);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
      t.deepEqual(field(status, set), ["0000000000000000"], set);
    }
    t.deepEqual(field(status, "NoNewPrivs"), ["1"]);
    t.deepEqual(field(status, "Seccomp"), ["2"]);
    uids.add(real ?? "");
  }
  t.is(uids.size, 2);
});

/** /proc/PID/status of the shells and sleeps that work in a directory. */
function processesIn(directory: string): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const isProgram = /^(sh|sleep)\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      const isThere = isProgram && readlinkSync(`/proc/${pid}/cwd`) === directory;
      return isThere ? [readFileSync(`/proc/${pid}/status`, "utf8")] : [];
    } catch {
      return []; // not a process, or gone
    }
  });
}

function field(status: string, name: string): string[] {
  const [, value = ""] = new RegExp(`^${name}:(.*)$`, "m").exec(status) ?? [];
  return value.trim() === "" ? [] : value.trim().split(/\s+/);
}

liveTest("a working directory below /var/tmp, which is otherwise a link to /tmp", async (t) => {
  const directory = mkdtempSync("/var/tmp/box-");
  t.teardown(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o755);
  writeFileSync(path.join(directory, "file"), "content\n");
  const box = scratch(t);
  const options = ["-C", directory];
  const { stdout, stderr } = await exec(box, ["sh", "-c", "cat file; echo x >/var/tmp/new && ls /var/tmp"], {
    options,
  });
  t.is(stdout, `content\n${path.basename(directory)}\nnew\n`, stderr);
  t.is((await exec(box, ["readlink", "/var/tmp"])).stdout, "/tmp\n");
  t.false(existsSync("/var/tmp/new"));
});
