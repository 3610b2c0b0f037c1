import { Writable } from "node:stream";
import type { Terminal } from "../sandbox/terminal.js";
import type { TerminalSize } from "./options.js";

/** What is typed into a program's terminal; before there is one it waits. */
export class Keyboard extends Writable {
  #terminal: Terminal | undefined;
  #size: TerminalSize;
  #waiting: (() => void) | undefined;

  constructor(size: TerminalSize) {
    super();
    this.#size = size;
  }

  connect(terminal: Terminal): void {
    this.#terminal = terminal;
    terminal.resize(this.#size);
    this.#waiting?.();
    this.#waiting = undefined;
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    this.#terminal?.resize(size);
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    const terminal = this.#terminal;
    if (terminal === undefined) {
      this.#waiting = () => {
        this._write(chunk, _encoding, callback);
      };
    } else if (terminal.write(chunk)) {
      callback();
    } else {
      terminal.onDrain(() => {
        callback();
      });
    }
  }
}
