import test from "ava";
import fc from "fast-check";

import { ClientHelloParser, type ClientHelloResult } from "../../../src/egress/client-hello.js";
import { captureHello, extension, helloMessage, record, records, serverName, vector } from "./hello-bytes.js";

function parse(...chunks: readonly Buffer[]): ClientHelloResult {
  const parser = new ClientHelloParser();
  let result: ClientHelloResult = { kind: "need-more" };
  for (const chunk of chunks) result = parser.push(chunk);
  return result;
}

function hello(
  name: string | undefined,
  alpn: readonly string[] = [],
  hasEncryptedClientHello = false,
): unknown {
  return { kind: "hello", serverName: name, alpn, hasEncryptedClientHello, offersEarlyData: false };
}

const captured = [
  ["TLS 1.3 and 1.2", { servername: "Example.COM" }, hello("example.com")],
  ["TLS 1.3 alone", { servername: "a.example", minVersion: "TLSv1.3" }, hello("a.example")],
  ["TLS 1.2 alone", { servername: "a.example", maxVersion: "TLSv1.2" }, hello("a.example")],
  [
    "ALPN",
    { servername: "a.example", ALPNProtocols: ["h2", "http/1.1"] },
    hello("a.example", ["h2", "http/1.1"]),
  ],
  ["no name", {}, hello(undefined)],
] as const;

for (const [title, options, expected] of captured)
  test(`OpenSSL's hello, cut anywhere: ${title}`, async (t) => {
    const bytes = await captureHello({
      ...options,
      ...("ALPNProtocols" in options ? { ALPNProtocols: [...options.ALPNProtocols] } : {}),
    });
    t.deepEqual(parse(bytes), expected);
    for (let at = 1; at < bytes.length; at++) {
      const parser = new ClientHelloParser();
      t.is(parser.push(bytes.subarray(0, at)).kind, "need-more");
      t.deepEqual(parser.push(bytes.subarray(at)), expected);
    }
    t.deepEqual(parse(...[...bytes].map((byte) => Buffer.from([byte]))), expected);
    const message = bytes.subarray(5);
    for (const size of [1, 2, 3, 5, 64, 200]) t.deepEqual(parse(records(message, size)), expected);
  });

const named = helloMessage({ extensions: [serverName("a.example")] });

const accepted: readonly (readonly [string, Buffer, unknown])[] = [
  ["without extensions (before TLS 1.2)", record(helloMessage({ extensions: "none" })), hello(undefined)],
  [
    "with GREASE (RFC 8701)",
    record(helloMessage({ extensions: [extension(0x2a2a, vector(1)), serverName("a.example")] })),
    hello("a.example"),
  ],
  ["in a record of a version that there is none of", record(named, 22, [3, 0x7f]), hello("a.example")],
  [
    "with ECH",
    record(helloMessage({ extensions: [serverName("a.example"), extension(0xfe0d, Buffer.alloc(9))] })),
    hello("a.example", [], true),
  ],
  [
    "followed by early data",
    Buffer.concat([record(named), record(Buffer.alloc(50), 23)]),
    hello("a.example"),
  ],
  [
    "with `_` and digits",
    record(helloMessage({ extensions: [serverName("_x-1.a1.example")] })),
    hello("_x-1.a1.example"),
  ],
  ["in SSL 2.0's form", Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 16]), hello(undefined)],
];

for (const [title, bytes, expected] of accepted)
  test(`a hello ${title}`, (t) => {
    t.deepEqual(parse(bytes), expected);
    t.deepEqual(parse(...[...bytes].map((byte) => Buffer.from([byte]))), expected);
  });

const withName = (...names: readonly string[]): Buffer =>
  record(helloMessage({ extensions: [serverName(...names)] }));

