import { SkillboxError } from "../errors.js";
import { action } from "./actions.js";
import { fullMask, type Decision, type DecisionGraph } from "./decision.js";
import { auditArch, syscallNumber, x32Bit, type Arch } from "./syscall-table.js";

/** Offsets in struct seccomp_data. */
const numberWord = 0;
const archWord = 4;

/** The number strace-like tools put in to skip a call; it has the x32 bit but is no x32 call (as libseccomp treats it). */
const skippedCall = 0xffff_ffff;

/** What programs call most: files, memory, locks, event loops. Only the shape of the search depends on it. */
const hotNames =
  "read write close fstat newfstatat lseek mmap munmap mprotect brk openat futex pread64 ioctl fcntl " +
  "getdents64 poll ppoll epoll_wait epoll_pwait recvfrom sendto recvmsg sendmsg rt_sigprocmask clock_nanosleep madvise";

const hotNumbers: Readonly<Record<Arch, ReadonlySet<number>>> = { x64: hot("x64"), arm64: hot("arm64") };

function hot(arch: Arch): ReadonlySet<number> {
  return new Set(hotNames.split(" ").flatMap((name) => syscallNumber(arch, name) ?? []));
}

/** Numbers from `first` up to the next range's first, which are all decided alike. */
interface Range {
  readonly first: number;
  readonly decision: Decision;
  weight: number;
}

/**
 * The whole filter: first the architecture, since a number means something else under another one; then a search over
 * numbers, halving the expected work rather than the count, so that frequent calls are found early.
 */
export function dispatch(
  graph: DecisionGraph,
  arch: Arch,
  decisions: ReadonlyMap<number, Decision>,
  otherwise: Decision,
): Decision {
  const kill = graph.return(action.killProcess);
  const ranges = rangesOf(arch, decisions, otherwise, kill);
  return graph.test(archWord, fullMask, "eq", auditArch[arch], search(graph, ranges, 0, ranges.length), kill);
}

function rangesOf(
  arch: Arch,
  decisions: ReadonlyMap<number, Decision>,
  otherwise: Decision,
  kill: Decision,
): Range[] {
  const ranges: Range[] = [];
  const add = (first: number, decision: Decision): void => {
    const weight = hotNumbers[arch].has(first) ? 24 : 1;
    const last = ranges.at(-1);
    if (last?.decision === decision) last.weight += weight;
    else ranges.push({ first, decision, weight });
  };
  let next = 0;
  for (const [number, decision] of [...decisions].sort(([a], [b]) => a - b)) {
    if (number > next) add(next, otherwise);
    add(number, decision);
    next = number + 1;
  }
  add(next, otherwise);
  if (arch === "x64") {
    add(x32Bit, kill);
    add(skippedCall, otherwise);
  }
  return ranges;
}

/** The search among ranges `from` up to, but not including, `to`. */
function search(graph: DecisionGraph, ranges: readonly Range[], from: number, to: number): Decision {
  const left = rangeAt(ranges, from);
  if (to - from === 1) return left.decision;
  if (to - from === 3) {
    const middle = rangeAt(ranges, from + 1);
    const right = rangeAt(ranges, from + 2);
    if (left.decision === right.decision && right.first === middle.first + 1) {
      return graph.test(numberWord, fullMask, "eq", middle.first, middle.decision, left.decision);
    }
  }
  const at = evenSplit(ranges, from, to);
  const upper = search(graph, ranges, at, to);
  const lower = search(graph, ranges, from, at);
  return graph.test(numberWord, fullMask, "ge", rangeAt(ranges, at).first, upper, lower);
}

/** Where the weights on both sides are most alike. */
function evenSplit(ranges: readonly Range[], from: number, to: number): number {
  let total = 0;
  for (let index = from; index < to; index += 1) total += rangeAt(ranges, index).weight;
  let before = 0;
  let best = from + 1;
  let bestDifference = Infinity;
  for (let index = from; index < to - 1; index += 1) {
    before += rangeAt(ranges, index).weight;
    const difference = Math.abs(total - 2 * before);
    if (difference >= bestDifference) continue;
    best = index + 1;
    bestDifference = difference;
  }
  return best;
}

function rangeAt(ranges: readonly Range[], index: number): Range {
  const range = ranges[index];
  if (range === undefined) throw new SkillboxError("ERR_INTERNAL", "no such range of system calls");
  return range;
}
