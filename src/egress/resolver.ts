import { addressBytes, readAddress } from "./addresses.js";
import { classIn, type Rcode, typeName, types } from "./dns-codes.js";
import { type Query, readQuery } from "./dns-message.js";
import {
  type DnsRecord,
  nameBytes,
  type Reply,
  soaData,
  udpLimit,
  writeError,
  writeReply,
} from "./dns-reply.js";
import type { WildcardLimits } from "./names-limit.js";
import { hostName, isLocalhost, reverseAddress, shownName } from "./resolver-names.js";
import { QueryRate, type QueryRateOptions } from "./resolver-rate.js";
import type { Decision, EgressRules } from "./rules.js";
import type { SyntheticAddresses } from "./synthetic.js";

export interface DnsEvent {
  /** As in a zone file, in the case of the query; "" where it could not be read. */
  readonly name: string;
  /** "A", "AAAA", "TYPE1234"; "" where it could not be read. */
  readonly type: string;
  readonly transport: Transport;
  readonly verdict: "allow" | "deny";
  readonly rule: string;
  /** The address or name that was given, or "NODATA", "NXDOMAIN", "FORMERR", "SERVFAIL", …. */
  readonly answer: string;
  readonly hint?: string;
}

export type Transport = "udp" | "tcp";

export interface ResolverOptions {
  readonly rules: Pick<EgressRules, "judgeName" | "hasAllowedBelow">;
  readonly synthetic: Pick<SyntheticAddresses, "assign" | "lookup">;
  readonly limits: Pick<WildcardLimits, "admit">;
  /** Called before the answer is returned, once for each query that gets one; of a flood, for its first. */
  readonly onQuery: (event: DnsEvent) => void;
  readonly rate?: QueryRateOptions;
}

/**
 * The DNS server of a sandbox, whatever address the program thinks it asks. Answers come from the policy alone: no query ever
 * leaves, an allowed name gets synthetic addresses, and is resolved outside when the program connects to one.
 */
export class Resolver {
  readonly #rules: ResolverOptions["rules"];
  readonly #synthetic: ResolverOptions["synthetic"];
  readonly #limits: ResolverOptions["limits"];
  readonly #onQuery: (event: DnsEvent) => void;
  readonly #rate: QueryRate;

  constructor(options: ResolverOptions) {
    this.#rules = options.rules;
    this.#synthetic = options.synthetic;
    this.#limits = options.limits;
    this.#onQuery = options.onQuery;
    this.#rate = new QueryRate(options.rate);
  }

  /**
   * The reply to one message (over TCP without its two bytes of length), of `maxBytes` at most; undefined if there is to be none.
   * Never throws, whatever the bytes are.
   */
  answer(message: Uint8Array, transport: Transport, maxBytes: number): Uint8Array | undefined {
    const reading = readQuery(message);
    if (reading.kind === "ignored") return undefined;
    const rate = this.#rate.take();
    const flooded = rate === "ok" ? undefined : outcome("deny", "limit: queries per second", "SERVFAIL");
    if (reading.kind === "error") {
      const { id, flags, rcode } = reading;
      const found = flooded ?? outcome("deny", "malformed query", rcode);
      if (rate !== "exceeded") this.#report({ name: "", type: "", transport }, found);
      return writeError(id, flags, found.reply.rcode, maxBytes);
    }
    const { query } = reading;
    const found = flooded ?? this.#resolve(query);
    if (rate !== "exceeded")
      this.#report({ name: shownName(query.labels), type: typeName(query.type), transport }, found);
    const most = transport === "udp" ? udpLimit(query) : 0xffff;
    return writeReply(query, found.reply, Math.min(maxBytes, most));
  }

