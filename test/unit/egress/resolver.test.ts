import dgram from "node:dgram";
import { promises as dns } from "node:dns";
import { once } from "node:events";

import test from "ava";
import fc from "fast-check";

import { WildcardLimits } from "../../../src/egress/names-limit.js";
import { type DnsEvent, Resolver, type ResolverOptions } from "../../../src/egress/resolver.js";
import { EgressRules } from "../../../src/egress/rules.js";
import { SyntheticAddresses } from "../../../src/egress/synthetic.js";
import { policyFromObject } from "../../../src/policy/load.js";

import { type Asked, opt, queryBytes, type ReadReply, readReply } from "./dns-bytes.js";

const policy = policyFromObject(
  {
    version: 1,
    network: {
      egress: [
        { to: ["pypi.org", "*.pythonhosted.org", "xn--bcher-kva.example", "db"] },
        { to: ["10.0.0.0/8"] },
      ],
      egressDeny: [{ to: ["telemetry.pythonhosted.org"] }],
    },
  },
  { baseDirectory: "/skill" },
);

function resolverWith(
  options: Partial<ResolverOptions> & { readonly capacity?: number; readonly names?: number } = {},
): {
  resolver: Resolver;
  events: DnsEvent[];
  ask: (asked: Asked, maxBytes?: number) => ReadReply;
} {
  const events: DnsEvent[] = [];
  const resolver = new Resolver({
    rules: new EgressRules(policy.network),
    synthetic: new SyntheticAddresses({ capacity: options.capacity ?? 100 }),
    limits: new WildcardLimits({ namesPerWildcard: options.names ?? 100 }),
    onQuery: (event) => void events.push(event),
    ...options,
  });
  const ask = (asked: Asked, maxBytes = 65_535): ReadReply => {
    const reply = resolver.answer(queryBytes(asked), "udp", maxBytes);
    if (reply === undefined) throw new Error("no reply");
    return readReply(reply);
  };
  return { resolver, events, ask };
}

const [formErr, servFail, nxDomain, notImp, refused] = [1, 2, 3, 4, 5];
const [a, soa, ptr, txt, aaaa, https] = [1, 6, 12, 16, 28, 65];

test("an allowed name: both families, the case of the question kept, flags that stubs insist on", (t) => {
  const { ask, events } = resolverWith();
  const reply = ask({ name: ["PyPi", "oRG"], id: 0xbeef });
  t.is(reply.id, 0xbeef);
  t.deepEqual(reply.questions, [{ name: "PyPi.oRG", type: a, class: 1 }]);
  t.deepEqual(reply.answers, [
    { name: "PyPi.oRG", type: a, class: 1, ttl: 30, data: Buffer.of(55, 98, 0, 1) },
  ]);
  // QR, RD as it came, RA; neither AA nor AD.
  t.is(reply.flags, 0x8180);
  t.is(ask({ flags: 0x0030 }).flags, 0x8090);
  const six = ask({ type: aaaa });
  t.is(six.answers[0]?.data.toString("hex"), "30007362000000000000000000000001");
  t.deepEqual(events[0], {
    name: "PyPi.oRG",
    type: "A",
    transport: "udp",
    verdict: "allow",
    rule: "egress[0]",
    answer: "55.98.0.1",
  });
});

test("of an allowed name nothing but addresses is known: NODATA with SOA, and no ECH keys", (t) => {
  const { ask, events } = resolverWith();
  for (const type of [2, 5, 6, 10, 13, 15, txt, 33, 35, 43, 48, 64, https, 257, 9999]) {
    const reply = ask({ type });
    t.deepEqual([reply.rcode, reply.answers.length], [0, 0], `type ${type}`);
    t.deepEqual(
      reply.authority.map(({ name, type: of }) => [name, of]),
      [["", soa]],
    );
    t.is(reply.authority[0]?.data.readUInt32BE(reply.authority[0].data.length - 4), 5);
  }
  t.deepEqual([...new Set(events.map(({ answer }) => answer))], ["NODATA"]);
  t.true(events.some(({ type }) => type === "TYPE9999"));
  // ANY has one set of records for an answer (RFC 8482).
  t.deepEqual(
    ask({ type: 255 }).answers.map(({ type }) => type),
    [a],
  );
});

