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

/** Numbers from `first` up to the next range's first. */
interface Range {
  readonly first: number;
  readonly decision: Decision;
  readonly weight: number;
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
  const ranges = merge([...points(arch, decisions, otherwise, kill)], (number) =>
    hotNumbers[arch].has(number) ? 24 : 1,
  );
  return graph.test(archWord, fullMask, "eq", auditArch[arch], search(graph, ranges), kill);
}

/** Each number with a decision of its own, and each number after which there is none, in rising order. */
function* points(
  arch: Arch,
  decisions: ReadonlyMap<number, Decision>,
  otherwise: Decision,
  kill: Decision,
): Generator<readonly [number, Decision]> {
  let next = 0;
  for (const number of [...decisions.keys()].sort((a, b) => a - b)) {
    if (number > next) yield [next, otherwise];
    yield [number, decisions.get(number) ?? otherwise];
    next = number + 1;
  }
  yield [next, otherwise];
  if (arch === "x64") {
    yield [x32Bit, kill];
    yield [skippedCall, otherwise];
  }
}

function merge(starts: readonly (readonly [number, Decision])[], weigh: (number: number) => number): Range[] {
  const ranges: Range[] = [];
  for (const [first, decision] of starts) {
    const last = ranges.at(-1);
    if (last?.decision === decision) {
      ranges[ranges.length - 1] = { ...last, weight: last.weight + weigh(first) };
    } else {
      ranges.push({ first, decision, weight: weigh(first) });
    }
  }
  return ranges;
}

function search(graph: DecisionGraph, ranges: readonly Range[]): Decision {
  const [left, middle, right] = ranges;
  if (left === undefined) throw new SkillboxError("ERR_INTERNAL", "no range of system calls to search");
  if (middle === undefined) return left.decision;
  if (
    right !== undefined &&
    ranges.length === 3 &&
    left.decision === right.decision &&
    right.first === middle.first + 1
  ) {
    return graph.test(numberWord, fullMask, "eq", middle.first, middle.decision, left.decision);
  }
  const at = heaviestSplit(ranges);
  const first = ranges[at]?.first ?? 0;
  const upper = search(graph, ranges.slice(at));
  return graph.test(numberWord, fullMask, "ge", first, upper, search(graph, ranges.slice(0, at)));
}

/** The index, at least 1, where the weights on both sides are most alike. */
function heaviestSplit(ranges: readonly Range[]): number {
  const total = ranges.reduce((sum, range) => sum + range.weight, 0);
  let before = 0;
  let best = 1;
  let bestDifference = Infinity;
  ranges.slice(0, -1).forEach((range, index) => {
    before += range.weight;
    const difference = Math.abs(total - 2 * before);
    if (difference < bestDifference) {
      best = index + 1;
      bestDifference = difference;
    }
  });
  return best;
}
