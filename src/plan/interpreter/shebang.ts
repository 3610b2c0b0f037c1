/** What a script's first line asks for. `search` is for a name that env(1) looks up in PATH. */
export interface Shebang {
  readonly interpreter: string;
  readonly search?: string | undefined;
}

/** BINPRM_BUF_SIZE (include/uapi/linux/binfmts.h): the kernel looks no further. */
export const shebangBytes = 256;

/** The first line as binfmt_script reads it: one interpreter, and the rest as one argument. */
export function parseShebang(start: string): Shebang | undefined {
  if (!start.startsWith("#!")) return undefined;
  const [line = ""] = start.slice(2).split("\n", 1);
  const [, interpreter, argument = ""] = /^[ \t]*([^ \t]+)[ \t]*(.*)$/.exec(line) ?? [];
  if (interpreter === undefined) return undefined;
  if (interpreter !== "/usr/bin/env" && interpreter !== "/bin/env") return { interpreter };
  return { interpreter, search: envOperand(argument.trim()) };
}

/** env NAME, env -S "NAME args", with options and VAR=value before the name. Quoting is left alone: no interpreter needs it. */
function envOperand(argument: string): string | undefined {
  const split = /^(?:-S|--split-string[= ]|-[iv]*S)\s*(.*)$/.exec(argument)?.[1];
  // Without -S the kernel hands env a single argument, blanks included.
  const words = split === undefined ? [argument] : split.split(/\s+/);
  return words.find((word) => word !== "" && !word.startsWith("-") && !/^[A-Za-z_]\w*=/.test(word));
}
