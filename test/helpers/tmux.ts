import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";

/** Under a busy machine too; whoever waits for what is there does not wait. */
const patienceMs = 60_000;

/** A terminal with a person at it: a tmux server of its own with one pane, and what the pane shows. */
export class Tmux {
  readonly #t: ExecutionContext;
  readonly #socket: string;

  constructor(t: ExecutionContext, socket: string, command: readonly string[], env: NodeJS.ProcessEnv) {
    this.#t = t;
    this.#socket = socket;
    const size = ["-x", "80", "-y", "24"];
    // UTF-8 is what tmux asks its caller's locale for; its configuration is nobody's.
    execFileSync("tmux", ["-f", "/dev/null", "-S", socket, "new-session", "-d", ...size, "--", ...command], {
      env: { ...env, LC_ALL: "C.UTF-8" },
    });
    t.teardown(() => this.#run("kill-server"));
  }

  /** Types text, then keys by tmux's names ("Enter", "C-c"). */
  type(text: string, ...keys: readonly string[]): void {
    if (text !== "") this.#run("send-keys", "-l", "--", text);
    if (keys.length > 0) this.#run("send-keys", "--", ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#run("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What a person sees. */
  screen(): string {
    return this.#run("capture-pane", "-p").trimEnd();
  }

  /** Waits until the screen is like this, and returns it. */
  async shows(what: RegExp): Promise<string> {
    const deadline = performance.now() + patienceMs;
    let screen = this.screen();
    while (!what.test(screen) && performance.now() < deadline) {
      await sleep(20);
      screen = this.screen();
    }
    this.#t.regex(screen, what);
    return screen;
  }

  #run(...args: readonly string[]): string {
    return execFileSync("tmux", ["-S", this.#socket, ...args], { encoding: "utf8" });
  }
}