test("a name that is not allowed is none, for every type, at once, and with the line that would allow it", (t) => {
  const { ask, events } = resolverWith();
  for (const type of [a, aaaa, ptr, txt, 10, https, 255]) {
    const reply = ask({ name: ["secret-data", "evil", "example"], type });
    t.deepEqual([reply.rcode, reply.answers.length, reply.authority[0]?.type], [nxDomain, 0, soa]);
  }
  t.deepEqual(events[0], {
    name: "secret-data.evil.example",
    type: "A",
    transport: "udp",
    verdict: "deny",
    rule: "default",
    answer: "NXDOMAIN",
    hint: 'network.egress: [{ to: ["secret-data.evil.example"], ports: [443] }]',
  });
  t.is(ask({ name: ["telemetry", "pythonhosted", "org"] }).rcode, nxDomain);
  t.is(events.at(-1)?.rule, "egressDeny[0]");
  // Search domains and mDNS names fail at once too; ndots sends them first.
  for (const name of [["pypi", "org", "corp", "example"], ["printer", "local"], ["single"]])
    t.is(ask({ name }).rcode, nxDomain);
  t.is(ask({ name: ["db"] }).answers.length, 1);
  // DNS over HTTPS stays off in Firefox.
  t.is(ask({ name: ["use-application-dns", "net"] }).rcode, nxDomain);
});

test("a parent of allowed names exists, or a cache would deny these with it (RFC 8020)", (t) => {
  const { ask, events } = resolverWith();
  for (const name of [["pythonhosted", "org"], ["org"], []]) {
    const reply = ask({ name });
    t.deepEqual([reply.rcode, reply.answers.length, reply.authority.length], [0, 0, 1]);
    t.like(events.at(-1), { verdict: "deny", answer: "NODATA" });
  }
});

test("what names the machine itself is answered here", (t) => {
  const { ask } = resolverWith();
  t.is(ask({ name: ["LocalHost"] }).answers[0]?.data.join("."), "127.0.0.1");
  t.is(ask({ name: ["a", "localhost"], type: aaaa }).answers[0]?.data.toString("hex"), `${"0".repeat(31)}1`);
  t.deepEqual(
    [ask({ name: ["localhost"], type: txt }).rcode, ask({ name: ["localhost"], type: txt }).answers.length],
    [0, 0],
  );
  t.is(ask({ name: ["localhost", "evil", "example"] }).rcode, nxDomain);
  t.is(ask({ name: ["_dns", "resolver", "arpa"], type: 64 }).rcode, 0);
  t.is(ask({ name: ["notresolver", "arpa"], type: 64 }).rcode, nxDomain);
});

test("reverse names: of synthetic addresses and loopback", (t) => {
  const { ask } = resolverWith();
  const reverse = (text: string): ReadReply => ask({ name: text.split("."), type: ptr });
  ask({ name: ["files", "pythonhosted", "org"] });
  const expected = "\x05files\x0cpythonhosted\x03org\0";
  t.is(reverse("1.0.98.55.in-addr.arpa").answers[0]?.data.toString("latin1"), expected);
  const six = `1.${"0.".repeat(23)}2.6.3.7.0.0.0.3.IP6.ARPA`;
  t.is(reverse(six).answers[0]?.data.toString("latin1"), expected);
  t.is(reverse("1.0.0.127.in-addr.arpa").answers[0]?.data.toString("latin1"), "\x09localhost\0");
  t.is(reverse(`1.${"0.".repeat(31)}ip6.arpa`).answers[0]?.data.toString("latin1"), "\x09localhost\0");
  for (const other of [
    "8.8.8.8.in-addr.arpa",
    "2.0.98.55.in-addr.arpa",
    "1.98.55.in-addr.arpa",
    "300.0.98.55.in-addr.arpa",
    "in-addr.arpa",
  ])
    t.is(reverse(other).rcode, nxDomain, other);
});

