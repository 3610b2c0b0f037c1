import type {
  LaunchFacts,
  LaunchPlan,
  MountAttribute,
  MountSource,
  ProcessPlan,
  RootOperation,
} from "./launch-plan.js";
import { rlimitNumbers } from "./launch-plan.js";
import { SkillboxError } from "../errors.js";
import { Encoder } from "../encoder.js";

/**
 * The plan and the facts of a run as skillbox-init reads them (native/init/launch_plan.cc): little endian, strings with
 * their length and a closing NUL.
 */
export function encodeLaunch(plan: LaunchPlan, facts: LaunchFacts): Uint8Array {
  const sources = collectSources(plan.operations);
  const out = new Encoder();
  out.u32(launchMagic);
  out.string(plan.hostname);
  out.u32(plan.user.uid);
  out.u32(plan.user.gid);
  out.boolean(plan.seccomp.listener);
  out.boolean(plan.egress);
  out.data(plan.seccomp.program);
  out.list([...sources.values()], ({ source }) => {
    out.string(source.path);
    out.u8(sourceKinds[source.kind]);
    out.boolean(source.idmapped);
  });
  out.list(plan.operations, (operation) => {
    encodeOperation(out, operation, sources);
  });

  out.boolean(facts.rootCaller);
  out.u32(facts.outside.uid);
  out.u32(facts.outside.gid);
  out.u32(runUidBase);
  for (const { source } of sources.values()) {
    const found = facts.sources.get(source.path);
    if (found === undefined) throw new SkillboxError("ERR_INTERNAL", `no facts for ${source.path}`);
    out.u64(found.device);
    out.u64(found.inode);
    out.u32(found.uid);
    out.u32(found.gid);
  }
  out.list(facts.cgroupFiles, (file) => {
    out.string(file);
  });
  out.string(facts.cgroupDirectory ?? "");
  return out.bytes();
}

/** A program to start, as PID 1 reads it. */
export function encodeProcess(process: ProcessPlan): Uint8Array {
  const out = new Encoder();
  out.u32(processMagic);
  out.u32(process.id);
  out.boolean(process.oneshot);
  out.boolean(process.terminal !== undefined);
  out.u32(process.terminal?.rows ?? 0);
  out.u32(process.terminal?.columns ?? 0);
  for (const strings of [process.args, process.env]) {
    out.list(strings, (text) => {
      out.string(text);
    });
  }
  out.string(process.cwd);
  out.list(process.candidates, (path) => {
    out.string(path);
  });
  out.u32(process.umask);
  out.u64(BigInt(Math.ceil(process.wallTimeMs ?? 0)));
  out.u64(BigInt(Math.ceil(process.cpuTimeMs ?? 0)));
  out.list(process.rlimits, (limit) => {
    out.u32(rlimitNumbers[limit.type]);
    out.u64(limit.soft);
    out.u64(limit.hard);
  });
  return out.bytes();
}

const launchMagic = 0x31504253;
const processMagic = 0x31585853;
const noSource = 0xffffffff;

/**
 * A root caller's run gets this plus the pid of its PID 1 as its uid. Above every range that systemd's UIDS-GIDS.md
 * gives to users, subuids and containers (they end at 1879048191), and below 2^31.
 */
const runUidBase = 1879048192;

const sourceKinds = { any: 0, directory: 1, file: 2, device: 3 } as const;

const operationKinds = {
  directory: 1,
  file: 2,
  symlink: 3,
  bind: 4,
  tmpfs: 5,
  proc: 6,
  devpts: 7,
  "overlay-read": 8,
  "overlay-write": 9,
  mask: 10,
  "read-only": 11,
} as const;

/** MOUNT_ATTR_* of linux/mount.h. */
const attributeBits = { ro: 1n, nosuid: 2n, nodev: 4n, noexec: 8n } as const;

type SourceTable = ReadonlyMap<MountSource, { readonly index: number; readonly source: MountSource }>;

/** One entry for each use: a root caller's detached tree can be moved into place only once. */
function collectSources(operations: readonly RootOperation[]): SourceTable {
  const table = new Map<MountSource, { index: number; source: MountSource }>();
  for (const operation of operations) {
    for (const source of sourcesOf(operation)) {
      if (table.has(source)) throw new SkillboxError("ERR_INTERNAL", `source used twice: ${source.path}`);
      table.set(source, { index: table.size, source });
    }
  }
  return table;
}

/** The host paths that an operation uses. */
export function sourcesOf(operation: RootOperation): readonly MountSource[] {
  switch (operation.type) {
    case "bind":
    case "overlay-read":
      return [operation.source];
    case "overlay-write":
      return operation.upper === undefined ? [operation.source] : [operation.source, operation.upper];
    case "directory":
    case "file":
    case "symlink":
    case "tmpfs":
    case "proc":
    case "devpts":
    case "mask":
    case "read-only":
      return [];
  }
}

function encodeOperation(out: Encoder, operation: RootOperation, sources: SourceTable): void {
  const indexOf = (source: MountSource | undefined): number =>
    source === undefined ? noSource : (sources.get(source)?.index ?? noSource);
  out.u8(operationKinds[operation.type]);
  out.boolean(operation.optional ?? false);
  out.string(operation.target);
  out.data(
    operation.type === "file" ? operation.content : operation.type === "symlink" ? operation.linkTarget : "",
  );
  out.u32("source" in operation ? indexOf(operation.source) : noSource);
  out.u32("upper" in operation ? indexOf(operation.upper) : noSource);
  out.u32("mode" in operation ? operation.mode : 0);
  out.u64("attributes" in operation ? attributeMask(operation.attributes) : 0n);
  out.u64("sizeBytes" in operation ? BigInt(operation.sizeBytes) : 0n);
  out.u64("inodes" in operation ? BigInt(operation.inodes) : 0n);
}

function attributeMask(attributes: readonly MountAttribute[]): bigint {
  return attributes.reduce((mask, attribute) => mask | attributeBits[attribute], 0n);
}
