import test from "ava";
import fc from "fast-check";

import { HttpRequestGate } from "../../../src/egress/http-request-gate.js";
import type { HttpRequest } from "../../../src/egress/http-request.js";

interface Outcome {
  readonly forwarded: string;
  readonly requests: readonly string[];
  readonly end: string;
}

/** Lets requests for a.example pass. */
function run(...chunks: readonly string[]): Outcome {
  const requests: string[] = [];
  const gate = new HttpRequestGate(({ method, authority, target }: HttpRequest) => {
    requests.push(
      `${method} ${authority?.host ?? "-"}${authority?.port === undefined ? "" : `:${authority.port}`} ${target}`,
    );
    return authority?.host === "a.example" ? undefined : "elsewhere";
  });
  let forwarded = "";
  for (const chunk of chunks) {
    const step = gate.push(Buffer.from(chunk, "latin1"));
    forwarded += step.forward.toString("latin1");
    if (step.kind === "tunnel") return { forwarded, requests, end: `tunnel:${step.rest.toString("latin1")}` };
    if (step.kind === "refused") return { forwarded, requests, end: step.why };
  }
  return { forwarded, requests, end: "more" };
}

function bytewise(text: string): Outcome {
  return run(...(text.match(/[^]/g) ?? []));
}

const get = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

const passing: readonly (readonly [string, string, readonly string[]])[] = [
  ["origin form", get, ["GET a.example /"]],
  [
    "absolute form",
    "GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ["GET a.example:80 http://A.example:80/x?y"],
  ],
  [
    "absolute form without Host in 1.0",
    "GET http://a.example/ HTTP/1.0\r\n\r\n",
    ["GET a.example http://a.example/"],
  ],
  ["asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", ["OPTIONS a.example *"]],
  [
    "a Host in capitals with a port",
    "GET / HTTP/1.1\r\nhOsT:\t A.EXAMPLE:8080 \r\n\r\n",
    ["GET a.example:8080 /"],
  ],
  ["two requests at once", get + get, ["GET a.example /", "GET a.example /"]],
  ["empty lines in front", `\r\n\r\n${get}`, ["GET a.example /"]],
  [
    "a body, then a request",
    `POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nGET /${get}`,
    ["POST a.example /p", "GET a.example /"],
  ],
  [
    "a chunked body with extensions and trailers, then a request",
    `POST /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: Chunked\r\n\r\n5;a="b"\r\n\r\n\r\nx\r\n00A \t; e\r\n0123456789\r\n0\r\nT: 1\r\n\r\n${get}`,
    ["POST a.example /p", "GET a.example /"],
  ],
  [
    "raw UTF-8 in the target and in a value",
    "GET /\xc3\xa4 HTTP/1.1\r\nHost: a.example\r\nX: \xc3\xa4\r\n\r\n",
    ["GET a.example /\xc3\xa4"],
  ],
];

for (const [title, text, requests] of passing)
  test(`passes unchanged: ${title}`, (t) => {
    for (const outcome of [run(text), bytewise(text)])
      t.deepEqual(outcome, { forwarded: text, requests, end: "more" });
  });

const post = "POST / HTTP/1.1\r\nHost: a.example\r\n";