  #report(asked: Pick<DnsEvent, "name" | "type" | "transport">, { decision, answer }: Outcome): void {
    const { verdict, rule, hint } = decision;
    this.#onQuery({ ...asked, verdict, rule, answer, ...(hint === undefined ? {} : { hint }) });
  }

  #resolve(query: Query): Outcome {
    const { type } = query;
    if ((query.edns?.version ?? 0) > 0) return outcome("deny", "unsupported EDNS version", "BADVERS");
    if (type === types.AXFR || type === types.IXFR) return outcome("deny", "zone transfer", "REFUSED");
    const isMeta = type === 0 || type === types.OPT || (type >= 128 && type < 255);
    if (isMeta || query.class !== classIn) return outcome("deny", "unsupported type or class", "NOTIMP");
    const name = hostName(query.labels);
    // The root exists.
    if (query.labels.length === 0) return negative(this.#rules.judgeName(""), "NODATA");
    if (name === undefined) return negative({ verdict: "deny", rule: "invalid-name" }, "NXDOMAIN");
    return this.#local(name, type) ?? this.#byRule(name, type);
  }

  /** What every resolver answers by itself. */
  #local(name: string, type: number): Outcome | undefined {
    if (isLocalhost(name)) {
      const addresses = { ipv4: "127.0.0.1", ipv6: "::1" };
      return addressOutcome(local("RFC 6761"), type, addresses);
    }
    // Firefox asks for this name before it turns to DNS over HTTPS of its own, and does not if there is no such name.
    if (name === "use-application-dns.net") return negative(local("no DNS over HTTPS"), "NXDOMAIN");
    // RFC 9462, 6.4: whether an encrypted resolver is at hand. There is none.
    if (name === "resolver.arpa" || name.endsWith(".resolver.arpa"))
      return negative(local("RFC 9462"), "NODATA");
    const reversed = type === types.PTR ? reverseAddress(name) : undefined;
    if (reversed === undefined) return undefined;
    const isLoopback = reversed === "127.0.0.1" || /^[0:]+1$/.test(reversed);
    const target = isLoopback ? "localhost" : this.#synthetic.lookup(reversed);
    if (target === undefined) return negative(local("reverse name"), "NXDOMAIN");
    const record = { type: types.PTR, ttlSeconds, data: nameBytes(target) };
    return positive(local("reverse name"), target, record);
  }

  #byRule(name: string, type: number): Outcome {
    const decision = this.#rules.judgeName(name);
    // Where an allowed name may lie below, "no such name" would speak for that too (RFC 8020).
    const absent = this.#rules.hasAllowedBelow(name) ? "NODATA" : "NXDOMAIN";
    if (decision.verdict === "deny") return negative(decision, absent);
    // Mail, text, services, HTTPS and SVCB: we do not know, and would not ask. Without HTTPS records there is no ECH either.
    if (!isAddressType(type)) return negative(decision, "NODATA");
    const admitted = this.#limits.admit(name, decision);
    if (admitted.verdict === "deny") return negative(admitted, absent);
    const pair = this.#synthetic.assign(name);
    if (pair === undefined) return outcome("deny", "limit: names with addresses", "SERVFAIL");
    return addressOutcome(admitted, type, pair);
  }
}

interface Outcome {
  readonly decision: Decision;
  readonly answer: string;
  readonly reply: Reply;
}

/**
 * What is true for the whole run could be kept for the whole run; the pair must not outlive it in a program that is kept warm or
 * was saved and restored. Not 0, at which some clients ask before each connection.
 */
const ttlSeconds = 30;
const soa: DnsRecord = { type: types.SOA, ttlSeconds: 5, data: soaData(5) };

function local(rule: string): Decision {
  return { verdict: "allow", rule };
}

function outcome(verdict: "allow" | "deny", rule: string, rcode: Rcode): Outcome {
  return { decision: { verdict, rule }, answer: rcode, reply: { rcode } };
}

/** With an SOA record, or clients would neither believe nor keep it (RFC 2308, 2). */
function negative(decision: Decision, answer: "NODATA" | "NXDOMAIN"): Outcome {
  return { decision, answer, reply: { rcode: answer === "NODATA" ? "NOERROR" : answer, authority: soa } };
}

function positive(decision: Decision, answer: string, record: DnsRecord): Outcome {
  return { decision, answer, reply: { rcode: "NOERROR", answers: [record] } };
}

function isAddressType(type: number): boolean {
  return type === types.A || type === types.AAAA || type === types.ANY;
}

/** To ANY, one set of records is a complete answer (RFC 8482, 4.1). */
function addressOutcome(
  decision: Decision,
  type: number,
  { ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string },
): Outcome {
  if (!isAddressType(type)) return negative(decision, "NODATA");
  const text = type === types.AAAA ? ipv6 : ipv4;
  const address = readAddress(text);
  if (address === undefined) return outcome("deny", "limit: names with addresses", "SERVFAIL");
  const recordType = type === types.AAAA ? types.AAAA : types.A;
  return positive(decision, text, { type: recordType, ttlSeconds, data: addressBytes(address) });
}
