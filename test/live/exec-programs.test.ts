import { createHash, randomBytes } from "node:crypto";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { spawn } from "node:child_process";
import test from "ava";
import { callerEnvironment, cli, exec } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch } from "../helpers/scratch.js";

/** Programs that people run, from start to end. */
const liveTest = requires(test, "userns");
const pythonTest = requires(test, "userns", "program:python3");

pythonTest("a Python program reads its assets and writes its report", async (t) => {
  const box = scratch(t);
  box.file("work/assets/prices.csv", "apple,3\npear,4\n");
  box.file(
    "work/main.py",
    [
      "import csv, json, os, sqlite3, subprocess, tempfile",
      "rows = list(csv.reader(open('assets/prices.csv')))",
      "with tempfile.NamedTemporaryFile() as scratch: scratch.write(b'x' * 4096)",
      "db = sqlite3.connect(os.path.expanduser('~/cache.db'))",
      "db.execute('create table price (name, cents)')",
      "db.executemany('insert into price values (?, ?)', rows)",
      "total = db.execute('select sum(cents) from price').fetchone()[0]",
      "who = subprocess.run(['id', '-un'], capture_output=True, text=True).stdout.strip()",
      "json.dump({'total': total, 'who': who}, open('out/report.json', 'w'))",
      "print('written')",
    ].join("\n"),
  );
  mkdirSync(box.at("work/out"));
  const policy = "version: 1\nextends: python\nfilesystem:\n  write: [./work/out]\n";
  const { status, stdout, stderr } = await exec(box, ["python3", "main.py"], { policy });
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "written\n", stderr: "" });
  t.deepEqual(JSON.parse(box.read("work/out/report.json")), { total: 7, who: "sandbox" });
  t.is(statSync(box.at("work/out/report.json")).uid, process.geteuid?.() ?? 0);
});

pythonTest("a virtual environment made by python3 -m venv works by its path", async (t) => {
  const box = scratch(t);
  const made = spawnSync("python3", ["-m", "venv", "--without-pip", box.at("work/venv")], {
    encoding: "utf8",
  });
  t.is(made.status, 0, made.stderr);
  const script = "import sys, json; print(sys.prefix != sys.base_prefix, json.dumps([1]))";
  const { status, stdout, stderr } = await exec(box, ["venv/bin/python", "-c", script]);
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "True [1]\n", stderr: "" });
});

liveTest("a Node program starts workers, listens on its own loopback and asks itself", async (t) => {
  const box = scratch(t);
  box.file(
    "work/main.mjs",
    [
      'import { createServer } from "node:http";',
      'import { Worker } from "node:worker_threads";',
      'import { readFile } from "node:fs/promises";',
      "const answers = [];",
      'for (const host of ["127.0.0.1", "::1", "localhost"]) {',
      '  const server = createServer((_, response) => response.end("pong"));',
      "  await new Promise((resolve) => server.listen(0, host, resolve));",
      "  const { port } = server.address();",
      '  const name = host.includes(":") ? `[${host}]` : host;',
      "  answers.push(await (await fetch(`http://${name}:${port}/`)).text());",
      "  server.closeAllConnections(); server.close();",
      "}",
      "const worker = new Worker(\"require('node:worker_threads').parentPort.postMessage(6 * 7)\", { eval: true });",
      'answers.push(await new Promise((resolve) => worker.once("message", resolve)));',
      'answers.push((await readFile("data.txt", "utf8")).trim());',
      "console.log(answers.join(' '));",
    ].join("\n"),
  );
  box.file("work/data.txt", "data\n");
  const { status, stdout, stderr } = await exec(box, ["node", "main.mjs"]);
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "pong pong pong 42 data\n", stderr: "" });
});

requires(
  test,
  "userns",
  "program:git",
)("git clones, commits and packs", async (t) => {
  const box = scratch(t);
  const script = [
    "set -e",
    "git init -q origin && cd origin",
    "git config user.email a@b && git config user.name n",
    "seq 1000 >numbers && git add . && git commit -qm first && git tag v1",
    "cd .. && git clone -q origin clone && cd clone",
    "git log --format=%s && git gc -q && git fsck --full && tail -n 1 numbers",
  ].join("\n");
  const made = await exec(box, ["sh", "-c", script], { options: ["--write", "."] });
  t.deepEqual(
    { status: made.status, stdout: made.stdout },
    { status: 0, stdout: "first\n1000\n" },
    made.stderr,
  );
  // A repository in a read grant, cloned into the private /tmp.
  const read = ["git", "clone", "-q", "origin", "/tmp/copy"];
  const { status, stderr } = await exec(box, read);
  t.deepEqual({ status, stderr }, { status: 0, stderr: "" });
});