test("labels are bytes: a dot or a NUL inside one makes no other name", (t) => {
  const { ask, events } = resolverWith();
  const odd = [
    ["pypi.org"],
    ["pypi\0", "org"],
    ["pypi", "org\0evil"],
    ["py pi", "org"],
    ["b\u00fccher", "example"],
    ["*", "pythonhosted", "org"],
  ];
  for (const name of odd) {
    const reply = ask({ name });
    t.deepEqual([reply.rcode, reply.answers.length], [nxDomain, 0]);
  }
  t.deepEqual(events.map(({ name }) => name).slice(0, 3), [
    "pypi\\046org",
    "pypi\\000.org",
    "pypi.org\\000evil",
  ]);
  t.true(events.every(({ rule }) => rule === "invalid-name"));
});

test("EDNS is answered in kind", (t) => {
  const { ask } = resolverWith();
  const plain = ask({});
  t.deepEqual(plain.additional, []);
  const [record] = ask({ counts: [1, 0, 0, 1], rest: opt(4096) }).additional;
  t.like(record, { name: "", type: 41, class: 1232, ttl: 0 });
  const cookie = Buffer.from("000a00080102030405060708", "hex");
  t.is(ask({ counts: [1, 0, 0, 1], rest: opt(4096, 0, cookie) }).rcode, 0);
  const badVersion = ask({ counts: [1, 0, 0, 1], rest: opt(4096, 1) });
  t.deepEqual([badVersion.rcode, badVersion.additional[0]?.ttl], [0, 1 << 24]);
});

test("a reply keeps to the size it may have", (t) => {
  const { ask, resolver } = resolverWith();
  const whole = resolver.answer(queryBytes({ type: txt }), "tcp", 65_535)?.length ?? 0;
  for (const maxBytes of [whole - 1, 40, 26]) {
    const reply = ask({ type: txt }, maxBytes);
    t.deepEqual([reply.truncated, reply.questions.length, reply.authority.length], [true, 1, 0]);
  }
  t.like(ask({ type: txt }, 25), { truncated: true, questions: [] });
  t.is(resolver.answer(queryBytes({}), "udp", 11), undefined);
});

