import {
  integerOf,
  isObject,
  listOf,
  numberOf,
  stringOf,
  textOf,
  type JsonObject,
  type RecordedEvent,
} from "./read-event.js";
import { shownPlain, shownWord, shownWords } from "./shown.js";
import { addressOf, openFlagsOf, pathsOf } from "./subject.js";

/** What an event is about, in a few words that are fit for a terminal; its type, its process and its verdict stand elsewhere. */
export function describe(event: RecordedEvent): string {
  const { type, args, members } = event;
  switch (type) {
    case "process.exec":
      return describeExec(args);
    case "process.exit":
      return exitOf(event) ?? "";
    case "process.signal":
      return `${shownValue(args["sig"])} to ${shownValue(args["pid"] ?? args["tid"] ?? args["tgid"] ?? args["pidfd"])}`;
    case "file.open":
      return describeOpen(event);
    case "file.rename":
      return `${shownText(args["oldpath"])} -> ${shownText(args["newpath"])}`;
    case "file.link":
      return `${shownText(args["newpath"])} to ${shownText(args["oldpath"])}`;
    case "file.symlink":
      return `${shownText(args["linkpath"])} to ${shownText(args["target"])}`;
    case "file.create":
    case "file.delete":
    case "file.mkdir":
    case "file.truncate":
    case "file.attributes":
      return describeChange(event);
    case "net.connect":
    case "net.bind":
    case "net.send":
      return endpointOf(event) ?? describeArguments(args);
    case "net.dns":
      return describeQuery(members);
    case "net.tls":
      return shownWord(stringOf(members["serverName"]) ?? endpointOf(event) ?? "");
    case "net.http":
      return describeRequest(members);
    case "net.close":
      return `${endpointOf(event) ?? ""} ${shownBytes(members["bytesIn"])} in, ${shownBytes(members["bytesOut"])} out`;
    case "resource.limit":
      return shownPlain(
        `${stringOf(members["resource"]) ?? ""} ${stringOf(members["requested"]) ?? ""} reached`,
      );
    case "audit.gap":
      return `${integerOf(members["dropped"]) ?? "some"} events were dropped here`;
    case "program.end":
      return `${integerOf(members["program"]) ?? ""}: ${listOf(members["argv"], textOf).map(shownWord).join(" ")}`;
    case "privilege":
    case "syscall":
      return `${shownPlain(event.syscall ?? "")} ${describeArguments(args)}`.trimEnd();
    default:
      return describeArguments(args);
  }
}

function describeExec(args: JsonObject): string {
  const { words: argv, left } = argvOf(args);
  const path = shownText(args["path"]);
  if (argv.length === 0) return path;
  const program = textOf(args["path"]) ?? "";
  const command = `${shownWords(argv)}${left === 0 ? "" : ` (and ${left} more)`}`;
  // argv[0] is the program's own word for itself; what was really started goes first.
  return program.endsWith(`/${argv[0] ?? ""}`) || program === argv[0] ? command : `${path} as ${command}`;
}

/** The arguments that are on record, and how many more there were. */
export function argvOf(args: JsonObject): { readonly words: readonly string[]; readonly left: number } {
  const argv = args["argv"];
  if (!isObject(argv)) return { words: listOf(argv, textOf), left: 0 };
  const words = listOf(argv["items"], textOf);
  return { words, left: Math.max(0, (integerOf(argv["length"]) ?? 0) - words.length) };
}

/** How a process ended, where the record knows. */
export function exitOf({ members }: RecordedEvent): string | undefined {
  const signal = stringOf(members["signal"]);
  if (signal !== undefined) return `killed by ${shownPlain(signal)}`;
  const code = integerOf(members["exitCode"]);
  return code === undefined ? undefined : `status ${code}`;
}

function describeOpen(event: RecordedEvent): string {
  const flags = new Set(openFlagsOf(event.args));
  const [use] = pathsOf(event);
  const writes = use?.access === "written";
  const verb = flags.has("O_PATH") ? "find" : writes ? (flags.has("O_CREAT") ? "create" : "write") : "read";
  return `${verb} ${use === undefined ? describeArguments(event.args) : shownWord(use.path)}`;
}

function describeChange(event: RecordedEvent): string {
  const [use] = pathsOf(event);
  if (use === undefined) return describeArguments(event.args);
  const others = Object.entries(event.args).filter(([name]) => name !== "path");
  return `${shownWord(use.path)} ${describeArguments(Object.fromEntries(others))}`.trimEnd();
}

/** A name or address with its port; a Unix socket's path. */
export function endpointOf(event: RecordedEvent): string | undefined {
  const { members } = event;
  const own = addressOf(event);
  const name = stringOf(members["name"]);
  const address = stringOf(members["address"]) ?? stringOf(own?.["address"]);
  const port = integerOf(members["port"]) ?? integerOf(own?.["port"]);
  const host = name ?? (address?.includes(":") === true ? `[${address}]` : address);
  if (host !== undefined) {
    const literal = name !== undefined && address !== undefined ? ` (${shownPlain(address)})` : "";
    return `${shownPlain(host)}${port === undefined ? "" : `:${port}`}${literal}`;
  }
  const path = textOf(own?.["path"]);
  if (path !== undefined) return shownWord(path);
  const abstract = textOf(own?.["abstract"]);
  return abstract === undefined ? undefined : `@${shownWord(abstract)}`;
}

function describeQuery(members: JsonObject): string {
  const response = stringOf(members["response"]);
  const query = `${stringOf(members["name"]) ?? ""} ${stringOf(members["query"]) ?? ""}`;
  return shownPlain(response === undefined ? query : `${query} -> ${response}`);
}

function describeRequest(members: JsonObject): string {
  const words = ["method", "host", "target"]
    .map((name) => stringOf(members[name]))
    .filter((word) => word !== undefined);
  return words.length === 0 ? shownPlain(stringOf(members["reason"]) ?? "") : shownWords(words);
}

function describeArguments(args: JsonObject): string {
  const members = Object.entries(args).filter(
    ([name, value]) =>
      !/(?:dirfd|^given|\.given)$/.test(name) && !(Array.isArray(value) && value.length === 0),
  );
  const shown = members.slice(0, 8).map(([name, value]) => `${shownPlain(name, 32)}=${shownValue(value)}`);
  return [...shown, ...(members.length > shown.length ? ["…"] : [])].join(" ");
}

function shownText(value: unknown): string {
  return shownWord(textOf(value) ?? "?");
}

function shownValue(value: unknown): string {
  const text = textOf(value);
  if (text !== undefined) return shownWord(text);
  if (Array.isArray(value)) return shownFlags(value);
  if (!isObject(value)) return shownScalar(value);
  const members = Object.entries(value).slice(0, 8);
  return `{${members.map(([name, member]) => `${shownPlain(name, 32)}=${Array.isArray(member) ? shownFlags(member) : shownScalar(member)}`).join(" ")}}`;
}

function shownFlags(names: readonly unknown[]): string {
  return names.length === 0 ? "0" : names.slice(0, 16).map(shownScalar).join("|");
}

function shownScalar(value: unknown): string {
  if (typeof value === "string") return shownWord(value, 64);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return value === null ? "NULL" : "…";
}

export function shownBytes(value: unknown): string {
  const bytes = numberOf(value) ?? 0;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** step;
  return `${step === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[step] ?? ""}`;
}
