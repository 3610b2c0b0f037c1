import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { PassThrough, Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { pino } from "pino";
import { z } from "zod";
import {
  sandbox,
  type AuditEvent,
  type PolicyInput,
  type SandboxOptions,
  type SessionOptions,
} from "../../src/index.js";
import { auditEventSchema } from "../../src/audit/event.js";
import { callerEnvironment } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";

const liveTest = requires(test, "userns");

const loggedEvent = z.object({ audit: z.object({ type: z.string() }) });

const inBox = (box: Scratch): SessionOptions => ({ cwd: box.work, env: callerEnvironment(box) });

async function sessionFor(t: ExecutionContext, options: SessionOptions = {}) {
  const box = scratch(t);
  const session = await sandbox.create({ ...inBox(box), ...options });
  t.teardown(async () => session[Symbol.asyncDispose]());
  return { box, session };
}

liveTest("one run: what the program reads and writes, and how it ended", async (t) => {
  const box = scratch(t);
  const result = await sandbox({
    ...inBox(box),
    argv: ["sh", "-c", "cat; printf '\\377 ä' ; echo oops >&2; exit 3"],
    input: "what it reads\n",
  });
  t.like(result, { outcome: "exited", exitCode: 3, stdout: "what it reads\n\ufffd ä", stderr: "oops\n" });
  const signaled = await sandbox({ ...inBox(box), argv: ["sh", "-c", "kill -9 $$"] });
  t.like(signaled, { outcome: "signaled", signal: "SIGKILL", exitCode: undefined });
});

liveTest("streams of every kind, node's and the web's, are read from and written to", async (t) => {
  const { session } = await sessionFor(t);
  const collected: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      collected.push(chunk);
      setTimeout(done, 1);
    },
  });
  const webChunks: Uint8Array[] = [];
  const webSink = new WritableStream<Uint8Array>({ write: (chunk) => void webChunks.push(chunk) });
  const both = ["sh", "-c", "tee /dev/stderr"];
  const bytes = Buffer.alloc(300_000, "0123456789");
  await session.exec(both, { stdin: Readable.from([bytes]), stdout: sink, stderr: webSink });
  t.true(Buffer.concat(collected).equals(bytes));
  t.true(Buffer.concat(webChunks).equals(bytes), String(Buffer.concat(webChunks).length));

  const web = new Blob(["from the web"]).stream();
  t.is((await session.exec(["cat"], { stdin: web })).stdout, "from the web");
  t.is((await session.exec(["cat"], { input: new Uint8Array([104, 105]) })).stdout, "hi");
  t.is((await session.exec(["wc", "-c"], {})).stdout.trim(), "0");

  const conversation = session.exec(["cat"], { stdin: "pipe", stdout: "pipe" });
  const { stdin, stdout } = conversation;
  if (stdin === undefined || stdout === undefined) return t.fail("no pipes");
  for (const word of ["one", "two"]) {
    stdin.write(word);
    t.is(String(await once(stdout, "data")), word);
  }
  stdin.end();
  t.is((await conversation).exitCode, 0);

  const file = openSync(scratch(t).at("out"), "w");
  await session.exec(["echo", "into a file"], { stdout: file });
  t.is(readFileSync(`/proc/self/fd/${file}`, "utf8"), "into a file\n");
  closeSync(file);
});

liveTest("output beyond maxBuffer is counted, and callbacks get all of it", async (t) => {
  const { session } = await sessionFor(t);
  let seen = 0;
  const result = await session.exec(["head", "-c", "1000000", "/dev/zero"], {
    maxBuffer: 1000,
    onStdout: (chunk) => (seen += chunk.length),
  });
  t.is(seen, 1_000_000);
  t.is(result.stdout.length, 1000);
  t.is(result.discardedBytes, 999_000);
});

liveTest.serial("a program waits for who reads slowly, and a run ends though nobody reads", async (t) => {
  const box = scratch(t);
  const before = snapshotHost();
  const rss = process.memoryUsage().rss;
  {
    await using run = sandbox({
      ...inBox(box),
      argv: ["sh", "-c", "head -c 1G /dev/zero && echo done >&2"],
      stdout: "pipe",
    });
    await once(run.stdout ?? new PassThrough(), "readable");
    await sleep(300);
    t.true(process.memoryUsage().rss - rss < 50 << 20);
    run.kill();
    t.like(await run, { outcome: "signaled", signal: "SIGTERM", stderr: "" });
  }
  await t.notThrowsAsync(assertUnchanged(before));
});