test("what is malformed gets FORMERR, what must not be answered gets nothing", (t) => {
  const { resolver, events, ask } = resolverWith();
  const rcodeOf = (message: Uint8Array): number | undefined => {
    const reply = resolver.answer(message, "udp", 512);
    return reply === undefined ? undefined : readReply(reply).rcode;
  };
  const pointer = (offset: number): Buffer =>
    Buffer.concat([queryBytes({}).subarray(0, 12), Buffer.of(0xc0, offset, 0, 1, 0, 1)]);
  const longName = Array.from({ length: 4 }, () => "a".repeat(63));
  const table: Readonly<Record<string, readonly [message: Uint8Array, rcode: number | undefined]>> = {
    empty: [Buffer.alloc(0), undefined],
    "half a header": [Buffer.alloc(11), undefined],
    "a reply": [queryBytes({ flags: 0x8180 }), undefined],
    "a header alone": [queryBytes({}).subarray(0, 12), formErr],
    "no question": [queryBytes({ counts: [0, 0, 0, 0] }), formErr],
    "two questions": [
      Buffer.concat([queryBytes({ counts: [2, 0, 0, 0] }), queryBytes({}).subarray(12)]),
      formErr,
    ],
    "a pointer to itself": [pointer(12), formErr],
    "a pointer into the header": [pointer(0), formErr],
    "a pointer ahead": [pointer(30), formErr],
    "a label of the type 01": [queryBytes({ name: [Buffer.alloc(65)] }), formErr],
    "a name of 256 bytes": [queryBytes({ name: longName }), formErr],
    "a name without end": [queryBytes({}).subarray(0, 20), formErr],
    "no type": [queryBytes({}).subarray(0, -4), formErr],
    "half a class": [queryBytes({}).subarray(0, -1), formErr],
    "bytes after the question": [queryBytes({ rest: Buffer.of(0) }), formErr],
    "an answer": [queryBytes({ counts: [1, 1, 0, 0], rest: opt(512) }), formErr],
    "a record that is not there": [queryBytes({ counts: [1, 0, 0, 1] }), formErr],
    "65535 records that are not there": [queryBytes({ counts: [1, 0, 0, 65_535], rest: opt(512) }), formErr],
    "two OPT": [queryBytes({ counts: [1, 0, 0, 2], rest: Buffer.concat([opt(512), opt(512)]) }), formErr],
    "OPT with a name": [
      queryBytes({ counts: [1, 0, 0, 1], rest: Buffer.concat([Buffer.of(1, 97), opt(512)]) }),
      formErr,
    ],
    "half an option": [queryBytes({ counts: [1, 0, 0, 1], rest: opt(512, 0, Buffer.of(0, 10, 0)) }), formErr],
    "an option past its end": [
      queryBytes({ counts: [1, 0, 0, 1], rest: opt(512, 0, Buffer.of(0, 10, 0, 9, 1)) }),
      formErr,
    ],
    "64 KiB": [Buffer.alloc(65_535, 0x3f), notImp],
    "64 KiB of labels": [Buffer.concat([queryBytes({}).subarray(0, 12), Buffer.alloc(65_000, 1)]), formErr],
    "an update": [queryBytes({ flags: 0x2800 }), notImp],
    "a notification": [queryBytes({ flags: 0x2000 }), notImp],
    "another class": [queryBytes({ class: 3, name: ["version", "bind"], type: txt }), notImp],
    "any class": [queryBytes({ class: 255 }), notImp],
    "a transfer": [queryBytes({ type: 252 }), refused],
    "an incremental transfer": [queryBytes({ type: 251, counts: [1, 0, 1, 0], rest: opt(1) }), refused],
    "a question for OPT": [queryBytes({ type: 41 }), notImp],
    "a question for TSIG": [queryBytes({ type: 250 }), notImp],
    "type 0": [queryBytes({ type: 0 }), notImp],
  };
  for (const [what, [message, rcode]] of Object.entries(table)) t.is(rcodeOf(message), rcode, what);
  t.is(events.length, Object.values(table).filter(([, rcode]) => rcode !== undefined).length);
  t.true(events.every(({ verdict }) => verdict === "deny"));
  // It lives on.
  t.is(ask({}).answers.length, 1);
  const longest = [...Array.from({ length: 3 }, () => "a".repeat(63)), "a".repeat(61)];
  t.is(rcodeOf(queryBytes({ name: longest })), nxDomain);
  t.is(
    rcodeOf(
      queryBytes({
        counts: [1, 0, 0, 2],
        rest: Buffer.concat([Buffer.of(0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 0), opt(512)]),
      }),
    ),
    0,
  );
});

test("limits: names with addresses, names under a wildcard, queries per second", (t) => {
  const few = resolverWith({ capacity: 1 });
  t.is(few.ask({}).answers.length, 1);
  t.is(few.ask({ name: ["db"] }).rcode, servFail);
  t.is(few.ask({ type: aaaa }).answers.length, 1);
  t.is(few.events.at(1)?.rule, "limit: names with addresses");

  const narrow = resolverWith({ names: 1 });
  t.is(narrow.ask({ name: ["a", "pythonhosted", "org"] }).answers.length, 1);
  t.is(narrow.ask({ name: ["a", "pythonhosted", "org"], type: aaaa }).answers.length, 1);
  t.is(narrow.ask({ name: ["b", "pythonhosted", "org"] }).rcode, nxDomain);
  t.is(narrow.events.at(-1)?.rule, "limit: names under *.pythonhosted.org");

  let now = 0;
  const slow = resolverWith({ rate: { burst: 2, perSecond: 10, now: () => now } });
  const rcodes = Array.from({ length: 4 }, () => slow.ask({}).rcode);
  t.deepEqual(rcodes, [0, 0, servFail, servFail]);
  t.deepEqual(
    slow.events.map(({ answer }) => answer),
    ["55.98.0.1", "55.98.0.1", "SERVFAIL"],
  );
  now = 100;
  t.deepEqual([slow.ask({}).rcode, slow.ask({}).rcode], [0, servFail]);
});

