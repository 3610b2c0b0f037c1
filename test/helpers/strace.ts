import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

/** A system call as strace(1) and the record both have it, for comparing. */
export interface ComparedCall {
  readonly name: string;
  /** Normalized, and absolute where the call has a directory to start from; of calls with two, both. */
  readonly paths: readonly string[];
  readonly flags: readonly string[];
  readonly argv: readonly string[] | undefined;
}

/** By task, in the order of their ids, which is the order in which they were made. */
export type Trace = ReadonlyMap<number, readonly ComparedCall[]>;

export interface StraceRequest {
  readonly argv: readonly string[];
  readonly calls: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** For its output. */
  readonly folder: string;
}

/** Runs a program under `strace -ff -y`, which shows what descriptors and the working directory stand for. */
export function strace({ argv, calls, cwd, environment, folder }: StraceRequest): Trace {
  mkdirSync(folder, { recursive: true });
  // A question mark: not every call is on every architecture.
  const set = calls.map((name) => `?${name}`).join(",");
  const options = ["-ff", "-y", "-q", "-e", "signal=none", "-s", "65536", "-e", `trace=${set}`];
  const { status, stderr } = spawnSync("strace", [...options, "-o", path.join(folder, "t"), "--", ...argv], {
    cwd,
    env: environment,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`strace: ${status ?? ""} ${stderr}`);
  const ids = readdirSync(folder).map((name) => Number(name.slice(name.lastIndexOf(".") + 1)));
  return new Map(
    ids
      .sort((a, b) => a - b)
      .map((id) => {
        const lines = readFileSync(path.join(folder, `t.${id}`), "utf8").split("\n");
        return [id, lines.flatMap((line) => parseCall(line) ?? [])] as const;
      }),
  );
}

/** `name(argument, argument) = result`; undefined for what is no call. */
function parseCall(line: string): ComparedCall | undefined {
  const name = /^(\w+)\(/.exec(line)?.[1];
  if (name === undefined) return undefined;
  const args = splitArguments(line.slice(name.length + 1));
  const paths: string[] = [];
  let directory: string | undefined;
  let argv: string[] | undefined;
  for (const [index, argument] of args.entries()) {
    // What descriptor 4 stands for: 4</tmp>; AT_FDCWD has it too.
    const place = /^(?:AT_FDCWD|\d+)<(.*)>$/.exec(argument)?.[1];
    if (place !== undefined) directory = place;
    const target = name.startsWith("symlink") && index === 0;
    if (argument.startsWith('"') && !target) paths.push(pathFrom(directory, unquote(argument)));
    if (name === "execve" && argument.startsWith("[")) argv = splitArguments(argument.slice(1)).map(unquote);
  }
  const flags = args.find(
    (argument) => /^(O|AT|SOCK|RENAME)_[A-Z0-9_]+(\||$)/.test(argument) && !argument.includes("<"),
  );
  return { name, paths, flags: (flags ?? "").split("|").filter((flag) => flag !== ""), argv };
}

/** Without a directory it stays as it was given: strace does not show where its process was. */
export function pathFrom(directory: string | undefined, given: string): string {
  return directory === undefined
    ? path.normalize(given).replace(/(.)\/$/, "$1")
    : path.resolve(directory, given);
}

/** Up to the bracket that closes what was opened before; commas in strings and brackets do not count. */
function splitArguments(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (quoted) {
      if (character === "\\") at++;
      else if (character === '"') quoted = false;
      continue;
    }
    if (character === '"') quoted = true;
    else if ("([{<".includes(character)) depth++;
    else if (")]}>".includes(character)) depth--;
    if (depth < 0 || (depth === 0 && character === ",")) {
      const argument = text.slice(from, at).trim();
      if (argument !== "") found.push(argument);
      from = at + 1;
    }
    if (depth < 0) break;
  }
  return found;
}

/** A C string of ASCII. */
function unquote(text: string): string {
  const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" };
  return text
    .slice(1, text.lastIndexOf('"'))
    .replaceAll(/\\(?:([0-7]{1,3})|(.))/g, (_, octal: string | undefined, one: string | undefined) =>
      octal === undefined
        ? (escapes[one ?? ""] ?? one ?? "")
        : String.fromCharCode(Number.parseInt(octal, 8)),
    );
}
