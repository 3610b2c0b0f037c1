import { existsSync } from "node:fs";
import { execFileSync } from "node:child_process";
import test from "ava";
import {
  isSyscallName,
  syscallName,
  syscallNumber,
  syscalls,
  type Arch,
} from "../../src/seccomp/syscall-table.js";
import { requires } from "../helpers/requires.js";

/** Where Debian's linux-libc-dev, its -cross packages and others put the kernel's headers. */
const headerFolders: Readonly<Record<Arch, readonly string[]>> = {
  x64: ["/usr/include/x86_64-linux-gnu", "/usr/x86_64-linux-gnu/include", "/usr/include"],
  arm64: ["/usr/include/aarch64-linux-gnu", "/usr/aarch64-linux-gnu/include", "/usr/include"],
};

const withCompiler = requires(test, "program:cc");

for (const arch of ["x64", "arm64"] as const) {
  const native = arch === process.arch;
  const folder = headerFolders[arch].find(
    (candidate) => existsSync(`${candidate}/asm/unistd.h`) && (native || candidate !== "/usr/include"),
  );
  if (folder === undefined) {
    test(`${arch}: the table is not compared: no kernel headers of that architecture here`, (t) => {
      t.false(native, "install linux-libc-dev");
    });
    continue;
  }
  withCompiler(`${arch}: every number of ${folder}/asm/unistd.h has its name in the table`, (t) => {
    const header = numbersOf(folder, arch);
    t.true(header.size > 290, String(header.size));
    for (const [name, number] of header) {
      t.is(syscallNumber(arch, name), number, name);
      t.is(syscallName(arch, number), name);
    }
    // Headers older than the table lack its newest calls; what both have, agrees, and nothing else is added.
    const newest = Math.max(...header.values());
    for (const [name, number] of syscalls(arch)) {
      if (number <= newest && number !== 335 && number !== 336) t.true(header.has(name), name);
    }
  });
}

/** Has the preprocessor work the numbers out, since asm-generic/unistd.h defines many by others. */
function numbersOf(folder: string, arch: Arch): Map<string, number> {
  const cpp = (args: readonly string[], input: string): string =>
    execFileSync(
      "cc",
      ["-E", "-nostdinc", "-I", folder, "-I", "/usr/include", ...target(arch), ...args, "-"],
      { input, encoding: "utf8" },
    );
  const include = "#include <asm/unistd.h>\n";
  const names = new Set(
    [...cpp(["-dM"], include).matchAll(/^#define __NR_([a-z0-9_]+) /gm)].map(([, name]) => name ?? ""),
  );
  for (const count of ["syscalls", "arch_specific_syscall"]) names.delete(count);
  const text = cpp(
    [],
    include +
      [...names]
        .map((name) => `@ ${name} __NR_${name}\n`)
        .join("")
        .replace(/@ (\w+) /g, '@ "$1" '),
  );
  const numbers = new Map<string, number>();
  for (const [, name, number] of text.matchAll(/^@ "(\w+)" (\d+)$/gm))
    numbers.set(name ?? "", Number(number));
  return numbers;
}

/** asm/unistd.h of x86 chooses by the compiler's target. */
function target(arch: Arch): string[] {
  return arch === "x64" ? ["-D__x86_64__", "-U__ILP32__", "-U__i386__"] : [];
}

test("the table knows the newest calls and the names of other architectures", (t) => {
  for (const arch of ["x64", "arm64"] as const) {
    t.is(syscallNumber(arch, "clone3"), 435);
    t.is(syscallNumber(arch, "file_setattr"), 469);
    t.is(syscallNumber(arch, "listns"), 470);
  }
  t.is(syscallNumber("x64", "uretprobe"), 335);
  t.is(syscallNumber("arm64", "uretprobe"), undefined);
  t.is(syscallNumber("arm64", "open"), undefined);
  t.true(isSyscallName("open"));
  t.true(isSyscallName("s390_pci_mmio_read"));
  t.false(isSyscallName("opennat"));
  t.false(isSyscallName("constructor"));
});
