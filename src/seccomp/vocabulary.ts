import { constants } from "node:os";
import { action, maxErrno } from "./actions.js";
import { closest } from "./closest.js";
import type { JsonNode } from "./json.js";
import type { JsonReader, Members } from "./json-reader.js";
import type { CompareOp } from "./profile.js";
import { isSyscallName, syscallNames, type Arch } from "./syscall-table.js";

export const compareOps: ReadonlyMap<string, CompareOp | "MASKED_EQ"> = new Map([
  ["SCMP_CMP_NE", "NE"],
  ["SCMP_CMP_LT", "LT"],
  ["SCMP_CMP_LE", "LE"],
  ["SCMP_CMP_EQ", "EQ"],
  ["SCMP_CMP_GE", "GE"],
  ["SCMP_CMP_GT", "GT"],
  ["SCMP_CMP_MASKED_EQ", "MASKED_EQ"],
] as const);

type ActionMaker = (data: number) => number;

const actions: ReadonlyMap<string, number | ActionMaker> = new Map<string, number | ActionMaker>([
  ["SCMP_ACT_KILL", action.killThread],
  ["SCMP_ACT_KILL_PROCESS", action.killProcess],
  ["SCMP_ACT_KILL_THREAD", action.killThread],
  ["SCMP_ACT_TRAP", action.trap],
  ["SCMP_ACT_ERRNO", action.errno],
  ["SCMP_ACT_TRACE", action.trace],
  ["SCMP_ACT_ALLOW", action.allow],
  ["SCMP_ACT_LOG", action.log],
  ["SCMP_ACT_NOTIFY", action.notify],
]);

/** The OCI default where a profile names no errno. */
const EPERM = 1;

/** An action and its errno. An errno by name (Podman's) goes before one by number, as there. */
export function actionValue(
  read: JsonReader,
  members: Members,
  actionKey: string,
  errnoRetKey: string,
  errnoKey: string,
  parent?: JsonNode,
): number {
  const made = read.oneOf(read.required(members, parent, actionKey), "action", actions);
  const byNumber = members.get(errnoRetKey);
  const byName = members.get(errnoKey);
  const given =
    byName === undefined || (byName.kind === "string" && byName.value === "") ? undefined : byName;
  if (typeof made === "number") {
    // "the runtime MUST print and error and fail": OCI runtime-spec on errnoRet with an action that returns none.
    const odd = byNumber ?? given;
    if (odd !== undefined) throw read.error(odd, "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return an errno");
    return made;
  }
  if (given !== undefined) return made(read.oneOf(given, "errno", errnos));
  if (byNumber === undefined) return made(EPERM);
  return made(Number(read.integer(byNumber, errnoRetKey, BigInt(maxErrno))));
}

const errnos: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno));

/**
 * Profiles are written for many architectures and kernels, so a call that exists anywhere may be named and has no effect where it does not
 * exist, as with runc. A name that exists nowhere is a mistake: a rule that is believed to do something and does not.
 */
export function checkSyscallName(read: JsonReader, node: JsonNode): string {
  const name = read.string(node, "names");
  if (isSyscallName(name)) return name;
  const near = closest(name, syscallNames());
  throw read.error(
    node,
    `no architecture has a system call ${JSON.stringify(name)}`,
    near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
  );
}

const ociArch: Readonly<Record<Arch, string>> = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" };

/** OCI runtime-spec, config-linux.md. */
const architectures: ReadonlyMap<string, string> = new Map(
  (
    "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 " +
    "PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB"
  )
    .split(" ")
    .map((name) => [`SCMP_ARCH_${name}`, `SCMP_ARCH_${name}`] as const),
);

/** A profile that names architectures and not this one would leave this one unjudged. */
export function checkArchitectures(read: JsonReader, root: Members, arch: Arch): void {
  const listed = root.get("architectures");
  const mapped = root.get("archMap");
  const named = read
    .items(listed, "architectures")
    .map((node) => read.oneOf(node, "architecture", architectures));
  const maps = read.items(mapped, "archMap").map((node) => {
    const entry = read.object(node, "an archMap entry", ["architecture", "subArchitectures"]);
    for (const sub of read.items(entry.get("subArchitectures"), "subArchitectures")) {
      read.oneOf(sub, "architecture", architectures);
    }
    return read.oneOf(read.required(entry, node, "architecture"), "architecture", architectures);
  });
  const place = listed ?? mapped;
  if (place === undefined || named.length + maps.length === 0 || [...named, ...maps].includes(ociArch[arch]))
    return;
  throw read.error(
    place,
    `this profile is for other architectures than this machine's ${ociArch[arch]}`,
    `Add "${ociArch[arch]}" if its rules are meant for it.`,
  );
}

/** linux.seccomp.flags. None changes what the filter decides, and how it is loaded is for the launcher to say. */
const filterFlags: ReadonlyMap<string, string> = new Map(
  ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"]
    .map((name) => `SECCOMP_FILTER_FLAG_${name}`)
    .map((name) => [name, name] as const),
);

export function checkFlags(read: JsonReader, root: Members): void {
  for (const node of read.items(root.get("flags"), "flags")) read.oneOf(node, "flag", filterFlags);
}
