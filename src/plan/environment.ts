import type { EnvironmentPolicy } from "../policy/policy.js";
import type { Persona } from "./persona.js";

/**
 * The program's environment as `NAME=value`, sorted: nothing of the caller's but what the policy passes by name, and what
 * says who and where the program is. `set` wins over `pass`, and both over ours.
 */
export function programEnvironment(
  policy: EnvironmentPolicy,
  { user, home, variables: own }: Persona,
  proxyPort: number | undefined,
  caller: Readonly<Record<string, string | undefined>>,
  searchPath: readonly string[],
): readonly string[] {
  const variables: Record<string, string> = {
    HOME: home,
    LOGNAME: user,
    PATH: searchPath.join(":"),
    SHELL: "/bin/sh",
    TMPDIR: "/tmp",
    USER: user,
    ...own,
    ...(proxyPort === undefined ? {} : proxyVariables(proxyPort)),
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

/** By which programs find the proxy; some read them in capitals only, some in small letters. */
function proxyVariables(port: number): Readonly<Record<string, string>> {
  const proxy = `http://127.0.0.1:${String(port)}`;
  const own = "localhost,127.0.0.1,::1";
  const variables = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy, NO_PROXY: own };
  const inSmall = new Map(Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value]));
  return { ...variables, ...Object.fromEntries(inSmall) };
}