liveTest("a stream or callback that fails is ERR_STREAM, and ends the program", async (t) => {
  const { session } = await sessionFor(t);
  const failing = (): Writable =>
    new Writable({
      write(_chunk, _encoding, done) {
        done(new Error("disk is full"));
      },
    });
  const source = async function* () {
    yield "first";
    await sleep(1);
    throw new Error("no more");
  };
  const expected = {
    name: "SkillboxError",
    code: "ERR_STREAM",
    message: /stdout failed: Error: disk is full$/,
  };
  await t.throwsAsync(session.exec(["yes"], { stdout: failing() }).then(), expected);
  await t.throwsAsync(session.exec(["cat"], { stdin: source() }).then(), {
    ...expected,
    message: /stdin failed: Error: no more$/,
  });
  const callback = (): void => {
    throw new RangeError("not that");
  };
  await t.throwsAsync(session.exec(["yes"], { onStdout: callback }).then(), {
    ...expected,
    message: /stdout failed: RangeError: not that$/,
  });
  t.is((await session.exec(["true"])).exitCode, 0, "the sandbox has done nothing");
});

liveTest.serial("wrong arguments are ERR_USAGE, before anything is started", async (t) => {
  const { session } = await sessionFor(t);
  const wrong: Record<string, unknown>[] = [
    { argv: [] },
    { argv: "true" },
    { argv: ["true", 7] },
    { argv: ["true", "nul\0byte"] },
    { stdin: 1.5 },
    { stdin: "capture" },
    { stdin: {} },
    { stdout: -1 },
    { stdout: "nowhere" },
    { maxBuffer: Number.NaN },
    { input: 7 },
    { input: "text", stdin: "ignore" },
  ];
  const descriptors = readdirSync("/proc/self/fd").length;
  for (const options of wrong) {
    const one: SandboxOptions = Object.assign({ argv: ["true"] }, options);
    t.throws(() => sandbox(one), { code: "ERR_USAGE" }, JSON.stringify(options));
  }
  for (const limit of [0, -1, Number.NaN, Infinity]) {
    t.throws(() => session.exec(["true"], { wallTimeMs: limit }), { code: "ERR_USAGE" });
  }
  for (const terminal of [undefined, { rows: 1, columns: 70_000 }]) {
    const options = terminal === undefined ? { stdin: -1 } : { terminal };
    t.throws(() => session.exec(["true"], { stdout: "ignore", ...options }), { code: "ERR_USAGE" });
  }
  t.is(readdirSync("/proc/self/fd").length, descriptors, "what was opened for a stream is closed again");
  await t.throwsAsync(sandbox({ argv: ["true"], policy: "/nowhere.yaml" }).then(), { code: "ERR_POLICY" });
  await t.throwsAsync(sandbox.create({ policy: { version: 1, filesystem: { read: ["/nowhere"] } } }), {
    code: "ERR_GRANT",
  });
  await t.throwsAsync(session.exec(["no-such-program"]).then(), { code: "ERR_NOT_FOUND" });
  await t.throwsAsync(session.exec(["true"], { cwd: "/nowhere" }).then(), { name: "SkillboxError" });
  await t.throwsAsync(session.exec(["true"], { stdout: openSync("/", "r") }).then(), { code: "ERR_USAGE" });
});

