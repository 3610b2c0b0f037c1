import { spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import test from "ava";
import { defaultPolicy } from "../../src/policy/default.js";
import { run } from "../../src/sandbox/run.js";
import { callerEnvironment, cli, exec, probed, start } from "../helpers/exec.js";
import { has, requires } from "../helpers/requires.js";
import { compileProbe, scratch, type Scratch } from "../helpers/scratch.js";

/** Descriptors 0-2 and everything else that comes in from the caller. */
const liveTest = requires(test, "userns", "program:gcc");

liveTest("a regular file as standard input cannot be written through /proc/self/fd/0", async (t) => {
  const box = scratch(t);
  compileProbe("probe", box.work);
  const file = box.file("input", "precious\n", 0o666);
  for (const flags of ["r", "r+"]) {
    const stdin = openSync(file, flags);
    const script = [
      "./probe write:/proc/self/fd/0 write:/dev/stdin",
      "echo gone >/proc/self/fd/0",
      "echo gone >&0",
      "readlink /proc/self/fd/0",
    ].join("; ");
    await exec(box, ["sh", "-c", script], { stdin });
    closeSync(stdin);
    t.is(readFileSync(file, "utf8"), "precious\n", flags);
  }
  // From the position that the caller has read to, as every program would.
  const shared = spawnSync(
    "sh",
    ["-c", 'read line <&0; exec "$@"', "sh", process.execPath, cli, "exec", "--", "cat"],
    { cwd: box.work, env: callerEnvironment(box), input: "first\nsecond\n", encoding: "utf8" },
  );
  t.is(shared.stdout, "second\n", shared.stderr);
});

liveTest("scripts open /dev/stdout and /dev/stderr, also where those are pipes of a root caller", (t) => {
  const box = scratch(t);
  // What Node would give the child here are sockets, which nobody can open.
  const { stdout } = spawnSync(
    "sh",
    [
      "-c",
      '"$@" 2>&1 | cat',
      "sh",
      process.execPath,
      cli,
      "exec",
      "--",
      "sh",
      "-c",
      "echo out >/dev/stdout; echo err >/dev/stderr",
    ],
    { cwd: box.work, env: callerEnvironment(box), encoding: "utf8" },
  );
  t.is(stdout, "out\nerr\n");
});

const refusedInputs: readonly [string, (box: Scratch) => number, RegExp][] = [
  ["a directory", (box) => openSync(box.work, "r"), /^skillbox: error: stdin is a directory, which/],
  [
    "an O_PATH descriptor",
    (box) => openSync(box.file("file", ""), 0o10000000),
    /^skillbox: error: stdin is an O_PATH descriptor, which/,
  ],
];

for (const [what, open, message] of refusedInputs) {
  liveTest(`refused as standard input: ${what}`, async (t) => {
    const box = scratch(t);
    const stdin = open(box);
    const { status, stdout, stderr } = await exec(box, ["echo", "ran"], { stdin });
    closeSync(stdin);
    t.deepEqual([status, stdout], [125, ""]);
    t.regex(stderr, message);
    t.regex(stderr, /\n {2}hint: use a pipe/);
  });
}

const blockDevice = ["/dev/vda", "/dev/sda", "/dev/loop0", "/dev/zram0"].find(isReadable);

requires(
  test,
  "userns",
  "root",
)("refused as standard input: a block device", async (t) => {
  if (blockDevice === undefined) {
    t.pass("this machine has none");
    return;
  }
  const stdin = openSync(blockDevice, "r");
  const { status, stderr } = await exec(scratch(t), ["echo", "ran"], { stdin });
  closeSync(stdin);
  t.is(status, 125);
  t.regex(stderr, /^skillbox: error: stdin is a block device, which/);
});

function isReadable(path: string): boolean {
  try {
    closeSync(openSync(path, "r"));
    return true;
  } catch {
    return false;
  }
}

liveTest("refused as standard input and output: a network socket; a Unix socket pair passes", async (t) => {
  const box = scratch(t);
  const server = createServer((accepted) => accepted.on("error", () => undefined)).listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  for (const position of [0, 1, 2]) {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    const stdio: (Socket | "ignore")[] = ["ignore", "ignore", "ignore"];
    stdio[position] = socket;
    const child = spawn(process.execPath, [cli, "exec", "--", "echo", "ran"], {
      cwd: box.work,
      env: callerEnvironment(box),
      stdio,
    });
    t.is(await new Promise((resolve) => child.once("close", resolve)), 125, `descriptor ${position}`);
    socket.destroy();
  }
  // What node itself calls a pipe is a pair of Unix sockets, and so is everything in the other tests.
  t.is((await exec(box, ["cat"], { stdin: "through" })).stdout, "through");
});

liveTest("a closed standard input is empty", (t) => {
  const box = scratch(t);
  const { status, stdout, stderr } = spawnSync(
    "sh",
    ["-c", 'exec "$@" <&-', "sh", process.execPath, cli, "exec", "--", "cat"],
    {
      cwd: box.work,
      env: callerEnvironment(box),
      encoding: "utf8",
    },
  );
  // node opens /dev/null in place of what is closed.
  t.deepEqual([status, stdout], [0, ""], stderr);
});

liveTest("descriptors that the caller leaks do not reach the program, nor PID 1", async (t) => {
  const box = scratch(t);
  const secret = box.file("secret", "leaked");
  const fd = openSync(secret, "r");
  const directory = openSync(box.home, constants.O_RDONLY | constants.O_DIRECTORY);
  const script = "ls /proc/self/fd | tr '\\n' ' '; cat <&3; cat <&4; cat /proc/self/fd/9; ls /proc/1/fd";
  const { stdout } = await exec(box, ["sh", "-c", script], { leaked: [fd, directory, fd, fd, fd, fd, fd] });
  closeSync(fd);
  closeSync(directory);
  t.is(stdout, "0 1 2 3 ");
  // By a shell, as descriptor 9, without close-on-exec.
  const shell = `exec 9<"$1"; shift; exec "$@"`;
  const inside = "cat <&9 || ls /proc/self/fd | tr '\\n' ' '";
  const leaked = spawnSync(
    "sh",
    ["-c", shell, "sh", secret, process.execPath, cli, "exec", "--", "bash", "-c", inside],
    { cwd: box.work, env: callerEnvironment(box), encoding: "utf8" },
  );
  t.is(leaked.stdout, "0 1 2 3 ", leaked.stderr);
});

liveTest("output that nobody reads blocks the program, and a reader that goes away ends it", async (t) => {
  const box = scratch(t);
  const { status, stdout, stderr } = spawnSync(
    "bash",
    ["-c", '"$@" | head -n 2; echo "${PIPESTATUS[0]}"', "bash", process.execPath, cli, "exec", "--", "yes"],
    { cwd: box.work, env: callerEnvironment(box), encoding: "utf8" },
  );
  t.deepEqual([status, stdout], [0, "y\ny\n141\n"], stderr);
  const slow = start(box, ["sh", "-c", "head -c 300000 /dev/zero; echo written >&2"]);
  slow.child.stdout?.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  slow.child.stdout?.resume();
  const ended = await slow.ended;
  t.deepEqual([ended.status, ended.stdout.length, ended.stderr], [0, 300_000, "written\n"]);
});

liveTest("both outputs into one file keep their order and append", (t) => {
  const box = scratch(t);
  box.file("log", "before\n");
  const log = openSync(box.at("log"), "a");
  const script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
  const { status } = spawnSync(process.execPath, [cli, "exec", "--", "sh", "-c", script], {
    cwd: box.work,
    env: callerEnvironment(box),
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  t.is(status, 0);
  t.is(box.read("log"), "before\nout 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
});

liveTest(
  "arguments, environment and their total up to what the kernel takes arrive as they are",
  async (t) => {
    const box = scratch(t);
    const odd = ["", " ", "a\nb", "\x1b[31m", "ü€😀", "--", "*", "$HOME", "\\"];
    const echoed = await exec(box, ["printf", "%s\\0", ...odd]);
    t.deepEqual(echoed.stdout.split("\0").slice(0, -1), odd);
    // MAX_ARG_STRLEN is 128 KiB with its NUL (execve(2)).
    const long = "x".repeat(131_071);
    const count = await exec(box, ["sh", "-c", "echo $# ${#1} ${#9}", "sh", ...Array<string>(9).fill(long)]);
    t.deepEqual([count.status, count.stdout], [0, "9 131071 131071\n"], count.stderr);
  },
);

liveTest("8 MiB of environment, or of arguments, are refused as the kernel refuses them", async (t) => {
  const box = scratch(t);
  const value = "v".repeat(100_000);
  const variables = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, value]));
  const runWith = async (argv: readonly string[], set: Readonly<Record<string, string>>) => {
    const policy = defaultPolicy();
    const output = openSync(box.at("output"), "w");
    const nothing = openSync("/dev/null", "r+");
    try {
      const sink = () => process.stdout;
      return await run({
        policy: { ...policy, environment: { pass: [], set } },
        argv,
        cwd: box.work,
        environment: callerEnvironment(box),
        stdio: { stdin: { fd: nothing }, stdout: { fd: output, sink }, stderr: { fd: output, sink } },
      });
    } finally {
      closeSync(output);
      closeSync(nothing);
    }
  };
  t.like(await runWith(["sh", "-c", "env | wc -c"], variables(15)), { outcome: "exited", exitCode: 0 });
  t.true(Number(box.read("output")) > 1_500_000);
  const tooLarge = { code: "ERR_NOT_EXECUTABLE", errno: "E2BIG" };
  t.like(await t.throwsAsync(runWith(["env"], variables(84))), tooLarge);
  t.like(await t.throwsAsync(runWith(["echo", ...Array<string>(84).fill(value)], {})), tooLarge);
  t.like(await t.throwsAsync(runWith(["echo", "x".repeat(131_072)], {})), tooLarge);
});

requires(
  test,
  "userns",
  "program:gcc",
)("a FIFO and a Unix socket inside a read grant have nobody of the host at the other end", async (t) => {
  const box = scratch(t);
  compileProbe("probe", box.work);
  spawnSync("mkfifo", [box.at("work/fifo")]);
  const heard: string[] = [];
  const server = createServer((accepted) => {
    heard.push("connected");
    accepted.on("data", (chunk) => heard.push(chunk.toString())).on("error", () => undefined);
  });
  server.listen(box.at("work/socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  const abstract = createServer(() => heard.push("abstract")).listen(`\0box-${process.pid}`);
  // The host's end of the FIFO: open for reading and writing, so that neither end waits.
  const fifo = openSync(box.at("work/fifo"), constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => {
    server.close();
    abstract.close();
    closeSync(fifo);
  });
  const probes = ["connect:socket", "fifo:fifo", `abstract:box-${process.pid}`];
  const { stdout } = await exec(box, ["./probe", ...probes]);
  t.deepEqual(probed(stdout), {
    "connect:socket": "ECONNREFUSED",
    "fifo:fifo": "ENXIO",
    [probes[2] ?? ""]: "ECONNREFUSED",
  });
  t.throws(() => readFileSync(fifo), { code: "EAGAIN" });
  t.deepEqual(heard, []);
  // The other way round: what the host writes does not come in.
  const writer = start(box, ["sh", "-c", "echo ready; timeout 1 cat fifo"]);
  await writer.line(/ready/);
  writeFileSync(fifo, "from the host");
  t.is((await writer.ended).stdout, "ready\n");
});

if (!has("root")) {
  liveTest("a set-id program gives no other identity", async (t) => {
    const { status, stdout } = await exec(scratch(t), [
      "sh",
      "-c",
      "su -c id root </dev/null >/dev/null 2>&1; id -u",
    ]);
    t.deepEqual([status, stdout], [0, `${process.geteuid?.() ?? 0}\n`]);
  });
}
