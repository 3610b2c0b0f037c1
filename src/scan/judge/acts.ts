import { isAbsolute, join, normalize } from "node:path";
import { listOf, objectOf, stringOf, textOf, integerOf, type RecordedEvent } from "../../audit/read-event.js";
import type { Exercise } from "../exercise.js";

/** An event about a path, with the path as the sandbox sees it. */
export interface FileAct {
  readonly event: RecordedEvent;
  readonly access: "read" | "write" | "create" | "delete" | "rename" | "attributes" | "list" | "link";
  readonly path: string;
  /** Of a link. */
  readonly target?: string | undefined;
}

export interface NetAct {
  readonly event: RecordedEvent;
  readonly name: string | undefined;
  readonly address: string | undefined;
  readonly port: number;
}

export interface ExecAct {
  readonly event: RecordedEvent;
  readonly path: string;
  readonly argv: readonly string[];
}

export interface Acts {
  readonly files: readonly FileAct[];
  readonly connects: readonly NetAct[];
  readonly execs: readonly ExecAct[];
  readonly names: readonly { readonly event: RecordedEvent; readonly name: string; readonly query: string }[];
}

export function actsOf({ events, cwd }: Exercise): Acts {
  return {
    files: events.flatMap((event) => fileActs(event, cwd)),
    connects: events.flatMap(connects),
    execs: executed(events, cwd),
    names: events.flatMap((event) =>
      event.type === "net.dns"
        ? [
            {
              event,
              name: stringOf(event.members["name"]) ?? "",
              query: stringOf(event.members["query"]) ?? "",
            },
          ]
        : [],
    ),
  };
}

function fileActs(event: RecordedEvent, cwd: string): readonly FileAct[] {
  const { args, type } = event;
  const at = (key: string): string | undefined => {
    const text = textOf(args[key]);
    if (text === undefined || text === "") return undefined;
    return normalize(isAbsolute(text) ? text : join(cwd, text));
  };
  const act = (access: FileAct["access"], key: string): readonly FileAct[] => {
    const path = at(key);
    return path === undefined ? [] : [{ event, access, path }];
  };
  switch (type) {
    case "file.open": {
      const flags = listOf(args["flags"], stringOf);
      if (flags.includes("O_CREAT")) return act("create", "path");
      if (flags.includes("O_WRONLY") || flags.includes("O_RDWR")) return act("write", "path");
      return act(flags.includes("O_DIRECTORY") ? "list" : "read", "path");
    }
    case "file.create":
    case "file.mkdir":
      return act("create", "path");
    case "file.truncate":
      return act("write", "path");
    case "file.delete":
      return act("delete", "path");
    case "file.attributes":
      return act("attributes", "path");
    case "file.rename":
      return [...act("rename", "oldpath"), ...act("create", "newpath")];
    case "file.link":
      return act("create", "newpath");
    case "file.symlink":
      return act("link", "linkpath").map((made) => ({ ...made, target: textOf(args["target"]) }));
    default:
      return [];
  }
}

function connects(event: RecordedEvent): readonly NetAct[] {
  if (event.type !== "net.connect" && event.type !== "net.send") return [];
  const addr = objectOf(event.args["addr"] ?? event.args["dest_addr"]);
  const family = stringOf(addr["family"]);
  if (family !== "AF_INET" && family !== "AF_INET6") return [];
  const address = stringOf(addr["address"]);
  const port = integerOf(addr["port"]) ?? 0;
  const name = stringOf(event.members["name"]);
  // Port 53 of any address is the sandbox's resolver, and its own loopback is nobody else's.
  if (port === 53 || (name === undefined && (address === undefined || /^(127\.|::1$)/.test(address))))
    return [];
  if (event.verdict === "expected-allow") return [];
  return [{ event, name, address, port }];
}

/** execvp tries one directory after the other: the last attempt of a thread is the one that was there. */
function executed(events: readonly RecordedEvent[], cwd: string): readonly ExecAct[] {
  const execs = events.filter(({ type }) => type === "process.exec");
  return execs.flatMap((event, index) => {
    const next = execs[index + 1];
    if (next !== undefined && next.pid === event.pid && next.exe === event.exe && next.tid === event.tid)
      return [];
    const path = textOf(event.args["path"]) ?? "";
    const argv = listOf(event.args["argv"], textOf);
    return [{ event, path: normalize(isAbsolute(path) ? path : join(cwd, path)), argv }];
  });
}
