/** The same program under others of the kind, as near as their options come: namespaces of its own, the host's files read-only. */
import { installed } from "./measure.js";

/** @type {Readonly<Record<string, (argv: readonly string[]) => readonly string[]>>} */
const all = {
  "bwrap --unshare-all": (argv) => [
    "bwrap",
    "--unshare-all",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--tmpfs",
    "/tmp",
    "--",
    ...argv,
  ],
  nsjail: (argv) => ["nsjail", "-Mo", "-Q", "--chroot", "/", "--", ...argv],
  "firejail --net=none": (argv) => ["firejail", "--quiet", "--noprofile", "--net=none", "--seccomp", ...argv],
  srt: (argv) => ["srt", "--", ...argv],
  "strace -f": (argv) => ["strace", "-f", "-o", "/dev/null", ...argv],
};

/** Those that are there. */
export const peers = Object.fromEntries(
  Object.entries(all).filter(([name]) => installed(name.split(" ")[0] ?? "")),
);
