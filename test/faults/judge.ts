import type { Ended, Fault } from "./inject.js";
import type { Scenario } from "./scenario.js";
import { reasonToGoOn } from "./tolerated.js";

export type Verdict =
  /** Status 125, and a message that names what failed. */
  | { readonly kind: "refused" }
  /** The run succeeded with every layer in place, and it is known why the call may fail. */
  | { readonly kind: "tolerated"; readonly reason: string }
  /** Node or V8 gave up, as they do without memory; nothing ran without its layers, and nothing is left. */
  | { readonly kind: "aborted" }
  /** The run did not come to the call: another thread was faster. */
  | { readonly kind: "not reached" }
  | { readonly kind: "wrong"; readonly why: string };

export function judge(scenario: Scenario, fault: Fault, ended: Ended): Verdict {
  const { status, stdout, stderr, failed, left } = ended;
  const wrong = (why: string): Verdict => ({ kind: "wrong", why });
  if (status === undefined) return wrong("it did not end");
  // SIGABRT and its like are as SIGKILL: a cgroup waits for the next run, which clears it.
  const hasAborted = status > 128 && fault.role === "main";
  const isRemoval =
    fault.about.includes("/skillbox-record-") && /^(?:unlink|rmdir|getdents64)$/.test(fault.name);
  const remains = isRemoval ? [] : hasAborted ? left.filter((each) => !each.startsWith("cgroup ")) : left;
  if (remains.length > 0) return wrong(`left behind: ${remains.join(", ")}`);
  if (stdout.includes("missing: ")) return wrong(`the program ran without a layer: ${stdout}`);
  const ran = stdout.includes("layers held");
  if (ran && scenario.hasCgroup && !ended.cgroups.some((line) => line.includes("/skillbox-")))
    return wrong("the program ran outside its cgroup");
  if (ran && scenario.audit !== undefined && !/"type":"process.exec".*\/layers/.test(ended.audit))
    return wrong("the program ran off the record");
  if (status === 0) {
    if (!ran) return wrong("status 0 without a program");
    if (scenario.audit !== undefined && !ended.audit.trimEnd().endsWith("}"))
      return wrong("the record does not end in a whole line");
    if (scenario.audit !== undefined && !/"type":"run.end"/.test(ended.audit))
      return wrong("status 0 without the end of the record");
    if (failed === undefined) return { kind: "not reached" };
    const reason = reasonToGoOn(fault);
    return reason === undefined ? wrong("the call failed and nobody minded") : { kind: "tolerated", reason };
  }
  if (failed === undefined) return wrong(`status ${status} without a fault: ${stderr}`);
  if (status === 125)
    return names(stderr, fault) ? { kind: "refused" } : wrong(`it does not say what failed: ${stderr}`);
  // What the shell's two statuses are for: the program itself, looked at and executed.
  const isAboutProgram = fault.name === "execve" || fault.about.endsWith("/layers");
  if ((status === 126 || status === 127) && isAboutProgram && names(stderr, fault))
    return { kind: "refused" };
  if (hasAborted) return { kind: "aborted" };
  return wrong(`status ${status}: ${stderr}`);
}

/** By its errno, in symbols or in the C library's words; or by what it means, where somebody between us and the kernel keeps that. */
function names(stderr: string, { errno, role, name, about }: Fault): boolean {
  if (stderr.includes("this is a fault of skillbox")) return false;
  // A program that the C library cannot start.
  if (role === "outer" && /^(?:brk|mmap|mprotect)$/.test(name) && /spawn: (?:start|killed)/.test(stderr))
    return true;
  if (about.startsWith("/sys/fs/cgroup/") && stderr.includes("cannot be enforced here")) return true;
  // The C library's word for a thread that has no memory for its stack.
  if (role === "main" && /^(?:mmap|mprotect)$/.test(name) && stderr.includes("pthread_create: EAGAIN"))
    return true;
  // libuv: a descriptor of a kind that it cannot tell.
  if (role === "main" && /^(?:fstat|getsockname|getsockopt)$/.test(name) && stderr.includes("listen: EINVAL"))
    return true;
  return (
    /^skillbox: error: /m.test(stderr) &&
    (stderr.includes(errno) || new RegExp(words[errno] ?? "^$", "i").test(stderr))
  );
}

/** strerror(3). */
const words: Readonly<Record<string, string>> = {
  EMFILE: "Too many open files",
  ENOMEM: "(?:Cannot allocate|not enough) memory|failed to map|cannot (?:change|apply|map|allocate)",
  EPERM: "operation not permitted",
  EAGAIN: "resource temporarily unavailable",
  ENOSPC: "no space left on device",
  EINTR: "interrupted system call",
  EIO: "(?:input\\/output|i\\/o) error",
  ENOBUFS: "no buffer space available",
  EACCES: "permission denied",
};
