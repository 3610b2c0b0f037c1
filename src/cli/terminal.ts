import { SkillboxError } from "../errors.js";
import { loadNative, type Binding } from "../native/binding.js";
import type { TerminalSize } from "../plan/launch-plan.js";
import type { Terminal, TerminalRequest } from "../sandbox/terminal.js";
import type { SignalTarget } from "./signals.js";

/**
 * The caller's terminal, joined to the program's own: it passes every key on untouched (raw mode), and is as it was before when
 * {@link end} or the process's end has come. SIGKILL alone leaves it raw; shells that edit lines set it right themselves.
 */
export interface CallerTerminal {
  readonly request: TerminalRequest;
  /** Passes signals on; those that a terminal sends come through the program's terminal. */
  forwardSignals(program: SignalTarget): void;
  end(): Promise<void>;
}

/** Throws ERR_USAGE where there is none. */
export function openCallerTerminal(): CallerTerminal {
  const { stdin, stdout } = process;
  if (!stdin.isTTY) {
    throw new SkillboxError("ERR_USAGE", "--tty: stdin is no terminal", {
      hint: "leave --tty out where input comes from a file or a pipe",
    });
  }
  const { binding } = loadNative();
  let before: Uint8Array | undefined;
  const makeRaw = (): void => {
    before ??= binding.makeRaw(0);
  };
  const restore = (): void => {
    if (before !== undefined) binding.restoreTerminal(0, before);
    before = undefined;
  };
  const handlers = new Map<NodeJS.Signals, () => void>();
  let terminal: Terminal | undefined;
  const resize = (): void => {
    terminal?.resize(sizeOf(binding));
  };
  return {
    request: {
      size: sizeOf(binding),
      sink: () => stdout,
      onOpen: (opened) => {
        terminal = opened;
        makeRaw();
        // Also where an error or a signal ends this process.
        process.on("exit", restore);
        stdin.on("data", (keys: Buffer) => {
          if (opened.write(keys)) return;
          stdin.pause();
          opened.onDrain(() => stdin.resume());
        });
        resize();
      },
    },
    forwardSignals: (program) => {
      handlers.set("SIGWINCH", resize);
      for (const signal of ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
        handlers.set(signal, () => {
          program.kill(signal, false);
        });
      }
      handlers.set("SIGTSTP", () => {
        restore();
        program.kill("SIGSTOP", true);
        process.kill(process.pid, "SIGSTOP");
      });
      handlers.set("SIGCONT", () => {
        makeRaw();
        resize();
        program.kill("SIGCONT", true);
      });
      for (const [signal, handler] of handlers) process.on(signal, handler);
    },
    end: async () => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      if (terminal === undefined) return;
      stdin.removeAllListeners("data");
      await silence(binding);
      restore();
      process.off("exit", restore);
    },
  };
}

function sizeOf(binding: Binding): TerminalSize {
  const [rows, columns] = binding.windowSize(0) ?? [0, 0];
  return { rows, columns };
}

/** Mouse and focus reports, which a program may have left on: from now on they would be typed into the caller's shell. */
const noReports = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l";
/** "Are you well?" and the answer that every terminal has for it (DSR, ECMA-48). */
const question = "\x1b[5n";
const answer = "\x1b[0n";
const patienceMs = 150;

/**
 * A program may ask the terminal something ("what is your title?") and end before the answer comes, which the shell would then
 * read as typed. Terminals answer in order: what comes before the answer to a last question of ours belongs to the program, and
 * is dropped.
 */
async function silence(binding: Binding): Promise<void> {
  const { stdin, stdout } = process;
  if (stdout.isTTY && (process.env["TERM"] ?? "dumb") !== "dumb") {
    let heard = "";
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      stdin.on("data", (data: Buffer) => {
        heard = (heard + data.toString("latin1")).slice(-64);
        if (!heard.includes(answer)) return;
        clearTimeout(timer);
        resolve();
      });
      stdin.resume();
      stdout.write(noReports + question);
    });
  }
  stdin.removeAllListeners("data").pause();
  binding.flushInput(0);
}