liveTest.serial("options that there are not, or of another type, are ERR_USAGE", async (t) => {
  const { session } = await sessionFor(t);
  const run = session.exec(["sleep", "600"]);
  const creation = [
    { polcy: 1 },
    { policy: 42 },
    { ceiling: true },
    { cwd: 7 },
    { env: null },
    { env: { A: 1 } },
  ];
  const recording = [{ auditFile: 7 }, { events: "yes" }, { logger: {} }, { logger: 7 }];
  const execution = [{ signal: 7 }, { signal: {} }, { signal: null }, { onStdout: 7 }, { terminal: null }];
  const argv = ["true"];
  const wrong: readonly (readonly [object, string, readonly unknown[]])[] = [
    ...[null, "policy.yaml", ...creation, ...recording].map((one) => [sandbox, "create", [one]] as const),
    ...[undefined, null, ...creation, { size: "2" }].map((one) => [sandbox, "pool", [one]] as const),
    ...[...creation, ...recording, ...execution, { wallTimeMs: 5 }, { commit: 1 }].map(
      (one) => [{ sandbox }, "sandbox", [{ argv, ...one }]] as const,
    ),
    ...[undefined, null].map((one) => [{ sandbox }, "sandbox", [one]] as const),
    ...[null, ...execution, { policy: {} }, { cwd: 7 }, { env: null }, { cpuTimeMs: "5" }].map(
      (one) => [session, "exec", [argv, one]] as const,
    ),
    ...[["SIGFOO"], [9], ["SIGTERM", null], ["SIGTERM", { graceMs: NaN }], ["SIGTERM", { grace: 1 }]].map(
      (args) => [run, "kill", args] as const,
    ),
    [session, "readFile", [7]],
    [session, "readFile", ["/etc/passwd", { maxBytes: NaN }]],
    [session, "writeFile", [null, ""]],
    [session, "writeFile", ["/tmp/x", 7]],
  ];
  await sleep(50);
  const descriptors = readdirSync("/proc/self/fd").length;
  for (const [target, name, args] of wrong) {
    await t.throwsAsync(call(target, name, args), usage, `${name} ${JSON.stringify(args)}`);
  }
  t.is(readdirSync("/proc/self/fd").length, descriptors);
  run.kill("SIGKILL");
  await run;
});

/** As JavaScript does, without types. */
async function call(target: object, name: string, args: readonly unknown[]): Promise<void> {
  const method: unknown = Reflect.get(target, name);
  if (typeof method !== "function") throw new TypeError(name);
  const result: unknown = Reflect.apply(method, target, args);
  await result;
}

const usage = { name: "SkillboxError", code: "ERR_USAGE" };

liveTest.serial(
  "streams that are closed, locked or never end: an error, or the program's own end",
  async (t) => {
    const { session } = await sessionFor(t);
    await session.exec(["true"], { stdin: "pipe" });
    const descriptors = readdirSync("/proc/self/fd").length;
    const read = session.exec(["yes"], { stdout: "pipe" });
    read.stdout?.once("data", () => read.stdout?.destroy());
    t.like(await read, { outcome: "signaled", signal: "SIGPIPE" }, "a reader that goes away");
    const writer = new PassThrough();
    writer.destroy();
    await t.throwsAsync(session.exec(["yes"], { stdout: writer }).then(), { code: "ERR_STREAM" });
    const locked = new WritableStream();
    locked.getWriter();
    t.throws(() => session.exec(["yes"], { stdout: locked }), usage);
    const rejecting = async (): Promise<void> => Promise.reject(new Error("not now"));
    await t.throwsAsync(session.exec(["yes"], { onStdout: rejecting }).then(), { message: /not now/ });
    t.is((await session.exec(["true"], { stdin: new PassThrough() })).exitCode, 0);
    t.is((await session.exec(["true"], { stdin: "pipe" })).exitCode, 0);
    const sink = new PassThrough().resume();
    for (let index = 0; index < 20; index++) await session.exec(["echo"], { stdout: sink, stderr: sink });
    t.true(
      sink.listenerCount("close") + sink.listenerCount("error") < 8,
      "nothing of a run stays with its sink",
    );
    const logger = {
      info: () => {
        throw new Error("log is full");
      },
      warn: () => undefined,
    };
    const logged = await sandbox.create({ ...inBox(scratch(t)), logger });
    await t.throwsAsync(
      async () => {
        for (;;) await logged.exec(["sleep", "0.1"]);
      },
      { code: "ERR_STREAM", message: /the logger failed: Error: log is full/ },
    );
    await logged.close();
    await sleep(50);
    t.true(readdirSync("/proc/self/fd").length <= descriptors);
  },
);