const refused: readonly (readonly [string, string, RegExp])[] = [
  ["another host", "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", /^elsewhere/],
  ["no Host in 1.1", "GET / HTTP/1.1\r\n\r\n", /no Host/],
  ["no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", /^elsewhere/],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", /^elsewhere/],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", /more than one Host/],
  [
    "the same Host twice",
    "GET / HTTP/1.1\r\nHost: a.example\r\nhost: a.example\r\n\r\n",
    /more than one Host/,
  ],
  ["two hosts in one Host", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", /Host that is none/],
  ["user information in Host", "GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n", /Host that is none/],
  ["a trailing dot in Host", "GET / HTTP/1.1\r\nHost: a.example.\r\n\r\n", /Host that is none/],
  ["a NUL in Host", "GET / HTTP/1.1\r\nHost: a.example\0b.example\r\n\r\n", /two ways/],
  ["a port beyond 65535", "GET / HTTP/1.1\r\nHost: a.example:65536\r\n\r\n", /Host that is none/],
  ["a target elsewhere", "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", /differ/],
  ["a target elsewhere, without Host in 1.0", "GET http://b.example/ HTTP/1.0\r\n\r\n", /^elsewhere/],
  ["a target on another port", "GET http://a.example:81/ HTTP/1.1\r\nHost: a.example:82\r\n\r\n", /differ/],
  [
    "user information in the target",
    "GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    /target whose host is none/,
  ],
  [
    "a target with a backslash",
    "GET http://a.example\\@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    /target whose host is none/,
  ],
  ["a relative target", "GET x HTTP/1.1\r\nHost: a.example\r\n\r\n", /four forms/],
  ["CONNECT elsewhere", "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n", /^elsewhere/],
  ["CONNECT with another Host", "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", /differ/],
  [
    "CONNECT with a body",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\n",
    /CONNECT with a body/,
  ],
  ["a folded line", "GET / HTTP/1.1\r\nX: 1\r\n Host: b.example\r\nHost: a.example\r\n\r\n", /two ways/],
  ["a space before the colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", /two ways/],
  ["a line without colon", "GET / HTTP/1.1\r\nHost: a.example\r\nx\r\n\r\n", /two ways/],
  ["a bare CR in a value", "GET / HTTP/1.1\r\nX: 1\rHost: b.example\r\nHost: a.example\r\n\r\n", /two ways/],
  ["a bare LF", "GET / HTTP/1.1\nHost: a.example\r\n\r\n", /without CR/],
  ["an empty line of LF alone", "GET / HTTP/1.1\r\nHost: a.example\r\n\n", /without CR/],
  ["two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n", /request line/],
  ["a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a.example\r\n\r\n", /request line/],
  ["a request line in lower case", "GET / http/1.1x\r\nHost: a.example\r\n\r\n", /request line/],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: a.example\r\n\r\n", /request line/],
  ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /HTTP\/2/],
  ["two lengths", `${post}Content-Length: 3\r\nContent-Length: 3\r\n\r\n`, /more than one Content-Length/],
  ["a list of lengths", `${post}Content-Length: 3, 3\r\n\r\n`, /no number/],
  ["a signed length", `${post}Content-Length: +3\r\n\r\n`, /no number/],
  ["a length in hex", `${post}Content-Length: 0x3\r\n\r\n`, /no number/],
  ["a length of 20 digits", `${post}Content-Length: 18446744073709551616\r\n\r\n`, /no number/],
  ["length and chunked", `${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, /both/],
  [
    "chunked twice",
    `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
    /other than chunked/,
  ],
  ["chunked, identity", `${post}Transfer-Encoding: chunked, identity\r\n\r\n`, /other than chunked/],
  ["xchunked", `${post}Transfer-Encoding: xchunked\r\n\r\n`, /other than chunked/],
  ["chunked with a vertical tab", `${post}Transfer-Encoding: \x0bchunked\r\n\r\n`, /two ways/],
  [
    "chunked in 1.0",
    "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n",
    /in HTTP\/1.0/,
  ],
  ["a chunk size with a sign", `${post}Transfer-Encoding: chunked\r\n\r\n-1\r\n`, /chunk size/],
  ["a chunk size of 0x1", `${post}Transfer-Encoding: chunked\r\n\r\n0x1\r\n`, /chunk size/],
  ["a chunk size with a bare LF", `${post}Transfer-Encoding: chunked\r\n\r\n1\nx\r\n`, /bare LF/],
  ["an extension with a bare CR", `${post}Transfer-Encoding: chunked\r\n\r\n1;\rx\r\n`, /bare CR/],
  [
    "a chunk longer than its size",
    `${post}Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n`,
    /does not end with its size/,
  ],
  ["a long chunk extension", `${post}Transfer-Encoding: chunked\r\n\r\n1;${"x".repeat(5000)}`, /4 KiB/],
  [
    "trailers without end",
    `${post}Transfer-Encoding: chunked\r\n\r\n0\r\n${"A: b\r\n".repeat(70)}`,
    /trailers/,
  ],
  ["a head of more than 32 KiB", `GET / HTTP/1.1\r\nHost: a.example\r\n${"X: y\r\n".repeat(7000)}`, /32 KiB/],
  ["a line of more than 32 KiB", `GET /${"x".repeat(40_000)}`, /32 KiB/],
  ["a second request elsewhere", `${get}GET / HTTP/1.1\r\nHost: b.example\r\n\r\n`, /^elsewhere/],
  ["junk after a request", `${get}\x16\x03\x01\x02\x00\r\n\r\n`, /request line/],
];

for (const [title, text, why] of refused)
  test(`refused: ${title}`, (t) => {
    // Byte by byte as far as it takes: a long one would only be slow.
    for (const outcome of [
      run(text),
      text.length > 5000 ? run(...(text.match(/[^]{1,37}/g) ?? [])) : bytewise(text),
    ]) {
      t.regex(outcome.end, why);
      t.false(outcome.forwarded.includes("b.example"));
      // Whatever was refused for its head, no head went upstream.
      if (!text.startsWith(post) && !text.startsWith(get)) t.is(outcome.forwarded, "");
    }
  });

test("what follows CONNECT and Upgrade belongs to another protocol", (t) => {
  const connect = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
  t.deepEqual(run(`${connect}\x16\x03`), {
    forwarded: connect,
    requests: ["CONNECT a.example:443 a.example:443"],
    end: "tunnel:\x16\x03",
  });
  const upgrade =
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n";
  t.is(run(upgrade, "hi\x81\x00").end, "tunnel:\x81\x00");
  t.is(run(upgrade, "h").end, "more");
});

test("a long body is not kept", (t) => {
  const gate = new HttpRequestGate(() => undefined);
  gate.push(Buffer.from(`${post}Content-Length: 100000000000\r\n\r\n`));
  const chunk = Buffer.alloc(65_536);
  for (let round = 0; round < 1000; round++) {
    const step = gate.push(chunk);
    t.is(step.forward.buffer, chunk.buffer);
  }
  t.is(gate.held.length, 0);
});

test("where the bytes are cut makes no difference, and no bytes make it throw", (t) => {
  const words = [...passing, ...refused].flatMap(([, text]) => (text.length > 3000 ? [] : [text]));
  const token = fc.constantFrom(
    "\r\n",
    "\n",
    "\r",
    " ",
    ":",
    "0",
    "5",
    ";",
    "Host",
    "a.example",
    "b.example",
    "HTTP/1.1",
    "Content-Length: 5",
    "\0",
    "\x81",
  );
  const text = fc
    .array(fc.oneof(fc.constantFrom(...words), token), { maxLength: 6 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat(400)), (whole, cuts) => {
      const at = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.slice(at[index], end));
      const once = run(whole);
      const cut = run(...pieces);
      t.is(cut.end.replace(/^tunnel:[^]*/, "tunnel"), once.end.replace(/^tunnel:[^]*/, "tunnel"));
      t.deepEqual(cut.requests, once.requests);
      t.is(cut.forwarded, once.forwarded);
      t.true(whole.startsWith(cut.forwarded));
    }),
    { numRuns: 1500 },
  );
  t.pass();
});
