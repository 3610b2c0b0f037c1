import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import test from "ava";
import { flagTables } from "../../../src/audit/flag-tables.js";
import type { Arch } from "../../../src/seccomp/syscall-table.js";
import { requires } from "../../helpers/requires.js";

/** Where Debian's linux-libc-dev and its -cross packages put the kernel's headers. */
const headerFolders: Readonly<Record<Arch, readonly string[]>> = {
  x64: ["/usr/include/x86_64-linux-gnu", "/usr/include"],
  arm64: ["/usr/aarch64-linux-gnu/include"],
};
const targets: Readonly<Record<Arch, readonly string[]>> = {
  x64: ["-D__x86_64__", "-U__ILP32__", "-U__i386__", "-U__aarch64__"],
  arm64: ["-D__aarch64__", "-U__x86_64__", "-U__i386__"],
};

/** Headers that can be included together, alone of the C library. */
const headers = [
  ..."fcntl mman ioctls resource".split(" ").map((name) => `asm/${name}.h`),
  "asm-generic/socket.h",
  ...(
    "fcntl openat2 fs xattr falloc stat inotify fanotify fadvise eventpoll close_range in mman memfd mempolicy userfaultfd " +
    "netlink if_packet if_ether tcp udp icmpv6 tls in6 can nfc " +
    "pidfd sched wait resource futex membarrier rseq ipc kcmp random prctl seccomp landlock ptrace " +
    "mount bpf keyctl reboot module kexec perf_event io_uring sockios if_tun kvm nsfs loop btrfs"
  )
    .split(" ")
    .map((name) => `linux/${name}.h`),
];

const withCompiler = requires(test, "program:cc");

for (const arch of ["x64", "arm64"] as const) {
  const folders = headerFolders[arch].filter((folder) => existsSync(folder));
  if (folders.length === 0) {
    test(`${arch}: constants are not compared: no kernel headers of that architecture here`, (t) => {
      t.not(arch, process.arch);
    });
    continue;
  }

  withCompiler(`${arch}: what the kernel's headers define has the same value in the tables`, (t) => {
    const values = evaluated(arch, folders);
    let compared = 0;
    for (const [table, { kind, entries }] of Object.entries(flagTables(arch))) {
      for (const { name, value } of entries) {
        const defined = values.get(name);
        if (defined === undefined) continue;
        compared++;
        // A keyed one has its key above the number; those of packets are in network byte order.
        const number = kind === "keyed" ? BigInt(value) & 0xffff_ffffn : BigInt(value);
        if (name.startsWith("ETH_P_")) t.is(swapped(number), defined, name);
        else t.is(number, defined, `${table}: ${name}`);
      }
    }
    t.true(compared > 500, String(compared));
  });
}

function swapped(value: bigint): bigint {
  return ((value & 0xffn) << 8n) | (value >> 8n);
}

/**
 * The macros of our names that come out as a plain number or a shift of one. Enumerations of C and macros that need the size of a
 * structure are left out: the preprocessor alone cannot tell.
 */
function evaluated(arch: Arch, folders: readonly string[]): ReadonlyMap<string, bigint> {
  const names = new Set(
    Object.values(flagTables(arch)).flatMap(({ entries }) => entries.map(({ name }) => name)),
  );
  // __has_include: a header may be newer than the machine's.
  const includes = headers
    .map((header) => `#if __has_include(<${header}>)\n#include <${header}>\n#endif\n`)
    .join("");
  const lines = [...names].filter((name) => /^\w+$/.test(name)).map((name) => `@ "${name}" ${name}\n`);
  const folderFlags = folders.flatMap((folder) => ["-I", folder]);
  const text = execFileSync(
    "cc",
    ["-E", "-P", "-ffreestanding", "-nostdinc", ...targets[arch], ...folderFlags, "-"],
    { input: `${stubs}${includes}${lines.join("")}`, encoding: "utf8", maxBuffer: 1 << 26 },
  );
  const values = new Map<string, bigint>();
  for (const [, name = "", expression = ""] of text.matchAll(/^@ "(\w+)" (.*)$/gm)) {
    const value = numberOf(expression);
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

/** What the kernel's headers want of the C library, which -nostdinc keeps away. */
const stubs = `
#define __GLIBC__ 2
#define __USE_MISC 1
`;

function numberOf(expression: string): bigint | undefined {
  const plain = expression.replaceAll(/[()\s]/g, "").replaceAll(/(?<=[\da-fA-F])[uUlL]+/g, "");
  const [base = "", shift, ...more] = plain.split("<<");
  if (more.length > 0 || !/^(?:0[xX][\da-fA-F]+|\d+)$/.test(base)) return undefined;
  if (shift !== undefined && !/^\d+$/.test(shift)) return undefined;
  // C's octal has no letter.
  const number = /^0\d/.test(base) ? BigInt(`0o${base.slice(1)}`) : BigInt(base);
  return number << BigInt(shift ?? 0);
}
