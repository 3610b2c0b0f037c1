import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { callerEnvironment, cli } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";
import { Tmux } from "../helpers/tmux.js";

/** What a person sees in a real terminal: a shell with job control, and `skillbox exec --tty` in it. */
const liveTest = requires(test, "userns", "program:tmux", "program:bash", "program:python3");

const execTty = `${process.execPath} ${cli} exec --tty --`;

/** At its prompt, "outer> ", with nothing typed. */
async function outerShell(t: ExecutionContext): Promise<{ tmux: Tmux; work: string }> {
  const box = scratch(t);
  const shell = ["env", "-C", box.work, "PS1=outer> ", "bash", "--norc", "--noprofile", "-i"];
  const tmux = new Tmux(t, box.at("tmux"), shell, callerEnvironment(box));
  await tmux.shows(/^outer>$/);
  return { tmux, work: box.work };
}

liveTest(
  "bash with job control, an interpreter, a pager and an editor, in a window that changes",
  async (t) => {
    t.timeout(300_000);
    const { tmux } = await outerShell(t);
    tmux.type(`clear; PS1='inner> ' ${execTty} env PS1='inner> ' bash --norc -i`, "Enter");
    await tmux.shows(/^inner>$/m);

    tmux.type("clear; stty size; tty", "Enter");
    await tmux.shows(/^24 80\n\/dev\/pts\/0\ninner>$/);
    tmux.type("clear; sleep 600", "Enter");
    await sleep(300); // until it runs: what is typed before is the shell's
    tmux.type("", "C-z");
    await tmux.shows(/Stopped +sleep 600\ninner>$/);
    tmux.type("fg", "Enter");
    await tmux.shows(/fg\nsleep 600$/);
    await sleep(300);
    tmux.type("", "C-c");
    await tmux.shows(/\^C\ninner>$/);

    tmux.type("clear; python3 -q", "Enter");
    await tmux.shows(/^>>>$/m);
    tmux.type("6 * 7", "Enter");
    await tmux.shows(/^42\n>>>$/m);
    tmux.type("while True: pass", "Enter", "Enter");
    await sleep(300);
    tmux.type("", "C-c");
    await tmux.shows(/KeyboardInterrupt\n>>>$/);
    tmux.type("", "C-d");
    await tmux.shows(/inner>$/);

    tmux.type("clear; seq 500 | less", "Enter");
    await tmux.shows(/^1\n2\n[\s\S]*\n:$/);
    tmux.type("G");
    await tmux.shows(/^478\n[\s\S]*\n500\n\(END\)$/);
    tmux.resize(100, 30);
    await tmux.shows(/^478\n[\s\S]*\n500\n(?:~\n){6}\(END\)$/);
    tmux.type("q");

    tmux.type("clear; vi -u NONE /tmp/x", "Enter");
    await tmux.shows(/^~$/m);
    tmux.type("ihello there", "Escape");
    await tmux.shows(/^hello there\n~/);
    tmux.type(":wq", "Enter");
    await tmux.shows(/^inner>$/m);
    tmux.type("clear; cat /tmp/x; stty size", "Enter");
    await tmux.shows(/^hello there\n30 100\ninner>$/);

    tmux.type("exit 5", "Enter");
    await tmux.shows(/^outer>$/m);
    tmux.type('clear; echo "status $?"', "Enter");
    await tmux.shows(/^status \d+\nouter>$/);
  },
);

/**
 * What would type `touch typed` into the shell behind, if it could: by ioctl(2) on every terminal that there is, with what looks
 * like another command to 32 bits too, and by what a terminal answers, about its cursor, itself, its title and its colours.
 */
const typist = `
import ctypes, os, sys
ioctl = ctypes.CDLL(None, use_errno=True).ioctl
ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p]
TIOCSTI, TIOCLINUX, high = 0x5412, 0x541c, 1 << 32
ttys = [0, 1, 2]
try: ttys.append(os.open("/dev/tty", os.O_RDWR))
except OSError as e: assert e.errno == 6, e  # ENXIO: in a session of its own it has none
typed = []
for fd in ttys:
    for command in (TIOCSTI, TIOCSTI | high, TIOCLINUX, TIOCLINUX | high):
        for byte in b"touch typed\\n":
            # TIOCLINUX 3 pastes the selection.
            argument = bytes([byte]) if command & 0xffff == TIOCSTI else b"\\x03"
            if ioctl(fd, command, argument) == 0: typed.append(hex(command))
            elif ctypes.get_errno() != 1: typed.append(os.strerror(ctypes.get_errno()))
print("typed", typed)
if "ask" in sys.argv: sys.stdout.write("\\033]2;touch typed\\n\\007" + "\\033[6n\\033[c\\033[>c\\033[21t\\033]10;?\\007\\033]11;?\\007\\033[18t\\033P+q544e\\033\\\\" * 200)
`;

liveTest("a program that tries to type into the terminal behind its own comes to nothing", async (t) => {
  t.timeout(300_000);
  const { tmux, work } = await outerShell(t);
  writeFileSync(`${work}/typist.py`, typist);
  const own = `${execTty} python3 typist.py`;
  const shared = `${process.execPath} ${cli} exec -- python3 typist.py`;
  // What is answered to it is echoed by its own terminal, as anything that is typed there; the shell gets none of it. In a
  // terminal that it shares with the caller, answers are for whoever reads next.
  for (const command of [own, `${own} ask`, shared]) {
    tmux.type(`clear; ${command}; echo ended; sleep 1`, "Enter");
    const screen = await tmux.shows(/ended\nouter>$/);
    if (!command.endsWith("ask")) t.regex(screen, /^typed \[\]$/m, "every ioctl(2) is EPERM");
    tmux.type("clear; ls", "Enter");
    await tmux.shows(/^typist\.py\nouter>$/);
  }
});
