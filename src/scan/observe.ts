import { integerOf, listOf, objectOf, stringOf, textOf, type RecordedEvent } from "../audit/read-event.js";
import { findBait } from "./bait-search.js";
import { excerptOf } from "./excerpt.js";
import { boundedList, boundedText, bounds } from "./report-bounds.js";
import type { Observed, ObservedEvent, ObservedProcess } from "./report-observed.js";
import type { Observation } from "./scan.js";

type Files = Observed["files"]["items"][number];
type Connections = Observed["network"]["connections"]["items"][number];
type Requests = Observed["network"]["requests"]["items"][number];
type Names = Observed["network"]["names"]["items"][number];

/** What the runs did, cut down to what a report holds. */
export function observedOf(observations: readonly Observation[]): Observed {
  const events = observations.flatMap(({ exercise }) =>
    exercise.events
      .filter(({ type }) => type !== "file.open" && type !== "net.socket")
      .map((event) => observedEvent(exercise.id, event)),
  );
  const denials = observations.flatMap(({ exercise }) =>
    exercise.events
      .filter(({ verdict }) => verdict === "deny")
      .map((event) => observedEvent(exercise.id, event)),
  );
  const closed = observations.flatMap(({ exercise }) =>
    exercise.events.filter(({ type }) => type === "net.close"),
  );
  const bytes = (key: string): number =>
    closed.reduce((sum, { members }) => sum + (integerOf(members[key]) ?? 0), 0);
  return {
    denials: boundedList(denials, bounds.denials),
    timeline: boundedList(events, bounds.timeline),
    files: boundedList(filesOf(observations), bounds.files),
    processes: boundedList(observations.flatMap(processesOf), bounds.processes),
    network: {
      names: boundedList(namesOf(observations), bounds.names),
      connections: boundedList(connectionsOf(observations), bounds.connections),
      requests: boundedList(observations.flatMap(requestsOf), bounds.requests),
      bytesIn: bytes("bytesIn"),
      bytesOut: bytes("bytesOut"),
    },
  };
}

function observedEvent(run: string, event: RecordedEvent): ObservedEvent {
  const { seq, type, pid, exe, members, args, syscall, count } = event;
  const addr = objectOf(args["addr"] ?? args["dest_addr"]);
  const path = textOf(args["path"] ?? args["oldpath"] ?? args["linkpath"] ?? addr["path"]);
  const argv = listOf(args["argv"], textOf);
  const name = stringOf(members["name"]);
  const address = stringOf(addr["address"]) ?? stringOf(members["address"]);
  const port = integerOf(addr["port"]) ?? integerOf(members["port"]);
  const verdict = (["allow", "deny", "expected-allow", "expected-deny"] as const).find(
    (each) => each === event.verdict,
  );
  const rule = stringOf(members["rule"]);
  const errno = stringOf(members["errno"]);
  const about = argv.length > 0 ? argv.join(" ") : (path ?? name ?? address ?? "");
  const text = (key: string, most: number): string | undefined => {
    const value = stringOf(members[key]);
    return value === undefined ? undefined : boundedText(value, most);
  };
  const protocol = (["tcp", "udp"] as const).find((each) => each === members["protocol"]);
  return defined({
    run,
    seq,
    time: stringOf(members["time"]) ?? new Date(event.timeMs).toISOString().replace("Z", "000Z"),
    type,
    what: boundedText(`${type} ${about}${port === undefined ? "" : `:${port}`}`, bounds.sentence),
    process: pid === undefined ? undefined : { pid, exe: boundedText(exe ?? "", bounds.path) },
    verdict,
    rule: rule === undefined ? undefined : boundedText(rule, bounds.name),
    errno,
    syscall: syscall === undefined ? undefined : boundedText(syscall, 64),
    repeated: count > 1 ? count : undefined,
    path: path === undefined ? undefined : boundedText(path, bounds.path),
    argv:
      argv.length === 0
        ? undefined
        : argv.slice(0, bounds.arguments).map((part) => boundedText(part, bounds.argument)),
    name: name === undefined ? undefined : boundedText(name, bounds.name),
    address: address === undefined ? undefined : boundedText(address, 64),
    port,
    protocol,
    query: text("query", 32),
    response: text("response", 32),
    method: text("method", 64),
    target: text("target", bounds.path),
    bytesIn: integerOf(members["bytesIn"]),
    bytesOut: integerOf(members["bytesOut"]),
    exitCode: integerOf(members["exitCode"]),
    signal: text("signal", 32),
    resource: text("resource", 32),
  });
}

type Maybe<Value> = { readonly [Key in keyof Value]: Value[Key] | undefined };

/** Without the members that are not there. */
function defined<Value extends object>(value: Maybe<Value>): Value;
function defined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

