import { SkillboxError } from "../errors.js";
import type { NetworkPolicy } from "../policy/policy.js";
import type { UpstreamProxyUse } from "./outward.js";
import { parseNoProxy } from "./upstream-proxy-bypass.js";
import { parseProxyUrl } from "./upstream-proxy-url.js";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that a policy names, or has us take from the caller's variables: never one that only the environment speaks of. Throws
 * ERR_POLICY for one that cannot be used.
 */
export function upstreamProxyOf(
  { upstreamProxy, noProxy }: Pick<NetworkPolicy, "upstreamProxy" | "noProxy">,
  environment: Environment,
): UpstreamProxyUse | undefined {
  if (upstreamProxy === undefined) return undefined;
  const fromEnvironment = upstreamProxy.url === "environment";
  const url = fromEnvironment
    ? (variable(environment, "HTTPS_PROXY") ?? variable(environment, "ALL_PROXY"))
    : upstreamProxy.url;
  // A host without one needs none.
  if (url === undefined) return undefined;
  const parsed = parseProxyUrl(url);
  if ("problem" in parsed) {
    const { origin } = upstreamProxy;
    const place = origin === undefined ? "" : `${origin.file}:${origin.line}:${origin.column}: `;
    throw new SkillboxError("ERR_POLICY", `${place}error: network.upstreamProxy: ${parsed.problem}`, {
      hint: fromEnvironment
        ? "it was taken from HTTPS_PROXY or ALL_PROXY: mend that variable"
        : "write for example http://proxy.example:3128 or socks5://proxy.example:1080",
    });
  }
  const listed = fromEnvironment ? [variable(environment, "NO_PROXY") ?? ""] : [];
  return { proxy: parsed.value, bypass: parseNoProxy([...noProxy, ...listed].join(",")) };
}

/** Lower case first, as curl and most others do. */
function variable(environment: Environment, name: string): string | undefined {
  const value = environment[name.toLowerCase()] ?? environment[name];
  return value === "" ? undefined : value;
}
