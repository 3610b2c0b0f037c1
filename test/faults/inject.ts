import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { syscallName } from "../../src/seccomp/syscall-table.js";
import { collected } from "../helpers/collected.js";
import { snapshotHost } from "../helpers/host-state.js";
import { errorsOf } from "./call-errors.js";
import type { Scenario } from "./scenario.js";

/** One system call of a launch: the `count`-th of its name that the role makes. */
export interface Call {
  readonly role: string;
  readonly name: string;
  readonly number: number;
  readonly count: number;
  /** A path, or the first arguments. */
  readonly about: string;
}

export interface Fault extends Call {
  readonly errno: string;
}

/** What became of a run. */
export interface Ended {
  /** Undefined: it did not end by itself. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The call that failed, as it was about; undefined where the run did not come to it. */
  readonly failed: string | undefined;
  /** Processes, directories and files that are left of it. */
  readonly left: readonly string[];
  /** Of the program, as the host sees it; empty where it did not run. */
  readonly cgroups: readonly string[];
  readonly audit: string;
  readonly seconds: number;
}

const arch = process.arch === "arm64" ? "arm64" : "x64";
const patienceMs = 60_000;
const errnoNumbers: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno));

/** All the calls that the launch makes, from a run in which none fails. */
export async function listCalls(scenario: Scenario): Promise<readonly Call[]> {
  const { log, ended } = await trace(scenario, ["list"]);
  if (ended.status !== 0) throw new Error(`the run fails without a fault: ${ended.stdout}${ended.stderr}`);
  return log.flatMap((line) => {
    const [, role, number, count, about] = /^call (\w+) (\d+) (\d+) (.*)$/.exec(line) ?? [];
    if (role === undefined) return [];
    const name = syscallName(arch, Number(number)) ?? String(number);
    return [{ role, name, number: Number(number), count: Number(count), about: about ?? "" }];
  });
}

/** The faults that each call is tried with. */
export function faultsOf(calls: readonly Call[]): readonly Fault[] {
  return calls.flatMap((call) => errorsOf(call).map((errno) => ({ ...call, errno })));
}

export async function inject(scenario: Scenario, fault: Fault): Promise<Ended> {
  const errno = errnoNumbers.get(fault.errno) ?? 0;
  const { ended } = await trace(scenario, [
    fault.role,
    String(fault.number),
    String(fault.count),
    String(errno),
  ]);
  return ended;
}

let runs = 0;

async function trace(
  scenario: Scenario,
  how: readonly string[],
): Promise<{ log: readonly string[]; ended: Ended }> {
  const { box, inject: program, argv } = scenario;
  const name = `${scenario.name}-${++runs}`;
  const file = box.at(`log-${name}`);
  const temporary = box.directory(`temporary-${name}`);
  const audit = scenario.audit === undefined ? undefined : `${scenario.audit}-${name}`;
  const startedMs = performance.now();
  const child = spawn(
    program,
    [...how, file, ...argv.map((argument) => (argument === scenario.audit ? (audit ?? "") : argument))],
    {
      cwd: box.work,
      env: { ...scenario.environment, TMPDIR: temporary },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  const ended = await collected(child);
  clearTimeout(timer);
  const log = readFileSync(file, "utf8").split("\n");
  const root = log.find((line) => line.startsWith("root "))?.slice(5) ?? "";
  const account = {
    ...ended,
    failed: log.find((line) => line.startsWith("failed "))?.slice(7),
    left: [
      ...log.filter((line) => line.startsWith("left ")).map((line) => `process ${line.slice(5)}`),
      ...readdirSync(temporary).map((entry) => `file ${path.join(temporary, entry)}`),
      ...[...snapshotHost().cgroups]
        .filter((directory) => directory.includes(`/skillbox-${root}-`))
        .map((directory) => `cgroup ${directory}`),
      ...readdirSync("/var/tmp")
        .filter((entry) => entry.startsWith(`skillbox-${root}-`))
        .map((entry) => `file /var/tmp/${entry}`),
      ...readdirSync(box.at("overlay")).map((entry) => `file ${entry} in the overlay's lower directory`),
    ],
    cgroups: log.filter((line) => line.startsWith("program ")).map((line) => line.slice(8)),
    audit: audit !== undefined && existsSync(audit) ? readFileSync(audit, "utf8") : "",
    seconds: (performance.now() - startedMs) / 1000,
  };
  for (const made of [file, temporary, ...(audit === undefined ? [] : [audit])])
    rmSync(made, { recursive: true, force: true });
  return { log, ended: account };
}