function filesOf(observations: readonly Observation[]): readonly Files[] {
  const files = new Map<string, Files>();
  for (const { exercise, acts } of observations) {
    const decoys = new Set(exercise.bait.decoys.map(({ path }) => path));
    for (const { event, path, access } of acts.files) {
      const isBait = decoys.has(path);
      const shown =
        isBait || path.startsWith(`${exercise.bait.home}/`) ? path.replace(exercise.bait.home, "~") : path;
      // Libraries that the interpreter looks for are not what a reader looks for.
      if (access === "read" && !isBait && !path.startsWith(exercise.cwd) && !shown.startsWith("~")) continue;
      const kind = access === "link" ? "create" : access;
      const known = files.get(shown) ?? {
        path: boundedText(shown, bounds.path),
        access: [],
        count: 0,
        denied: 0,
        runs: [],
      };
      files.set(shown, {
        ...known,
        access: [...new Set([...known.access, kind])],
        count: known.count + 1,
        denied: known.denied + (event.denied ? 1 : 0),
        ...(isBait ? { bait: true } : {}),
        runs: [...new Set([...known.runs, exercise.id])],
      });
    }
  }
  return [...files.values()];
}

function processesOf({ exercise, acts }: Observation): readonly ObservedProcess[] {
  const pids = new Set(acts.execs.map(({ event }) => event.pid));
  const exits = exercise.events.filter(({ type }) => type === "process.exit");
  return acts.execs.flatMap(({ event, path, argv }) => {
    const { pid, ppid } = event;
    if (pid === undefined) return [];
    const exit = exits.find((each) => each.pid === pid);
    return [
      defined<ObservedProcess>({
        run: exercise.id,
        pid,
        parent: ppid !== undefined && pids.has(ppid) ? ppid : undefined,
        exe: boundedText(path, bounds.path),
        argv: argv.slice(0, bounds.arguments).map((part) => boundedText(part, bounds.argument)),
        exitCode: integerOf(exit?.members["exitCode"]),
        signal: stringOf(exit?.members["signal"]),
      }),
    ];
  });
}

function namesOf(observations: readonly Observation[]): readonly Names[] {
  const names = new Map<string, Names>();
  for (const { exercise, acts } of observations) {
    for (const { event, name, query } of acts.names) {
      const known = names.get(name) ?? {
        name: boundedText(name, bounds.name),
        queries: [],
        count: 0,
        denied: 0,
        runs: [],
      };
      names.set(name, {
        ...known,
        queries: [...new Set([...known.queries, boundedText(query, 32)])].slice(0, 16),
        count: known.count + 1,
        denied: known.denied + (event.denied ? 1 : 0),
        runs: [...new Set([...known.runs, exercise.id])],
      });
    }
  }
  return [...names.values()];
}

function connectionsOf(observations: readonly Observation[]): readonly Connections[] {
  const all = new Map<string, Connections>();
  for (const { exercise, acts } of observations) {
    const closes = exercise.events.filter(({ type }) => type === "net.close");
    for (const { event, name, address = "", port } of acts.connects) {
      const key = `${exercise.id} ${name ?? address} ${port}`;
      const closed = closes.filter(
        ({ members }) => members["port"] === port && (members["name"] ?? address) === (name ?? address),
      );
      const bytes = (member: string): number =>
        closed.reduce((sum, { members }) => sum + (integerOf(members[member]) ?? 0), 0);
      const known = all.get(key);
      all.set(
        key,
        defined<Connections>({
          run: exercise.id,
          protocol: event.type === "net.send" ? "udp" : "tcp",
          name: name === undefined ? undefined : boundedText(name, bounds.name),
          address: boundedText(address, 64),
          port,
          count: (known?.count ?? 0) + 1,
          denied: (known?.denied ?? 0) + (event.denied ? 1 : 0),
          bytesIn: bytes("bytesIn"),
          bytesOut: bytes("bytesOut"),
        }),
      );
    }
  }
  return [...all.values()];
}

function requestsOf({ exercise }: Observation): readonly Requests[] {
  return exercise.payloads.flatMap((payload) => {
    const { request, scheme, host, port, body, bytes } = payload;
    if (request === undefined || (scheme !== "http" && scheme !== "https")) return [];
    const { decoys } = exercise.bait;
    const hit = body.length === 0 ? undefined : findBait(body, decoys)[0];
    return [
      {
        run: exercise.id,
        scheme,
        method: boundedText(request.method, 64),
        host: boundedText(host, bounds.name),
        port,
        target: boundedText(request.target, bounds.path),
        bytesOut: bytes,
        ...(body.length === 0 ? {} : { body: excerptOf(body, decoys, hit?.encoding ?? "plain", hit?.decoy) }),
      },
    ];
  });
}
