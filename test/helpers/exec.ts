import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Scratch } from "./scratch.js";

export const cli = path.resolve(import.meta.dirname, "../../../bin/skillbox.js");

export interface ExecRequest {
  /** Options of skillbox's own, before `--`. */
  readonly options?: readonly string[];
  /** YAML; paths in it are best absolute, built from the scratch directory. */
  readonly policy?: string;
  readonly cwd?: string;
  /** Text, or a descriptor to hand over; without it /dev/null. */
  readonly stdin?: string | number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Descriptors that skillbox gets as its 3, 4, … */
  readonly leaked?: readonly number[];
}

export interface Ended {
  /** Undefined when a signal ended skillbox itself. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** What --report wrote; undefined when there is none. */
  readonly report: unknown;
  readonly elapsedMs: number;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the next line of stdout that matches. */
  readonly line: (pattern: RegExp) => Promise<string>;
}

/** `skillbox exec … -- ARGV` as a user types it. */
export async function exec(box: Scratch, argv: readonly string[], request: ExecRequest = {}): Promise<Ended> {
  return start(box, argv, request).ended;
}

export function start(box: Scratch, argv: readonly string[], request: ExecRequest = {}): Running {
  const report = box.at(`report-${process.hrtime.bigint()}.json`);
  const policy =
    request.policy === undefined
      ? []
      : ["--policy", box.file(`policy-${process.hrtime.bigint()}.yaml`, request.policy)];
  const args = [cli, "exec", ...policy, ...(request.options ?? []), "--report", report, "--", ...argv];
  const { stdin, leaked = [] } = request;
  const stdio: StdioOptions = [
    typeof stdin === "number" ? stdin : stdin === undefined ? "ignore" : "pipe",
    "pipe",
    "pipe",
    ...leaked,
  ];
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: request.cwd ?? box.work,
    env: callerEnvironment(box, request.environment),
    stdio,
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  if (typeof stdin === "string") child.stdin?.on("error", () => undefined).end(stdin);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({
        status: code ?? undefined,
        signal: signal ?? undefined,
        stdout: stdout.text(),
        stderr: stderr.text(),
        report: readReport(report),
        elapsedMs: performance.now() - startedMs,
      });
    });
  });
  return { child, ended, line: async (pattern) => stdout.line(pattern) };
}

/** What a run gets of the test's own environment, and secrets that it must not pass on. */
export function callerEnvironment(
  box: Scratch,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { PATH = "/usr/bin:/bin", HOME = box.home } = process.env;
  return { PATH, HOME, AWS_SECRET_ACCESS_KEY: "of-the-caller", ...sanitizers(), ...more };
}

/** What tools/test-sanitized.js sets: skillbox loads an addon that needs it. */
function sanitizers(): Record<string, string | undefined> {
  const { LD_PRELOAD, ASAN_OPTIONS, UBSAN_OPTIONS } = process.env;
  return LD_PRELOAD?.includes("libasan") === true ? { LD_PRELOAD, ASAN_OPTIONS, UBSAN_OPTIONS } : {};
}

function collect(stream: NodeJS.ReadableStream | null) {
  let received = "";
  const waiting: { pattern: RegExp; resolve: (line: string) => void }[] = [];
  const look = (): void => {
    const lines = received.split("\n").slice(0, -1);
    for (const { pattern, resolve } of waiting) {
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
    }
  };
  stream?.setEncoding("utf8").on("data", (text: string) => {
    received += text;
    look();
  });
  return {
    text: () => received,
    line: async (pattern: RegExp) =>
      new Promise<string>((resolve) => {
        waiting.push({ pattern, resolve });
        look();
      }),
  };
}

/** Empty while the run lasts, and when skillbox was killed. */
function readReport(file: string): unknown {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text === "" ? undefined : JSON.parse(text);
}

/** What test/fixtures/probes/probe.c printed, by what it was asked: "OK" or the name of an errno. */
export function probed(stdout: string): Record<string, string> {
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => {
        const tab = line.lastIndexOf("\t");
        return [line.slice(0, tab), line.slice(tab + 1)];
      }),
  );
}