requires(
  test,
  "userns",
  "program:gcc",
)("gcc compiles, and what it made runs", async (t) => {
  const box = scratch(t);
  box.file("work/hello.c", '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }\n');
  const { status, stdout, stderr } = await exec(box, [
    "sh",
    "-c",
    "gcc -O2 -o /tmp/hello hello.c && /tmp/hello",
  ]);
  t.deepEqual({ status, stdout, stderr }, { status: 3, stdout: "hello\n", stderr: "" });
});

requires(
  test,
  "userns",
  "program:npm",
)("npm packs a package and installs it offline, scripts included", async (t) => {
  const box = scratch(t);
  const manifest = {
    name: "left",
    version: "1.0.0",
    scripts: { postinstall: "node -e \"require('fs').writeFileSync('installed','')\"" },
  };
  box.file("work/left/package.json", JSON.stringify(manifest));
  box.file("work/left/index.js", "module.exports = 7;\n");
  box.file("work/app/package.json", JSON.stringify({ name: "app", version: "1.0.0" }));
  const script = [
    "set -e",
    "npm pack --silent ./left",
    "cd app && npm install --offline --silent --no-audit --no-fund ../left-1.0.0.tgz",
    "npm ci --offline --silent --no-audit --no-fund",
    "ls node_modules/left/installed && node -p 'require(\"left\")'",
  ].join("\n");
  const policy = `version: 1\nextends: node\nfilesystem:\n  write: [./work]\n`;
  const { status, stdout, stderr } = await exec(box, ["sh", "-c", script], { policy });
  t.is(status, 0, stderr);
  t.is(stdout, "left-1.0.0.tgz\nnode_modules/left/installed\n7\n");
});

liveTest("a shell pipeline, job control and standard input to its end", async (t) => {
  const box = scratch(t);
  const script = [
    "trap : CHLD",
    "seq 1 100000 | sort -rn | head -n 3 | tr '\\n' ' '",
    "for i in 1 2 3; do (sleep 0.0$i; echo $i >/tmp/$i) & done; wait; cat /tmp/1 /tmp/2 /tmp/3 | tr '\\n' ' '",
    "wc -c",
  ].join("\n");
  const { status, stdout, stderr } = await exec(box, ["bash", "-c", script], {
    stdin: "x".repeat(1_000_000),
  });
  t.deepEqual(
    { status, stdout, stderr },
    { status: 0, stdout: "100000 99999 99998 1 2 3 1000000\n", stderr: "" },
  );
});

pythonTest("fifty children at once, each with its own answer", async (t) => {
  const box = scratch(t);
  const script = [
    "import os, sys",
    "children = []",
    "for i in range(50):",
    "  r, w = os.pipe()",
    "  pid = os.fork()",
    "  if pid == 0:",
    "    os.write(w, b'%d' % i); sys.stdin.read(); os._exit(i)",
    "  children.append((pid, r))",
    "got = [int(os.read(r, 9)) for _, r in children]",
    "ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in children]",
    "print(got == ends == list(range(50)))",
  ].join("\n");
  const { status, stdout, stderr } = await exec(box, ["python3", "-c", script], { stdin: "" });
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "True\n", stderr: "" });
});

requires(
  test,
  "userns",
  "program:gcc",
)("the loopback is the sandbox's own, in both families", async (t) => {
  const box = scratch(t);
  compileProbe("loopback", box.work);
  const { status, stdout } = await exec(box, ["./loopback"]);
  t.deepEqual({ status, stdout }, { status: 0, stdout: "127.0.0.1 ping\n::1 ping\n" });
});

const GiB = 1024 ** 3;

for (const [what, asFile] of [
  ["pipe", false],
  ["regular file", true],
] as const) {
  liveTest.serial(`1 GiB from a ${what} through cat is the same to the byte`, async (t) => {
    const box = scratch(t);
    // 16 MiB of noise, 64 times, each time with its number in front: a block lost, doubled or moved shows.
    const noise = randomBytes(GiB / 64 - 8);
    const expected = createHash("sha256");
    const block = (index: number): Buffer => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(index);
      return Buffer.concat([head, noise]);
    };
    let stdin: number | "pipe" = "pipe";
    if (asFile) {
      const file = box.at("input");
      const fd = openSync(file, "w");
      for (let index = 0; index < 64; index++) writeSync(fd, block(index));
      closeSync(fd);
      stdin = openSync(file, "r");
    }
    const child = spawn(process.execPath, [cli, "exec", "--", "cat"], {
      cwd: box.work,
      env: callerEnvironment(box),
      stdio: [stdin, "pipe", "inherit"],
    });
    if (typeof stdin === "number") closeSync(stdin);
    const received = createHash("sha256");
    let bytes = 0;
    child.stdout?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      received.update(chunk);
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    for (let index = 0; index < 64; index++) {
      const next = block(index);
      expected.update(next);
      if (child.stdin !== null && !child.stdin.write(next)) {
        await new Promise((resolve) => child.stdin?.once("drain", resolve));
      }
    }
    child.stdin?.end();
    t.is(await ended, 0);
    t.is(bytes, GiB);
    t.is(received.digest("hex"), expected.digest("hex"));
  });
}