const malformed: readonly (readonly [string, Buffer, RegExp])[] = [
  ["two names", withName("a.example", "b.example"), /more than one server name/],
  [
    "two server_name extensions",
    record(helloMessage({ extensions: [serverName("a.example"), serverName("b.example")] })),
    /extension 0 appears twice/,
  ],
  ["no name in server_name", withName(), /shorter/],
  ["an empty name", withName(""), /shorter/],
  ["a NUL in the name", withName("a.example\0.b.example"), /not a valid host name/],
  ["a trailing dot", withName("a.example."), /not a valid host name/],
  ["a space", withName("a .example"), /not a valid host name/],
  ["an empty label", withName("a..example"), /not a valid host name/],
  ["bytes beyond ASCII", withName("ä.example"), /not a valid host name/],
  ["a name of 300", withName("a".repeat(60).concat(".").repeat(5).slice(0, -1)), /not a valid host name/],
  [
    "a name of another type",
    record(helloMessage({ extensions: [extension(0, vector(2, [1], vector(2, "a.example")))] })),
    /no host name/,
  ],
  [
    "bytes after the names",
    record(
      helloMessage({
        extensions: [extension(0, Buffer.concat([vector(2, [0], vector(2, "a.b")), Buffer.from([0])]))],
      }),
    ),
    /after the server names/,
  ],
  [
    "bytes after the extensions",
    record(helloMessage({ extensions: [], after: [0] })),
    /after the extensions/,
  ],
  [
    "an extension that is cut off",
    record(helloMessage({ extensions: [Buffer.from([0, 0, 0, 9, 1])] })),
    /beyond its end/,
  ],
  ["an odd list of suites", record(helloMessage({ suites: vector(2, [1, 2, 3]) })), /cipher suite/],
  ["a session id of 33", record(helloMessage({ sessionId: vector(1, Buffer.alloc(33)) })), /session id/],
  ["no compression method", record(helloMessage({ compression: vector(1) })), /shorter/],
  ["SSL 2.0 as its version", record(helloMessage({ version: [2, 0] })), /version/],
  [
    "an empty ALPN entry",
    record(helloMessage({ extensions: [extension(16, vector(2, vector(1)))] })),
    /shorter/,
  ],
  ["another message first", record(Buffer.from([0, 0, 0, 0])), /other than ClientHello/],
  [
    "an alert first, which OpenSSL reads over",
    Buffer.concat([record(Buffer.from([1, 0]), 21), record(named)]),
    /before the ClientHello/,
  ],
  [
    "a change_cipher_spec first",
    Buffer.concat([record(Buffer.from([1]), 20), record(named)]),
    /before the ClientHello/,
  ],
  [
    "another record in between",
    Buffer.concat([record(named.subarray(0, 9)), record(Buffer.from([1, 0]), 21)]),
    /before the ClientHello/,
  ],
  [
    "another message in its record",
    record(Buffer.concat([named, Buffer.from([20, 0, 0, 0])])),
    /after the ClientHello/,
  ],
  ["an empty record", record(Buffer.alloc(0)), /impossible length/],
  ["a record of 16 KiB and one byte", Buffer.from([22, 3, 1, 0x40, 1]), /impossible length/],
  ["a message of 64 KiB", record(Buffer.from([1, 1, 0, 0])), /16 KiB/],
];

for (const [title, bytes, why] of malformed)
  test(`not a hello to be judged: ${title}`, (t) => {
    for (const result of [parse(bytes), parse(...[...bytes].map((byte) => Buffer.from([byte])))]) {
      t.is(result.kind, "malformed");
      if (result.kind === "malformed") t.regex(result.why, why);
    }
  });

test("what is not TLS is told by its first bytes", (t) => {
  for (const text of [
    "GET / HTTP/1.1",
    "SSH-2.0-x",
    "\0\0\0\x08",
    "*1\r\n",
    "\x16\x02",
    "\x80\x05\x02",
    "\xff\xff\xff\xff",
  ])
    t.is(parse(Buffer.from(text, "latin1")).kind, "not-tls", JSON.stringify(text));
});

test("a hello in ever so many small pieces is bounded", (t) => {
  const parser = new ClientHelloParser();
  const tiny = record(Buffer.from([1]));
  parser.push(record(Buffer.from([1, 0, 0x3f, 0xff])));
  let pushes = 0;
  while (parser.push(tiny).kind === "need-more") pushes++;
  t.true(pushes < 6000);
});

test("where the bytes are cut makes no difference, and no bytes make it throw", (t) => {
  const noise = fc.uint8Array({ maxLength: 200 });
  const damaged = fc.tuple(fc.nat(named.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = record(named);
    bytes[at + 5] = byte;
    return bytes;
  });
  const tlsLike = noise.map((bytes) =>
    Buffer.concat([Buffer.from([22, 3, 1, 0, bytes.length, 1, 0, 0]), bytes]),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        noise.map((bytes) => Buffer.from(bytes)),
        tlsLike,
      ),
      fc.array(fc.nat(240)),
      (bytes, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        t.deepEqual(parse(...chunks), parse(bytes));
      },
    ),
    { numRuns: 2000 },
  );
  t.pass();
});
