import { parseJson, type JsonNode, type JsonText } from "./json.js";
import { JsonReader, type Members } from "./json-reader.js";
import { actionValue, checkArchitectures, checkFlags, compareOps, checkSyscallName } from "./vocabulary.js";
import { applies, type ProfileTarget } from "./profile-target.js";
import type { ArgCondition, SeccompProfile, SeccompRule } from "./profile.js";

/** Beyond this no filter fits 4096 instructions, and what is built from it gets deep. */
const maxConditionsPerCall = 1500;

const profileKeys = [
  "defaultAction",
  "defaultErrnoRet",
  "defaultErrno",
  "architectures",
  "archMap",
  "flags",
  "syscalls",
  "comment",
] as const;
const ruleKeys = [
  "names",
  "name",
  "action",
  "errnoRet",
  "errno",
  "args",
  "comment",
  "includes",
  "excludes",
] as const;
const argKeys = ["index", "value", "valueTwo", "op"] as const;

/**
 * Reads a profile: the OCI runtime-spec's `linux.seccomp` (config-linux.md, "Seccomp"), and what Docker and Podman add to it in their
 * published defaults (archMap, includes, excludes, errno names). Rules for other targets fall away. What differs from a
 * container engine: foreign architectures are always killed, whatever archMap says, and there is no listener of the
 * profile's own.
 *
 * @throws SkillboxError ERR_POLICY, with file, line and column.
 */
export function parseProfile(source: JsonText, target: ProfileTarget): SeccompProfile {
  const read = new JsonReader(source);
  const root = read.object(parseJson(source), "a seccomp profile", profileKeys);
  checkArchitectures(read, root, target.arch);
  checkFlags(read, root);
  const defaultAction = actionValue(read, root, "defaultAction", "defaultErrnoRet", "defaultErrno");
  const rules = read.items(root.get("syscalls"), "syscalls").flatMap((node) => parseRule(read, node, target));
  checkSize(read, root, rules);
  return { file: source.file, defaultAction, rules };
}

function checkSize(read: JsonReader, root: Members, rules: readonly SeccompRule[]): void {
  const conditions = new Map<string, number>();
  for (const { names, args } of rules) {
    for (const name of names) {
      const count = (conditions.get(name) ?? 0) + args.length;
      conditions.set(name, count);
      if (count <= maxConditionsPerCall) continue;
      const place = read.required(root, undefined, "syscalls");
      throw read.error(
        place,
        `too many rules: more than ${String(maxConditionsPerCall)} conditions for "${name}"`,
      );
    }
  }
}

function parseRule(read: JsonReader, node: JsonNode, target: ProfileTarget): SeccompRule[] {
  const entry = read.object(node, "a rule", ruleKeys);
  const nameNode = entry.get("name");
  const namesNode = entry.get("names");
  if (nameNode !== undefined && namesNode !== undefined)
    throw read.error(nameNode, 'a rule has "name" or "names", not both');
  const nameNodes = nameNode === undefined ? read.items(namesNode ?? node, "names") : [nameNode];
  if (nameNodes.length === 0) throw read.error(namesNode ?? node, "a rule names at least one system call");
  const names = nameNodes.map((name) => checkSyscallName(read, name));
  const action = actionValue(read, entry, "action", "errnoRet", "errno", node);
  const commentNode = entry.get("comment");
  const comment = commentNode === undefined ? undefined : read.string(commentNode, "comment");
  const args = read.items(entry.get("args"), "args").map((arg) => parseArg(read, arg));
  if (!applies(read, entry, target)) return [];
  const rule = { names, action, ...(comment === undefined || comment === "" ? {} : { comment }) };
  return alternatives(args).map((conditions) => ({ ...rule, args: conditions }));
}

/**
 * runc and crun, whose format this is, add a rule that compares one argument twice as so many rules of one comparison each, since
 * libseccomp takes one comparison per argument. So these conditions are alternatives.
 */
function alternatives(args: readonly ArgCondition[]): (readonly ArgCondition[])[] {
  const repeated = new Set(args.map(({ arg }) => arg)).size < args.length;
  return repeated ? args.map((condition) => [condition]) : [args];
}

const uint64 = (1n << 64n) - 1n;

function parseArg(read: JsonReader, node: JsonNode): ArgCondition {
  const entry = read.object(node, "a condition", argKeys);
  const arg = Number(read.integer(read.required(entry, node, "index"), "index", 5n));
  const value = read.integer(read.required(entry, node, "value"), "value", uint64);
  const twoNode = entry.get("valueTwo");
  const valueTwo = twoNode === undefined ? 0n : read.integer(twoNode, "valueTwo", uint64);
  const opNode = read.required(entry, node, "op");
  const op = read.oneOf(opNode, "operator", compareOps);
  if (op !== "MASKED_EQ") return { arg, op, value };
  // value is the mask, valueTwo what must come out. libseccomp masks both sides.
  return { arg, op: "EQ", value: valueTwo & value, mask: value };
}