liveTest("a kept sandbox keeps its files, its servers and its limits from program to program", async (t) => {
  const { session } = await sessionFor(t);
  await session.exec(["sh", "-c", "echo kept >/tmp/note; echo $HOME >$HOME/where; sleep 1000 &"]);
  t.is((await session.exec(["cat", "/tmp/note"])).stdout, "kept\n");
  t.regex((await session.exec(["ps", "-e", "-o", "comm"])).stdout, /^sleep$/m);
  const many = await Promise.all(
    Array.from({ length: 20 }, async (_, index) =>
      session.exec(["sh", "-c", `sleep 0.0${index}; echo ${index}`]),
    ),
  );
  t.deepEqual(
    many.map(({ stdout }) => stdout.trim()),
    many.map((_, index) => String(index)),
  );
  t.like(await session.exec(["sleep", "60"], { wallTimeMs: 50 }), {
    outcome: "timed-out",
    limit: "wallTime",
  });
  t.like(await session.exec(["yes"], { outputBytes: 1000 }), { outcome: "output-limit", limit: "output" });
  t.like(await session.exec(["sh", "-c", "while :; do :; done"], { cpuTimeMs: 60 }), {
    outcome: "timed-out",
    limit: "cpuTime",
  });
  const gone = AbortSignal.abort();
  t.like(await session.exec(["sleep", "60"], { signal: gone }), { outcome: "killed" });
  const stubborn = session.exec(["sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; wait"], {
    stdout: "pipe",
  });
  await once(stubborn.stdout ?? new PassThrough(), "data");
  stubborn.kill("SIGTERM", { graceMs: 50 });
  t.like(await stubborn, { outcome: "killed", signal: "SIGKILL" });
  t.is((await session.exec(["cat", "/tmp/note"])).stdout, "kept\n", "and went on");
});

liveTest("limits of a program only narrow those of the policy", async (t) => {
  const { session } = await sessionFor(t, {
    policy: { version: 1, resources: { wallTime: "100ms", output: "1KiB" } },
  });
  t.like(await session.exec(["sleep", "60"], { wallTimeMs: 60_000 }), { outcome: "timed-out" });
  t.like(await session.exec(["yes"], { outputBytes: 1 << 30 }), { outcome: "output-limit" });
});

liveTest("a policy gets no more than its ceiling", async (t) => {
  const box = scratch(t);
  const out = box.directory("out");
  const asked: PolicyInput = { version: 1, filesystem: { write: [out], read: [box.home] } };
  const argv = ["sh", "-c", `touch ${out}/made; ls ${box.home}`];
  const free = await sandbox({ ...inBox(box), argv, policy: asked });
  t.is(free.exitCode, 0);
  const held = await sandbox({
    ...inBox(box),
    argv,
    policy: asked,
    ceiling: { version: 1, filesystem: { write: [out] } },
  });
  t.not(held.exitCode, 0);
  t.regex(held.stderr, /No such file/);
});

liveTest("files go in and out as the programs see them, and nowhere else", async (t) => {
  const box = scratch(t);
  const overlaid = box.directory("overlaid");
  box.file("overlaid/old", "old");
  const secret = box.file("home/secret", "key");
  const session = await sandbox.create({
    ...inBox(box),
    policy: { version: 1, filesystem: { overlay: [overlaid] } },
  });
  t.teardown(async () => session[Symbol.asyncDispose]());
  await session.writeFile("/tmp/in", "long text");
  await session.writeFile("/tmp/in", "text");
  t.is((await session.exec(["cat", "/tmp/in"])).stdout, "text");
  const large = Buffer.alloc(3_000_000, 7);
  await session.writeFile(`${overlaid}/new`, large);
  t.true(large.equals(await session.readFile(`${overlaid}/new`)));

  await session.exec([
    "sh",
    "-c",
    `mkfifo /tmp/fifo; ln -s ${secret} /tmp/out; ln -s /proc/self/mem /tmp/mem; ln -s /proc/1/environ /tmp/env`,
  ]);
  for (const [path, errno] of [
    ["/tmp/out", "ENOENT"],
    ["/tmp/mem", "EACCES"],
    ["/tmp/env", "EACCES"],
    ["/proc/self/status", "EINVAL"],
    ["/proc/self/fd/0", "ELOOP"],
    ["/dev/null", "EINVAL"],
    ["/tmp", "EISDIR"],
    ["/tmp/nothing", "ENOENT"],
    [secret, "ENOENT"],
    [`/tmp/${"x".repeat(300)}`, "ENAMETOOLONG"],
    [`/tmp/${"x/".repeat(3000)}`, "ENAMETOOLONG"],
    ["/tmp/nul\0", "EINVAL"],
  ] as const) {
    t.like(await t.throwsAsync(session.readFile(path), { code: "ERR_FILE" }, path), { errno }, path);
  }
  await t.throwsAsync(session.readFile("/tmp/fifo"), { code: "ERR_FILE" });
  for (const path of [
    "/etc/passwd",
    "/usr/bin/env",
    "/tmp/out",
    "/tmp/mem",
    "/tmp/fifo",
    "/proc/self/comm",
  ]) {
    await t.throwsAsync(session.writeFile(path, "x"), { code: "ERR_FILE" }, path);
  }
  t.is(readFileSync(secret, "utf8"), "key");

  await session.exec(["truncate", "-s", "100G", "/tmp/sparse"]);
  t.like(await t.throwsAsync(session.readFile("/tmp/sparse"), { code: "ERR_FILE" }), { errno: "EFBIG" });
  t.like(await t.throwsAsync(session.readFile("/tmp/in", { maxBytes: 3 }), { code: "ERR_FILE" }), {
    errno: "EFBIG",
  });
  t.is(String(await session.readFile("/tmp/in", { maxBytes: 4 })), "text");

  const changed = await session.changes();
  t.deepEqual(
    changed.map(({ path, kind }) => [path, kind]),
    [[`${overlaid}/new`, "created"]],
  );
  const running = session.exec(["sleep", "60"]);
  await t.throwsAsync(session.commit(), { code: "ERR_USAGE", message: /1 program\(s\) are still running/ });
  running.kill("SIGKILL");
  await running;
  t.like(await session.commit(), { written: 1, refused: [] });
  t.true(large.equals(readFileSync(box.at("overlaid/new"))));
});