const label = fc.oneof(
  fc.constantFrom("pypi", "org", "pythonhosted", "localhost", "in-addr", "arpa", "1", "*"),
  fc.uint8Array({ minLength: 1, maxLength: 70 }),
);
const structured = fc
  .record({
    name: fc.array(label, { maxLength: 6 }),
    type: fc.constantFrom(0, a, ptr, txt, aaaa, 41, https, 250, 251, 252, 255, 4711),
    class: fc.constantFrom(1, 3, 255),
    flags: fc.oneof(fc.constant(0x0100), fc.nat(0xffff)),
    counts: fc.tuple(fc.constantFrom(1, 0, 2), fc.constantFrom(0, 1), fc.constantFrom(0, 1), fc.nat(3)),
    rest: fc.oneof(
      fc.constant(opt(1232)),
      fc.nat(0xffff).map((payload) => opt(payload)),
      fc.uint8Array({ maxLength: 40 }),
    ),
  })
  .map((asked) => queryBytes(asked));
const mutated = fc
  .tuple(structured, fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 4 }), fc.nat(120))
  .map(([bytes, edits, length]) => {
    const copy = Buffer.from(bytes.subarray(0, Math.max(length, 12)));
    for (const [offset, value] of edits) if (offset < copy.length) copy[offset] = value;
    return copy;
  });

test("whatever the bytes: no reply, or one well-formed reply to that question within its size", (t) => {
  const { resolver, events } = resolverWith({ rate: { burst: Infinity } });
  fc.assert(
    fc.property(
      fc.oneof(structured, mutated, fc.uint8Array({ maxLength: 600 })),
      fc.constantFrom("udp" as const, "tcp" as const),
      fc.oneof(fc.constant(65_535), fc.nat(600)),
      (message, transport, maxBytes) => {
        events.length = 0;
        const reply = resolver.answer(message, transport, maxBytes);
        if (reply === undefined) return;
        t.true(reply.length <= Math.min(maxBytes, transport === "udp" ? 1232 : 65_535));
        const read = readReply(reply);
        t.is(read.id, Buffer.from(message).readUInt16BE(0));
        t.true((read.flags & 0x8000) !== 0);
        t.is(events.length, 1);
        if (read.questions.length === 1)
          t.deepEqual(Buffer.from(reply.subarray(12, 16)), Buffer.from(message.subarray(12, 16)));
        // Addresses are given for names that the policy has, and to nobody else.
        if (read.answers.length > 0)
          t.regex(
            read.questions[0]?.name ?? "",
            /(^|\.)localhost$|^pypi\.org$|^[a-z0-9_-]+\.pythonhosted\.org$|^db$|\.arpa$/i,
          );
      },
    ),
    { numRuns: 5000 },
  );
});

test("node's resolver, c-ares, takes the answers for what they are", async (t) => {
  const { resolver } = resolverWith();
  const server = dgram.createSocket("udp4");
  server.on("message", (message, { port, address }) => {
    const reply = resolver.answer(message, "udp", 65_535);
    if (reply !== undefined) server.send(reply, port, address);
  });
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const client = new dns.Resolver({ timeout: 2000, tries: 1 });
  client.setServers([`127.0.0.1:${server.address().port}`]);
  try {
    const [four, six] = await Promise.all([
      client.resolve4("PyPI.org", { ttl: true }),
      client.resolve6("pypi.org"),
    ]);
    t.deepEqual(four, [{ address: "55.98.0.1", ttl: 30 }]);
    t.deepEqual(six, ["3000:7362::1"]);
    t.deepEqual(await client.resolve4("bücher.example"), ["55.98.0.2"]);
    t.deepEqual(await client.reverse("55.98.0.1"), ["pypi.org"]);
    t.deepEqual(await client.reverse("3000:7362::1"), ["pypi.org"]);
    await t.throwsAsync(client.resolve4("evil.example"), { code: "ENOTFOUND" });
    await t.throwsAsync(client.resolve4("pythonhosted.org"), { code: "ENODATA" });
    await t.throwsAsync(client.resolveMx("pypi.org"), { code: "ENODATA" });
    await t.throwsAsync(client.reverse("8.8.8.8"), { code: "ENOTFOUND" });
  } finally {
    server.close();
  }
});
