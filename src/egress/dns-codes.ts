/** Numbers of the DNS (IANA's registry "Domain Name System (DNS) Parameters"). */

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Extended: its upper eight bits travel in the OPT record (RFC 6891, 6.1.3). */
  BADVERS: 16,
} as const;
export type Rcode = keyof typeof rcodes;

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export const classIn = 1;

const typeNames = new Map<number, string>(Object.entries(types).map(([name, code]) => [code, name]));

/** "AAAA"; "TYPE1234" for others, as in RFC 3597. */
export function typeName(code: number): string {
  return typeNames.get(code) ?? `TYPE${code}`;
}
