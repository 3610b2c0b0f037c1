import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { callerEnvironment, cli } from "../helpers/exec.js";
import { Scratch } from "../helpers/scratch.js";

/** A run that faults are injected into: what starts it, and the programs that the faults are made and looked at with. */
export interface Scenario {
  readonly name: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly box: Scratch;
  readonly inject: string;
  /** Whether the program's memory has a cgroup. */
  readonly hasCgroup: boolean;
  readonly audit: string | undefined;
}

const sources = path.resolve(import.meta.dirname, "../../../test/faults");

/** Every kind of grant, a record of everything, egress, an overlay, and limits by cgroup where this caller has them. */
export function fullScenario({ cgroup }: { readonly cgroup: boolean }): Scenario {
  const box = prepareBox();
  const policy = box.file(
    "policy.yaml",
    `version: 1
filesystem: { read: [./read], write: [./write], overlay: [./overlay], deny: [./read/denied], tmp: 8MiB }
network: { egress: [{ to: [a.example], ports: [443] }] }
resources: { ${cgroup ? "memory: 256MiB, " : ""}pids: 32, openFiles: 128, wallTime: 60s, cpuTime: 30s }
audit: { level: files }
`,
  );
  const audit = box.at("audit.jsonl");
  const layers = [
    ...layersArguments(),
    ...["read", "write", "overlay"].map((name) => `${name}=${box.at(name)}`),
    `deny=${box.at("read/denied")}`,
    "tmp=8388608",
    "nofile=128",
  ];
  const options = ["--policy", policy, "--audit", audit];
  return {
    name: "full",
    argv: [process.execPath, cli, "exec", ...options, "--", box.at("read/layers"), ...layers],
    environment: callerEnvironment(box, { TMPDIR: box.directory("temporary") }),
    box,
    inject: box.at("inject"),
    hasCgroup: cgroup,
    audit,
  };
}

/** No options: what most runs are. */
export function plainScenario(): Scenario {
  const box = prepareBox();
  return {
    name: "plain",
    argv: [process.execPath, cli, "exec", "--", box.at("work/layers"), ...layersArguments()],
    environment: callerEnvironment(box, { TMPDIR: box.directory("temporary") }),
    box,
    inject: box.at("inject"),
    hasCgroup: false,
    audit: undefined,
  };
}

/** A kept sandbox of the library: two programs, and files in and out. */
export function libraryScenario(): Scenario {
  const box = prepareBox();
  const script = path.resolve(import.meta.dirname, "kept-sandbox.js");
  return {
    name: "library",
    argv: [process.execPath, script, box.at("work/layers"), ...layersArguments()],
    environment: callerEnvironment(box, { TMPDIR: box.directory("temporary") }),
    box,
    inject: box.at("inject"),
    hasCgroup: false,
    audit: undefined,
  };
}

function prepareBox(): Scratch {
  const box = new Scratch();
  box.file("read/shown", "shown\n");
  box.file("read/denied", "denied\n");
  box.directory("write");
  box.directory("overlay");
  compile("inject.c", box.at("inject"));
  compile("layers.c", box.at("read/layers"));
  compile("layers.c", box.at("work/layers"));
  return box;
}

function compile(source: string, program: string): void {
  const { status, stderr } = spawnSync("gcc", ["-O1", "-o", program, path.join(sources, source)], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
}

function layersArguments(): string[] {
  const namespaces = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map((kind) =>
    readlinkSync(`/proc/self/ns/${kind}`),
  );
  return [
    `namespaces=${namespaces.join(",")}`,
    `uid=${process.geteuid?.()}`,
    "secret=AWS_SECRET_ACCESS_KEY",
    `hostname=${hostname()}`,
  ];
}
