/** Why a command cannot be run, before anything was started. */
export interface Problem {
  readonly problem: "not-found" | "not-executable" | "prefix-not-recognised";
  readonly message: string;
  readonly hint: string;
}

export function unrecognised(message: string, hint: string): Problem {
  return { problem: "prefix-not-recognised", message, hint };
}

export function notFound(message: string, hint: string): Problem {
  return { problem: "not-found", message, hint };
}

export function notExecutable(path: string): Problem {
  return {
    problem: "not-executable",
    message: `${path}: not an executable file`,
    hint: `chmod +x ${path}, or name its interpreter`,
  };
}

export function grantHint(path: string): string {
  return `grant it, if the program may read all of it: --read ${path}`;
}
