import { closeSync, createWriteStream, openSync } from "node:fs";
import type { Socket } from "node:net";
import { PassThrough, Writable, type Readable } from "node:stream";
import { WritableStream } from "node:stream/web";
import { SkillboxError } from "../errors.js";
import type { Input, Output } from "../sandbox/stdio.js";
import type { TerminalRequest } from "../sandbox/terminal.js";
import { Captured } from "./captured.js";
import { usage } from "./check-options.js";
import { Keyboard } from "./keyboard.js";
import type { OutputOption, StdinOption, StreamOptions, TerminalSize } from "./options.js";

/** The streams of one program: what the sandbox is to connect, and what its caller holds. */
export interface ProgramStreams {
  readonly stdio: { readonly stdin: Input; readonly stdout: Output; readonly stderr: Output };
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly terminal: TerminalRequest | undefined;
  /** Of the terminal. */
  resize(size: TerminalSize): void;
  readonly captured: { readonly stdout: Captured | undefined; readonly stderr: Captured | undefined };
  /** Lets go of what was opened for the program. */
  release(): void;
}

const defaultMaxBuffer = 10 * 1024 * 1024;

/** Throws ERR_USAGE for options that say nothing that can be done. */
export function openStreams(options: StreamOptions): ProgramStreams {
  const maxBuffer = options.maxBuffer ?? defaultMaxBuffer;
  if (!Number.isSafeInteger(maxBuffer) || maxBuffer < 0) {
    throw usage("maxBuffer", maxBuffer, "a number of bytes");
  }
  const nothing = new Nothing();
  try {
    return openAll(options, maxBuffer, nothing);
  } catch (error) {
    nothing.close();
    throw error;
  }
}

/** /dev/null, where a stream is ignored. */
class Nothing {
  #fd: number | undefined;

  get fd(): number {
    this.#fd ??= openSync("/dev/null", "r+");
    return this.#fd;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function openAll(options: StreamOptions, maxBuffer: number, nothing: Nothing): ProgramStreams {
  const stdout = openOutput("stdout", 1, options.stdout ?? "capture", nothing, () => {
    return new Captured(maxBuffer, options.onStdout);
  });
  if (options.terminal !== undefined) return openScreen(options, options.terminal, stdout, nothing);
  const stderr = openOutput("stderr", 2, options.stderr ?? "capture", nothing, () => {
    return new Captured(maxBuffer, options.onStderr);
  });
  const stdin = openInput(options, nothing);
  return {
    stdio: { stdin: stdin.input, stdout: stdout.output, stderr: stderr.output },
    stdin: stdin.writable,
    stdout: stdout.readable,
    stderr: stderr.readable,
    captured: { stdout: stdout.captured, stderr: stderr.captured },
    terminal: undefined,
    resize: () => {
      throw usage("terminal", undefined, "given where it is to be resized");
    },
    release: () => {
      nothing.close();
    },
  };
}

/** A terminal's screen is stdout alone, and its keyboard is always there. */
function openScreen(
  { stdin, stderr, input }: StreamOptions,
  size: TerminalSize,
  { output, readable, captured }: OpenedOutput,
  nothing: Nothing,
): ProgramStreams {
  if (stderr !== undefined) throw usage("stderr", stderr, "left out where there is a `terminal`");
  if (stdin !== undefined && stdin !== "pipe") {
    throw usage("stdin", stdin, '"pipe", or left out, where there is a `terminal`');
  }
  const keyboard = new Keyboard(checkedSize(size));
  if (input !== undefined) keyboard.write(input);
  return {
    // In the place of these comes the terminal.
    stdio: { stdin: { source: once("") }, stdout: output, stderr: output },
    stdin: keyboard,
    stdout: readable,
    stderr: undefined,
    captured: { stdout: captured, stderr: undefined },
    terminal: {
      size,
      sink: output.sink,
      onOpen: (terminal) => {
        keyboard.connect(terminal);
      },
    },
    resize: (changed) => {
      keyboard.resize(checkedSize(changed));
    },
    release: () => {
      keyboard.destroy();
      nothing.close();
    },
  };
}

function checkedSize(size: TerminalSize): TerminalSize {
  const isSize = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff;
  if (isSize(size.rows) && isSize(size.columns)) return size;
  throw usage("terminal", JSON.stringify(size), "rows and columns from 0 to 65535");
}

interface OpenedInput {
  readonly input: Input;
  readonly writable?: Writable;
}

function openInput({ input, stdin }: StreamOptions, nothing: Nothing): OpenedInput {
  if (input !== undefined) {
    if (stdin !== undefined) throw usage("stdin", stdin, "left out where `input` is given");
    if (typeof input !== "string" && !(input instanceof Uint8Array)) {
      throw usage("input", input, "a string or bytes");
    }
    return { input: { source: once(input) } };
  }
  const option: StdinOption = stdin ?? "ignore";
  if (option === "ignore") return { input: { fd: nothing.fd } };
  if (option === "inherit") return { input: { fd: 0 } };
  if (typeof option === "number") return { input: { fd: descriptor("stdin", option) } };
  if (option === "pipe") {
    const writable = new PassThrough();
    const connect = (pipe: Socket): void => {
      writable.pipe(pipe);
      // The program reads no more: who writes on is told.
      pipe.once("close", () => writable.destroy());
    };
    return { input: { connect }, writable };
  }
  if (typeof option === "object" && Symbol.asyncIterator in option) return { input: { source: option } };
  throw usage("stdin", option, '"ignore", "inherit", "pipe", a descriptor or a stream');
}

// eslint-disable-next-line @typescript-eslint/require-await -- an iterable that has it all at once
async function* once(chunk: string | Uint8Array): AsyncGenerator<string | Uint8Array> {
  yield chunk;
}

interface OpenedOutput {
  readonly output: Output;
  readonly readable?: Readable;
  readonly captured?: Captured;
}

function openOutput(
  name: "stdout" | "stderr",
  own: 1 | 2,
  option: OutputOption,
  nothing: Nothing,
  capture: () => Captured,
): OpenedOutput {
  if (option === "capture") {
    const captured = capture();
    return { output: { sink: () => captured }, captured };
  }
  if (option === "pipe") {
    const through = new PassThrough();
    // Who takes no interest in the stream is told of its failure by nobody; who does has a listener of his own.
    through.on("error", () => undefined);
    return { output: { sink: () => through, awaited: false }, readable: through };
  }
  if (option === "ignore") return descriptorOutput(nothing.fd);
  if (option === "inherit") return descriptorOutput(own);
  if (typeof option === "number") return descriptorOutput(descriptor(name, option));
  if (option instanceof Writable) return { output: { sink: () => option } };
  if (option instanceof WritableStream) {
    if (option.locked)
      throw new SkillboxError("ERR_USAGE", `${name} is a WritableStream that has a writer already`);
    const sink = Writable.fromWeb(option);
    return { output: { sink: () => sink } };
  }
  throw usage(name, option, '"capture", "pipe", "inherit", "ignore", a descriptor or a stream');
}

function descriptorOutput(fd: number): OpenedOutput {
  return { output: { fd, sink: () => createWriteStream("", { fd, autoClose: false }) } };
}

function descriptor(name: string, fd: number): number {
  if (Number.isInteger(fd) && fd >= 0 && fd <= 0x7fffffff) return fd;
  throw usage(name, fd, "the number of a descriptor");
}
