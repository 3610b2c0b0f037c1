import type { PortRange } from "./policy.js";

/** What an absent port list of an `egress` rule stands for. */
export const everyTcpPort: readonly PortRange[] = [{ first: 1, last: 65535, protocol: "tcp" }];

/** Where DNS is served. */
const dnsPort = 53;

/**
 * What a list of ports opens: port 53 only where it stands by itself. A name server asks others on behalf of whoever asks it, and
 * carries what a program hides in names to anywhere; a rule for a network that has one in it does not mean that.
 */
export function openedPorts(ports: readonly PortRange[]): readonly PortRange[] {
  const listed = ports.length === 0 ? everyTcpPort : ports;
  return listed.flatMap((range) => {
    const { first, last } = range;
    if (first === last || last < dnsPort || dnsPort < first) return [range];
    return [
      { ...range, last: dnsPort - 1 },
      { ...range, first: dnsPort + 1 },
    ].filter((part) => part.first <= part.last);
  });
}

/**
 * The ports of `asked` that are in `allowed` too, both as in a rule: empty means every TCP port. undefined when there are
 * none, for an empty list would say the opposite. A list that fits whole is kept as it is.
 */
export function intersectPorts(
  asked: readonly PortRange[],
  allowed: readonly PortRange[],
): readonly PortRange[] | undefined {
  if (portsContain(allowed, asked)) return asked;
  const merged = mergeRanges(openedPorts(allowed));
  const met = openedPorts(asked).flatMap((range) =>
    merged.flatMap((other) => {
      const first = Math.max(range.first, other.first);
      const last = Math.min(range.last, other.last);
      return other.protocol === range.protocol && first <= last
        ? [{ first, last, protocol: range.protocol }]
        : [];
    }),
  );
  return met.length === 0 ? undefined : joinOverDns(met);
}

/** Whether `outer` holds every port of `inner`; empty lists mean every TCP port. */
export function portsContain(outer: readonly PortRange[], inner: readonly PortRange[]): boolean {
  const merged = mergeRanges(openedPorts(outer));
  return openedPorts(inner).every((range) => merged.some((other) => rangeContains(other, range)));
}

export function formatPorts(ports: readonly PortRange[]): string {
  if (ports.length === 0) return "every TCP port";
  return ports
    .map(
      ({ first, last, protocol }) =>
        `${first === last ? first : `${first}-${last}`}${protocol === "udp" ? "/udp" : ""}`,
    )
    .join(", ");
}

/** Undoes what {@link openedPorts} does to a range, for who reads it. */
function joinOverDns(ports: readonly PortRange[]): readonly PortRange[] {
  const joined: PortRange[] = [];
  for (const range of ports) {
    const before = joined.at(-1);
    if (before?.protocol === range.protocol && before.last === dnsPort - 1 && range.first === dnsPort + 1)
      joined[joined.length - 1] = { ...before, last: range.last };
    else joined.push(range);
  }
  return joined;
}

/** Sorted, without overlaps, neighbours joined. */
function mergeRanges(ports: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ports].sort((a, b) => a.protocol.localeCompare(b.protocol) || a.first - b.first)) {
    const last = merged.at(-1);
    if (last?.protocol === range.protocol && range.first <= last.last + 1)
      merged[merged.length - 1] = { ...last, last: Math.max(last.last, range.last) };
    else merged.push(range);
  }
  return merged;
}

function rangeContains(outer: PortRange, inner: PortRange): boolean {
  return outer.protocol === inner.protocol && outer.first <= inner.first && inner.last <= outer.last;
}