liveTest("events come as they happen, program by program, and are what the record says", async (t) => {
  const box = scratch(t);
  const auditFile = box.at("record.jsonl");
  const session = await sandbox.create({ ...inBox(box), auditFile, events: true });
  const all: AuditEvent[] = [];
  const reader = (async () => {
    for await (const event of session.events) all.push(event);
  })();
  const runs = [1, 2, 3].map((number) => session.exec(["sh", "-c", `cat /tmp/nothing-${number}; /bin/true`]));
  for (const run of runs) {
    const own: AuditEvent[] = [];
    for await (const event of run.events) own.push(event);
    t.is(own.at(-1)?.type, "program.end");
    t.is(new Set(own.map((event) => "program" in event && event.program)).size, 1);
    t.is(own.filter(({ type }) => type === "process.exec").length, 3, "sh, cat, true");
    await run;
  }
  const total = await session.close();
  await reader;
  t.is(all[0]?.type, "run.start");
  t.like(all.at(-1), { type: "run.end", programs: 3 });
  t.is(all.length, total.audit.events);
  const written = readFileSync(auditFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => auditEventSchema.parse(JSON.parse(line)));
  t.deepEqual(all, written);
});

liveTest("an embedder's logger gets every event", async (t) => {
  const box = scratch(t);
  const lines: string[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const result = await sandbox({ ...inBox(box), argv: ["true"], logger });
  while (lines.length < result.audit.events) await sleep(10);
  const types = lines.map((line) => loggedEvent.parse(JSON.parse(line)).audit.type);
  t.deepEqual([types[0], types.at(-1)], ["run.start", "run.end"]);
  t.true(types.includes("process.exec"));
  await t.throwsAsync(
    (async () => {
      const run = sandbox({ ...inBox(box), argv: ["true"] });
      await run;
      for await (const event of run.events) t.log(event);
    })(),
    { code: "ERR_USAGE", message: /no events are kept/ },
  );
});

liveTest.serial("what is disposed of is ended, and what is closed says so", async (t) => {
  const box = scratch(t);
  const before = snapshotHost();
  const descriptors = readdirSync("/proc/self/fd").length;
  let left;
  {
    await using session = await sandbox.create(inBox(box));
    left = session;
    const forgotten = session.exec(["sleep", "600"]);
    t.is(forgotten.stdout, undefined);
    await session.exec(["true"]);
    const closing = session.close();
    t.like(await forgotten, { outcome: "killed" });
    t.is(await session.close(), await closing);
  }
  t.throws(() => left.exec(["true"]), { code: "ERR_USAGE", message: /closed/ });
  await t.throwsAsync(left.readFile("/etc/passwd"), { code: "ERR_USAGE" });
  {
    await using run = sandbox({ ...inBox(box), argv: ["sleep", "600"] });
    t.truthy(run);
  }
  await t.notThrowsAsync(assertUnchanged(before));
  t.is(readdirSync("/proc/self/fd").length, descriptors);
});

liveTest.serial("the death of PID 1 ends every run of its sandbox with an error, at once", async (t) => {
  const { session } = await sessionFor(t, { events: true });
  const runs = [1, 2].map(() => session.exec(["sh", "-c", "echo $$; exec sleep 600"], { stdout: "pipe" }));
  for (const run of runs) await once(run.stdout ?? new PassThrough(), "data");
  const killer = snapshotHost().processes;
  for (const line of killer)
    if (line.includes("skillbox-init")) process.kill(Number(line.split(" ")[0]), "SIGKILL");
  for (const run of runs)
    await t.throwsAsync(run.then(), { code: "ERR_LAUNCH", message: /ended without a report/ });
  await t.throwsAsync(session.exec(["true"]).then(), { code: "ERR_LAUNCH" });
});

liveTest.serial(
  "a pool gives each program a fresh sandbox, also when there are more programs than sandboxes",
  async (t) => {
    const box = scratch(t);
    const before = snapshotHost();
    const pool = await sandbox.pool({ ...inBox(box), size: 2 });
    t.is(pool.available, 2);
    const script = (word: string) => [
      "sh",
      "-c",
      `cat /tmp/word 2>/dev/null; printf ${word} >/tmp/word; sleep 600 & printf ${word}`,
    ];
    const results = await Promise.all(["a", "b", "c", "d", "e"].map(async (word) => pool.exec(script(word))));
    t.deepEqual(
      results.map(({ stdout }) => stdout),
      ["a", "b", "c", "d", "e"],
    );
    t.is(new Set(results.map(({ runId }) => runId)).size, 5);
    const killed = pool.exec(["sleep", "600"]);
    killed.kill("SIGKILL");
    t.like(await killed, { outcome: "killed" });
    await t.throwsAsync(pool.exec(["no-such-program"]).then(), { code: "ERR_NOT_FOUND" });
    const last = pool.exec(["echo", "last"]);
    await pool.close();
    t.is((await last).stdout, "last\n");
    t.throws(() => pool.exec(["true"]), { code: "ERR_USAGE", message: /pool is closed/ });
    for (const size of [0, -1, 1.5, Number.NaN, 5000]) {
      await t.throwsAsync(sandbox.pool({ ...inBox(box), size }), { code: "ERR_USAGE" });
    }
    await t.throwsAsync(
      sandbox.pool({ policy: { version: 1, filesystem: { read: ["/nowhere"] } }, size: 3 }),
      {
        code: "ERR_GRANT",
      },
    );
    await t.notThrowsAsync(assertUnchanged(before));
  },
);

liveTest("a terminal: keys, signals by key, its size, and what is on its screen", async (t) => {
  const { session } = await sessionFor(t);
  const run = session.exec(
    [
      "sh",
      "-c",
      "stty size; trap 'stty size' WINCH; until read line; do :; done; echo got $line; exec sleep 60",
    ],
    {
      terminal: { rows: 24, columns: 80 },
      stdout: "pipe",
    },
  );
  const { stdin, stdout } = run;
  if (stdin === undefined || stdout === undefined) return t.fail("no terminal");
  let screen = "";
  stdout.on("data", (chunk: Buffer) => (screen += String(chunk)));
  const until = async (text: string): Promise<void> => {
    const deadline = performance.now() + 8000;
    while (!screen.includes(text) && performance.now() < deadline) await sleep(5);
    t.true(screen.includes(text), screen);
  };
  await until("24 80");
  run.resize({ rows: 50, columns: 132 });
  stdin.write("hello\r");
  await until("got hello");
  stdin.write("\u0003");
  t.like(await run, { outcome: "signaled", signal: "SIGINT" });
  const sized = await session.exec(["stty", "size"], { terminal: { rows: 5, columns: 6 } });
  t.is(sized.stdout, "5 6\r\n");
  t.throws(() => session.exec(["true"], { terminal: { rows: -1, columns: 1 } }), { code: "ERR_USAGE" });
  t.throws(() => session.exec(["true"], { terminal: { rows: 1, columns: 1 }, stderr: "ignore" }), {
    code: "ERR_USAGE",
  });
  const plain = session.exec(["true"]);
  t.throws(() => plain.resize({ rows: 1, columns: 1 }), { code: "ERR_USAGE" });
  await plain;
});
