import dns from "node:dns";

export interface OutsideLookupOptions {
  /** For one name. Default: 5 s, which is what resolv.conf(5) waits for one server. */
  readonly timeoutMs?: number;
  /** How long an answer serves further connections. Default: 1 s. */
  readonly keepMs?: number;
  /** Default: getaddrinfo(3) as every program of the host uses it, /etc/hosts and search domains included. */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
}

/** The addresses of an allowed name, as the host resolves it. Nobody has judged them yet. */
export type ResolveOutside = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

/** One look-up by itself, without repeating addresses. Rejects when the name has none, with the signal, and after 5 s. */
export async function resolveOutside(name: string, signal: AbortSignal): Promise<readonly string[]> {
  return await outsideLookup()(name, signal);
}

/**
 * Look-ups that share their work: of 200 connections at a time to one name, one asks. getaddrinfo cannot be interrupted and
 * occupies a thread until it returns (node lets it have half of the pool), so an abandoned one is waited for by nobody, but
 * still shared.
 */
export function outsideLookup(options: OutsideLookupOptions = {}): ResolveOutside {
  const { timeoutMs = 5000, keepMs = 1000, lookup = lookupOnHost } = options;
  const running = new Map<string, Promise<readonly string[]>>();

  const shared = (name: string): Promise<readonly string[]> => {
    const known = running.get(name);
    if (known !== undefined) return known;
    const started = lookup(name).then((addresses) => [...new Set(addresses)]);
    running.set(name, started);
    const forget = (): void => void running.delete(name);
    // A failure is not kept: the next connection may find the network back.
    started.then(() => setTimeout(forget, keepMs).unref(), forget);
    return started;
  };

  return async (name, signal) => {
    signal.throwIfAborted();
    const given = shared(name);
    return await new Promise<readonly string[]>((resolve, reject) => {
      const timer = setTimeout(
        () => end(new Error(`no answer for ${name} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      const aborted = (): void => end(signal.reason);
      const end = (reason: unknown): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        reject(
          reason instanceof Error ? reason : new Error(`looking ${name} up was aborted`, { cause: reason }),
        );
      };
      signal.addEventListener("abort", aborted, { once: true });
      given.then((addresses) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        resolve(addresses);
      }, end);
    });
  };
}

/** In the order of the host's gai.conf; dns.lookup takes numbers for addresses, but no such thing is a canonical name. */
async function lookupOnHost(name: string): Promise<readonly string[]> {
  const found = await dns.promises.lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}
