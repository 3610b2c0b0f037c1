import type { EnvironmentPolicy } from "../policy/policy.js";
import { sandboxHome, sandboxUser } from "./system-mounts.js";

/**
 * The program's environment as `NAME=value`, sorted: nothing of the caller's but what the policy passes by name, and what
 * says who and where the program is. `set` wins over `pass`, and both over ours.
 */
export function programEnvironment(
  policy: EnvironmentPolicy,
  caller: Readonly<Record<string, string | undefined>>,
  searchPath: readonly string[],
): readonly string[] {
  const variables: Record<string, string> = {
    HOME: sandboxHome,
    LOGNAME: sandboxUser,
    PATH: searchPath.join(":"),
    SHELL: "/bin/sh",
    SKILLBOX: "1",
    TMPDIR: "/tmp",
    USER: sandboxUser,
  };
  for (const name of policy.pass) {
    const value = caller[name];
    if (value !== undefined) variables[name] = value;
  }
  Object.assign(variables, policy.set);
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted();
}
