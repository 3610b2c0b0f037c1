import { spawn } from "node:child_process";
import { constants } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { callerEnvironment, cli, exec } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** What a person sees and types. */
const liveTest = requires(test, "userns", "program:python3");

type Step = readonly [string, ...(string | number | boolean)[]];

interface Driven {
  readonly status: number;
  readonly output: string;
}

const driver = path.resolve(import.meta.dirname, "../../../test/fixtures/terminal/drive.py");
const inTerminal = [process.execPath, cli, "exec", "--tty", "--"];
const sharing = [process.execPath, cli, "exec", "--"];

async function drive(
  t: ExecutionContext,
  command: readonly string[],
  steps: readonly Step[],
): Promise<Driven> {
  const box = scratch(t);
  const child = spawn("python3", [driver, JSON.stringify(steps), ...command], {
    cwd: box.work,
    env: callerEnvironment(box, { TERM: "xterm" }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  t.is(stderr, "");
  const driven: unknown = JSON.parse(stdout === "" ? "{}" : stdout);
  if (!isDriven(driven)) throw new Error(`${command.join(" ")}: ${stderr}`);
  return driven;
}

function isDriven(value: unknown): value is Driven {
  return typeof value === "object" && value !== null && "status" in value && "output" in value;
}

const ctrlC = "\x03";
const ctrlD = "\x04";
const ctrlZ = "\x1a";

liveTest(
  "the program has a terminal of its own, of the caller's size, and the caller's is as it was",
  async (t) => {
    const script =
      'tty; test -t 0 -a -t 1 -a -t 2 && echo all; stty size; trap "stty size; exit 7" WINCH; echo waits; while :; do sleep 0.1; done';
    const { status, output } = await drive(
      t,
      [
        "sh",
        "-c",
        `"$@"; echo "status $?"; stty size; read -r line`,
        "sh",
        ...inTerminal,
        "bash",
        "-c",
        script,
      ],
      [
        ["expect", "/dev/pts/0\r\nall\r\n24 80\r\nwaits\r\n"],
        ["echoes", false],
        ["resize", 40, 100],
        ["expect", "40 100\r\n"],
        ["expect", "status 7\r\n40 100\r\n"],
        ["echoes", true],
        ["send", "\r"],
      ],
    );
    t.is(status, 0, output);
  },
);

const bash = requires(test, "userns", "program:python3", "program:bash");
bash("an interactive bash has job control", async (t) => {
  const { status } = await drive(
    t,
    [...inTerminal, "bash", "--norc", "-i"],
    [
      ["expect", "$ "],
      ["send", "sleep 100\r"],
      ["expect", "sleep 100\r\n"],
      ["wait", 0.5],
      ["send", ctrlC],
      ["expect", "^C"],
      ["expect", "$ "],
      ["send", "sleep 200\r"],
      ["expect", "sleep 200\r\n"],
      ["wait", 0.5],
      ["send", ctrlZ],
      ["expect", "Stopped"],
      ["expect", "$ "],
      ["send", "fg\r"],
      ["expect", "sleep 200\r\n"],
      ["wait", 0.5],
      ["send", ctrlC],
      ["expect", "$ "],
      ["send", "echo $((6 * 7))\r"],
      ["expect", "42\r\n"],
      ["send", "exit 5\r"],
    ],
  );
  t.is(status, 5);
});

liveTest("python's prompt is interrupted and goes on", async (t) => {
  const { output } = await drive(
    t,
    [...inTerminal, "python3", "-q"],
    [
      ["expect", ">>> "],
      ["send", "while True: pass\r\r"],
      ["wait", 0.5],
      ["send", ctrlC],
      ["expect", "KeyboardInterrupt"],
      ["expect", ">>> "],
      ["send", "6 * 7\r"],
      ["expect", "42"],
      ["send", ctrlD],
    ],
  );
  t.regex(output, /42/);
});

const pagers = requires(test, "userns", "program:python3", "program:less", "program:vi");
pagers("a pager and an editor work", async (t) => {
  const less = await drive(
    t,
    [...inTerminal, "less", "/etc/services"],
    [
      ["wait", 1],
      ["send", "G"],
      ["expect", "(END)"],
      ["send", "q"],
    ],
  );
  t.is(less.status, 0);
  const vi = await drive(
    t,
    [...inTerminal, "sh", "-c", "vi -u NONE /tmp/x && cat /tmp/x"],
    [
      ["expect", "~"],
      ["send", "ihello there\x1b:wq\r"],
      ["expect", "hello there\r\n"],
    ],
  );
  t.is(vi.status, 0);
});

/** Reads what is left to be read, as the caller's shell would after the run. */
const thenRead = `"$@"; IFS= read -r -t 1 -n 4 left; echo "left <\${left//$'\\e'/ESC}>"`;

bash(
  "what the terminal answers to a question of the program's is not typed into the caller's shell",
  async (t) => {
    const asks = [...inTerminal, "printf", "\\033[6n"];
    const answers: Step[] = [
      ["answer", "\x1b[6n", "\x1b[1;1R", 0.05],
      ["answer", "\x1b[5n", "\x1b[0n", 0.02],
    ];
    const quiet = await drive(
      t,
      ["bash", "-c", thenRead, "bash", ...asks],
      [...answers, ["expect", "left <"]],
    );
    t.regex(quiet.output, /left <>/);
    // Where no terminal of ours is in between, the shell reads it: the test can see that.
    const shared = await drive(
      t,
      ["bash", "-c", thenRead, "bash", "printf", "\\033[6n"],
      [...answers, ["expect", "left <"]],
    );
    t.regex(shared.output, /left <ESC\[1;>/);
  },
);

for (const [name, command] of [
  ["in its own terminal", inTerminal],
  ["in the caller's", sharing],
] as const) {
  liveTest(`${name} a program cannot type`, async (t) => {
    const types = [
      "import errno, fcntl, termios",
      "for call in ((termios.TIOCSTI, b'x'), (termios.TIOCSTI | 1 << 32, b'x'), (0x541c, b'\\x03')):",
      "  try: fcntl.ioctl(0, call[0] - (1 << 64 if call[0] >> 63 else 0), call[1]); print('typed')",
      "  except (OSError, OverflowError) as e: print('refused', getattr(e, 'strerror', e))",
    ].join("\n");
    const { output } = await drive(t, [...command, "python3", "-c", types], []);
    t.regex(output, /refused Operation not permitted/);
    t.notRegex(output, /typed/);
  });
}

bash("the whole is stopped and continued, with and without a terminal of its own", async (t) => {
  const prompt = process.geteuid?.() === 0 ? "# " : "$ ";
  // Without one the caller's own ^Z does it; with one it is the program's, and somebody else has to.
  const plain = await drive(
    t,
    ["bash", "--norc", "-i"],
    [
      ["expect", prompt],
      ["send", `${sharing.join(" ")} sh -c 'echo started; sleep 1; echo slept'\r`],
      ["expect", "started\r\n"],
      ["send", ctrlZ],
      ["expect", "Stopped"],
      ["wait", 1.5],
      ["send", "echo quiet; fg\r"],
      ["expect", "quiet\r\n"],
      ["expect", "slept\r\n"],
      ["send", "exit 4\r"],
    ],
  );
  t.is(plain.status, 4);
  t.false(
    plain.output
      .slice(plain.output.indexOf("Stopped"), plain.output.indexOf("quiet\r\n"))
      .includes("\nslept"),
  );
  const own = await drive(
    t,
    ["bash", "--norc", "-i"],
    [
      ["expect", prompt],
      ["send", `${inTerminal.join(" ")} sh -c 'echo started; read x; echo got $x' & sleep 0.2; fg\r`],
      ["expect", "started\r\n"],
      ["send", ctrlZ],
      ["wait", 0.3],
      ["send", "word\r"],
      ["expect", "got word\r\n"],
      ["expect", prompt],
      ["echoes", false], // readline's own mode
      ["send", "exit 3\r"],
    ],
  );
  t.is(own.status, 3);
});

liveTest("a signal to skillbox reaches the program, and the terminal is set right", async (t) => {
  const { status } = await drive(
    t,
    [...inTerminal, "sh", "-c", 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'],
    [
      ["expect", "ready"],
      ["echoes", false],
      ["signal", constants.signals.SIGTERM],
    ],
  );
  t.is(status, 9);
});

liveTest("output is counted there too", async (t) => {
  const box = scratch(t);
  const policy = box.file("policy.yaml", "version: 1\nresources: { output: 100kB }\n");
  const { status, output } = await drive(
    t,
    [...inTerminal.slice(0, -1), "-p", policy, "--", "sh", "-c", "yes"],
    [],
  );
  t.is(status, 137);
  t.regex(output, /limit output 100kB reached/);
  t.true(output.length < 160_000 && output.length > 90_000, String(output.length));
});

liveTest("without a terminal --tty is an error", async (t) => {
  const { status, stderr } = await exec(scratch(t), ["true"], { options: ["--tty"] });
  t.is(status, 125);
  t.regex(stderr, /--tty: stdin is no terminal/);
});
