import { basename } from "node:path";
import type { RecordedEvent } from "../../audit/read-event.js";
import type { Exercise } from "../exercise.js";
import type { Acts } from "./acts.js";
import { placeOf, type Sighting } from "./sighting.js";

const shells = /^(ba|da|z|k|c|a)?sh$/;
const evasions =
  /^(unshare|setns|mount|umount2|pivot_root|init_module|finit_module|kexec_load|bpf|keyctl|add_key|perf_event_open|open_by_handle_at|userfaultfd|reboot|swapon|iopl|ioperm|fsopen|move_mount|open_tree)$/;
const inspections = /^(ptrace|process_vm_readv|process_vm_writev|pidfd_getfd|kcmp)$/;
const decoders = /base64|b64decode|fromhex|unhexlify|zlib|marshal|codecs|lzma|bz2|chr\(|\bxor\b|\^/;
const manyProcesses = 60;

/** Programs, decoded code, other processes, limits. `source` is the text of the entry's file. */
export function judgeProcesses(exercise: Exercise, acts: Acts, sources: string): readonly Sighting[] {
  return [
    ...judgeExecs(exercise, acts),
    ...judgeCalls(exercise.events),
    ...judgeNotes(exercise, sources),
    ...judgeLimits(exercise, acts),
  ];
}

function judgeExecs(exercise: Exercise, { execs, files, connects }: Acts): readonly Sighting[] {
  const { marker, entry } = exercise;
  const found: Sighting[] = [];
  const written = new Set(
    files.filter(({ access }) => access === "create" || access === "write").map(({ path }) => path),
  );
  for (const { event, path, argv } of execs.slice(1)) {
    const program = basename(path);
    const line = argv.join(" ").slice(0, 200);
    const place = placeOf(exercise, "spawn", (more) => line.includes(basename(String(more["program"]))));
    if (argv.some((part) => part.includes(marker)))
      found.push({
        rule: "SBX301",
        subject: [entry.file],
        what: "ran what the network had handed out",
        event,
        place,
      });
    const script = argv.find(
      (part, index) =>
        index > 0 && [...written].some((file) => file.endsWith(`/${basename(part)}`) && part.length > 2),
    );
    if (
      written.has(path) ||
      (script !== undefined && (shells.test(program) || /^(python|node|perl)/.test(program)))
    )
      found.push({
        rule: "SBX304",
        subject: [basename(script ?? path)],
        what: `wrote and ran ${script ?? path}`,
        event,
        place,
      });
    const hasConnected = connects.some(
      (act) =>
        act.event.seq < event.seq &&
        (act.event.pid === event.pid || act.event.pid === event.ppid) &&
        ![80, 443].includes(act.port),
    );
    if (shells.test(program) && hasConnected && (argv.includes("-i") || argv.length === 1))
      found.push({
        rule: "SBX307",
        subject: [entry.file],
        what: `started ${line} on a connection`,
        event,
        place,
      });
    if (/^(crontab|systemctl|at|launchctl)$/.test(program))
      found.push({ rule: "SBX401", subject: [program], what: `ran ${line}`, event, place });
    if (/^(curl|wget|nc|ncat|socat|xmrig|ssh|scp|chattr|gdb|strace)$/.test(program))
      found.push({ rule: "SBX303", subject: [program], what: `ran ${line}`, event, place });
  }
  return found;
}

function judgeCalls(events: readonly RecordedEvent[]): readonly Sighting[] {
  return events.flatMap((event): Sighting[] => {
    const { syscall = "" } = event;
    const what = `called ${syscall}`;
    if (event.type === "net.socket" && event.denied && isRaw(event))
      return [{ rule: "SBX404", subject: ["raw socket"], what: "asked for a raw or ICMP socket", event }];
    if (inspections.test(syscall)) return [{ rule: "SBX403", subject: [syscall], what, event }];
    return evasions.test(syscall) ? [{ rule: "SBX404", subject: [syscall], what, event }] : [];
  });
}

/** What ping and forgers of packets use. */
function isRaw({ args }: RecordedEvent): boolean {
  return /SOCK_RAW|AF_PACKET|ICMP/.test(JSON.stringify(args)) && !JSON.stringify(args).includes("AF_NETLINK");
}

function judgeNotes({ notes, entry, events }: Exercise, sources: string): readonly Sighting[] {
  const found: Sighting[] = [];
  const decodes = decoders.test(sources);
  for (const { what, place, more } of notes) {
    if (place === undefined && what !== "sleep" && entry.language === "python") continue;
    if ((what === "exec" && decodes) || what === "unmarshal")
      found.push({ rule: "SBX302", subject: [entry.file], what: "ran code that it had decoded", place });
    // Of itself, which is what ctypes does when it is imported.
    if (what === "dlopen" && more["path"] !== "None")
      found.push({
        rule: "SBX305",
        subject: [String(more["path"])],
        what: `loaded ${String(more["path"])}`,
        place,
      });
    const acted = events.some(({ type }) => type === "net.connect" || type === "net.dns");
    if (what === "sleep" && Number(more["seconds"]) >= 60 && acted)
      found.push({
        rule: "SBX309",
        subject: [entry.file],
        what: `asked to sleep ${String(more["seconds"])} s, and used the network`,
        place,
      });
  }
  return found;
}

function judgeLimits(
  { result, output, entry, events }: Exercise,
  { execs, files }: Acts,
): readonly Sighting[] {
  const found: Sighting[] = [];
  const subject = [entry.file];
  if (result === undefined) return found;
  const { outcome, limit, cpuTimeMs, wallTimeMs } = result;
  if (outcome === "out-of-memory" || /^MemoryError\b/m.test(output) || output.includes("heap out of memory"))
    found.push({ rule: "SBX501", subject, what: "ran into the limit of memory" });
  const pids = new Set(events.map(({ pid }) => pid));
  const isRefused = /(fork|Resource temporarily unavailable|BlockingIOError|EAGAIN)/.test(output);
  if (pids.size >= manyProcesses || (isRefused && /[Rr]esource temporarily unavailable|EAGAIN/.test(output)))
    found.push({
      rule: "SBX502",
      subject,
      what: `started processes up to the limit (${pids.size} seen, ${execs.length} programs)`,
    });
  const cpu = cpuTimeMs.user + cpuTimeMs.system;
  if (limit === "cpuTime" || (outcome === "timed-out" && cpu > 700 && cpu > 0.2 * wallTimeMs))
    found.push({
      rule: "SBX503",
      subject,
      what: `used ${Math.round(cpu)} ms of CPU time until it was ended`,
    });
  if (
    outcome === "output-limit" ||
    result.signal === "SIGXFSZ" ||
    /No space left on device|File too large/.test(output)
  )
    found.push({ rule: "SBX504", subject, what: `wrote up to the limit (${files.length} file accesses)` });
  return found;
}
