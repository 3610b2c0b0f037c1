import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Ajv } from "ajv";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { parseDocument } from "yaml";

import { SkillboxError } from "../../../src/errors.js";
import { formatCidr, parseAddress } from "../../../src/policy/cidr.js";
import { defaultPolicy, startingPolicy } from "../../../src/policy/default.js";
import { policyJsonSchema } from "../../../src/policy/json-schema.js";
import { loadPolicyFile, parsePolicy, policyFromObject } from "../../../src/policy/load.js";
import { narrow } from "../../../src/policy/narrow.js";
import type { Policy } from "../../../src/policy/policy.js";
import { presetNames } from "../../../src/policy/presets.js";

/** The example of the design, but for the comments that explain it. */
const example = `version: 1
name: pdf-tools
filesystem:
  root: host
  read: [./assets, /opt/models]
  write: [./out]
  overlay: [./workspace]
  deny: [./assets/private]
  tmp: 64MiB
network:
  egress:
    - to: [pypi.org, "*.pythonhosted.org"]
      ports: [443]
    - to: [10.1.0.0/16]
      except: [10.1.9.0/24]
      ports: [5432]
  egressDeny:
    - to: [telemetry.pypi.org]
  forward: []
  publish: ["8080:[::1]:80"]
resources: { memory: 512MiB, cpus: 1.5, pids: 64, wallTime: 60s, cpuTime: 30s, openFiles: 1024, fileSize: 100MiB, output: 10MiB, connections: 100, traffic: 1GiB, bestEffort: [memory, cpus] }
environment: { pass: [LANG], set: { MODE: batch } }
syscalls: { profile: default }
audit: { level: security, maxBytes: 1GiB, onFailure: stop }
`;

const exampleInput = {
  version: 1,
  name: "pdf-tools",
  filesystem: {
    root: "host",
    read: ["./assets", "/opt/models"],
    write: ["./out"],
    overlay: ["./workspace"],
    deny: ["./assets/private"],
    tmp: "64MiB",
  },
  network: {
    egress: [
      { to: ["pypi.org", "*.pythonhosted.org"], ports: [443] },
      { to: ["10.1.0.0/16"], except: ["10.1.9.0/24"], ports: [5432] },
    ],
    egressDeny: [{ to: ["telemetry.pypi.org"] }],
    forward: [],
    publish: ["8080:[::1]:80"],
  },
  resources: {
    memory: "512MiB",
    cpus: 1.5,
    pids: 64,
    wallTime: "60s",
    cpuTime: "30s",
    openFiles: 1024,
    fileSize: "100MiB",
    output: "10MiB",
    connections: 100,
    traffic: "1GiB",
    bestEffort: ["memory", "cpus"],
  },
  environment: { pass: ["LANG"], set: { MODE: "batch" } },
  syscalls: { profile: "default" },
  audit: { level: "security", maxBytes: "1GiB", onFailure: "stop" },
};

test("the ways round the rules that only an operator opens", (t) => {
  const text = `version: 1
network:
  unixSockets: [./server.sock]
  proxyPort: 3128
  upstreamProxy: http://proxy.example:3128
  noProxy: [.corp.example]
`;
  const { policy } = parsePolicy(text, { file: "/s/p.yaml", baseDirectory: "/s" });
  t.like(policy.network, {
    unixSockets: [{ path: "/s/server.sock", written: "./server.sock" }],
    proxyPort: 3128,
    upstreamProxy: { url: "http://proxy.example:3128", origin: { file: "/s/p.yaml", line: 5, column: 18 } },
    noProxy: [".corp.example"],
  });
  t.deepEqual(narrow(policy, policy), { policy, refused: [] });
  const { policy: narrowed, refused } = narrow(defaultPolicy(), policy);
  t.like(narrowed.network, { unixSockets: [], noProxy: [], upstreamProxy: undefined });
  t.deepEqual(
    refused.map(({ subject }) => subject),
    ["network.upstreamProxy", "network.unixSockets"],
  );
});

test("the design's example, as a policy with origins", (t) => {
  const { policy, sha256, file, sources } = parsePolicy(example, { file: "/s/p.yaml", baseDirectory: "/s" });
  t.deepEqual(withoutOrigins(policy), {
    version: 1,
    name: "pdf-tools",
    filesystem: {
      root: "host",
      read: [
        { path: "/s/assets", written: "./assets" },
        { path: "/opt/models", written: "/opt/models" },
      ],
      write: [{ path: "/s/out", written: "./out" }],
      overlay: [{ path: "/s/workspace", written: "./workspace" }],
      deny: [{ path: "/s/assets/private", written: "./assets/private" }],
      tmpBytes: 67_108_864,
    },
    network: {
      egress: [
        {
          to: ["pypi.org", "*.pythonhosted.org"],
          except: [],
          ports: [{ first: 443, last: 443, protocol: "tcp" }],
        },
        {
          to: ["10.1.0.0/16"],
          except: ["10.1.9.0/24"],
          ports: [{ first: 5432, last: 5432, protocol: "tcp" }],
        },
      ],
      egressDeny: [{ to: ["telemetry.pypi.org"], except: [], ports: [] }],
      forward: [],
      publish: [{ listenPort: 8080, host: "::1", port: 80 }],
      unixSockets: [],
      noProxy: [],
    },
    resources: {
      memory: { value: 536_870_912, written: "512MiB", bestEffort: true },
      cpus: { value: 1.5, written: "1.5", bestEffort: true },
      pids: { value: 64, written: "64", bestEffort: false },
      wallTime: { value: 60_000, written: "60s", bestEffort: false },
      cpuTime: { value: 30_000, written: "30s", bestEffort: false },
      openFiles: { value: 1024, written: "1024", bestEffort: false },
      fileSize: { value: 104_857_600, written: "100MiB", bestEffort: false },
      output: { value: 10_485_760, written: "10MiB", bestEffort: false },
      connections: { value: 100, written: "100", bestEffort: false },
      traffic: { value: 1_073_741_824, written: "1GiB", bestEffort: false },
    },
    environment: { pass: ["LANG"], set: { MODE: "batch" } },
    syscalls: { profile: "default" },
    audit: { level: "security", maxBytes: 1_073_741_824, onFailure: "stop" },
  });
  t.deepEqual(policy.filesystem.read[1]?.origin, { file: "/s/p.yaml", line: 5, column: 20 });
  t.deepEqual(policy.network.egress[1]?.origin, { file: "/s/p.yaml", line: 14, column: 7 });
  t.deepEqual(policy.resources.memory?.origin, { file: "/s/p.yaml", line: 21, column: 22 });
  t.is(sha256, createHash("sha256").update(example).digest("hex"));
  t.is(file, "/s/p.yaml");
  t.deepEqual(sources, []);
});

test("the same as an object, as JSON, with CRLF, with a byte order mark, with an alias", (t) => {
  const { policy } = parsePolicy(example, { baseDirectory: "/s" });
  const expected = withoutOrigins(policy);
  t.deepEqual(policyFromObject(exampleInput, { baseDirectory: "/s" }), expected);
  const texts = [
    JSON.stringify(exampleInput),
    JSON.stringify(exampleInput, undefined, "\t"),
    example.replaceAll("\n", "\r\n"),
    `\ufeff${example}`,
    `---\n# comment\n${example}...\n`,
    example.replace("[./out]", "[&out ./out]").replace("[pypi.org", "[pypi.org"),
  ];
  for (const text of texts)
    t.deepEqual(withoutOrigins(parsePolicy(text, { baseDirectory: "/s" }).policy), expected);
});

test("spellings that are accepted", (t) => {
  const { policy } = parsePolicy(
    `version: 1
filesystem: { read: [/a//b/../c/., x/../y, ".", "no"], root: ./rootfs }
network:
  egress:
    - to: ["**", EXAMPLE.org., bücher.example, _srv.x, a.*.org, 1.2.3.4, "::1", "::/0", xn--bcher-kva.example]
      ports: [443, "443", 443/udp, 8000-8100, 8000-8100/udp, 1-65535/tcp]
resources: { memory: 1.5GiB, fileSize: 0.29kB, wallTime: 1.5m, cpuTime: 1h, output: 2GB }
environment: { set: { A: yes, B: "1", C: "", "d.e": null string } }
syscalls: { profile: ../shared/profile.json }
`,
    { baseDirectory: "/s/t" },
  );
  t.deepEqual(
    policy.filesystem.read.map(({ path }) => path),
    ["/a/c", "/s/t/y", "/s/t", "/s/t/no"],
  );
  t.is(policy.filesystem.root, "/s/t/rootfs");
  t.is(policy.syscalls.profile, "/s/shared/profile.json");
  t.deepEqual(policy.network.egress[0]?.ports.slice(1, 4), [
    { first: 443, last: 443, protocol: "tcp" },
    { first: 443, last: 443, protocol: "udp" },
    { first: 8000, last: 8100, protocol: "tcp" },
  ]);
  t.deepEqual(
    [
      policy.resources.memory,
      policy.resources.fileSize,
      policy.resources.wallTime,
      policy.resources.cpuTime,
    ].map((limit) => limit?.value),
    [1_610_612_736, 290, 90_000, 3_600_000],
  );
  t.deepEqual(policy.environment.set, { A: "yes", B: "1", C: "", "d.e": "null string" });
});

test("addresses and CIDRs are compared by value and written as in RFC 5952", (t) => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV4(), (six, four) => {
      for (const [text, url] of [
        [six, `http://[${six}]`],
        [four, `http://${four}`],
      ] as const) {
        const parsed = parseAddress(text);
        if ("problem" in parsed) return false;
        // The WHATWG URL parser is the oracle; it never shows IPv6 in dotted form either.
        const shown = formatCidr(parsed.value).replace(/\/\d+$/, "");
        if (shown !== new URL(url).hostname.replace(/^\[|\]$/g, "")) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test("defaults: without a policy, and in a policy that says nothing", (t) => {
  t.deepEqual(parsePolicy("version: 1", { baseDirectory: "/" }).policy, startingPolicy());
  t.deepEqual(parsePolicy("{version: 1, extends: default}", { baseDirectory: "/" }).policy, defaultPolicy());
  t.deepEqual(defaultPolicy().network, {
    egress: [],
    egressDeny: [],
    forward: [],
    publish: [],
    unixSockets: [],
    noProxy: [],
  });
});

test("the default policy loads neither zod nor yaml, nor anything else", (t) => {
  const compiled = readFileSync(new URL("../../../src/policy/default.js", import.meta.url), "utf8");
  t.deepEqual(compiled.match(/^import\b.*$|\bimport\(/gm) ?? [], []);
});

test("presets open neither paths nor network", (t) => {
  for (const preset of presetNames) {
    const { policy, sources } = parsePolicy(`{version: 1, extends: ${preset}}`, { baseDirectory: "/" });
    t.deepEqual(policy.network, startingPolicy().network);
    t.deepEqual({ ...policy.filesystem, tmpBytes: 0 }, { ...startingPolicy().filesystem, tmpBytes: 0 });
    t.deepEqual(policy.audit, startingPolicy().audit);
    t.deepEqual(sources, [`preset:${preset}`]);
    t.is(policy.environment.set["PYTHONDONTWRITEBYTECODE"], preset === "python" ? "1" : undefined);
  }
});

test("extends: single values win, lists grow, grants change their mode, denials stay", (t) => {
  const files = directory(t, {
    "org/base.yaml": `version: 1
name: base
extends: python
filesystem: { read: [./models, /data], write: [/out], deny: [/data/secret], tmp: 1GiB }
network: { egress: [{ to: [pypi.org] }], egressDeny: [{ to: [evil.org] }], forward: ["1:127.0.0.1:1"] }
resources: { memory: 1GiB, pids: 32 }
environment: { pass: [LANG, CI], set: { MODE: base } }
audit: { level: files }
`,
    "team/p.json": JSON.stringify({
      version: 1,
      extends: "../org/base.yaml",
      filesystem: { overlay: ["/out"], deny: ["/more"] },
      network: { egress: [{ to: ["a.org"] }], forward: ["1:127.0.0.1:9"] },
      resources: { pids: 16, bestEffort: ["memory"] },
      environment: { pass: ["CI"], set: { MODE: "team" } },
    }),
  });
  const loaded = loadPolicyFile(join(files, "team/p.json"));
  const { policy } = loaded;
  t.is(loaded.file, join(files, "team/p.json"));
  t.deepEqual(loaded.sources, [join(files, "org/base.yaml"), "preset:python"]);
  t.is(
    loaded.sha256,
    createHash("sha256")
      .update(readFileSync(join(files, "team/p.json")))
      .digest("hex"),
  );
  t.is(policy.name, undefined);
  t.deepEqual(
    policy.filesystem.read.map(({ path }) => path),
    [join(files, "org/models"), "/data"],
  );
  t.deepEqual(policy.filesystem.write, []);
  t.deepEqual(
    policy.filesystem.overlay.map(({ path }) => path),
    ["/out"],
  );
  t.deepEqual(
    policy.filesystem.deny.map(({ path }) => path),
    ["/data/secret", "/more"],
  );
  t.is(policy.filesystem.tmpBytes, 1024 ** 3);
  t.deepEqual(
    policy.network.egress.map(({ to }) => to),
    [["pypi.org"], ["a.org"]],
  );
  t.deepEqual(
    policy.network.egressDeny.map(({ to }) => to),
    [["evil.org"]],
  );
  t.deepEqual(
    policy.network.forward.map(({ port }) => port),
    [9],
  );
  t.deepEqual([policy.resources.memory?.value, policy.resources.memory?.bestEffort], [1024 ** 3, true]);
  t.is(policy.resources.pids?.value, 16);
  t.true(policy.environment.pass.includes("LANG") && policy.environment.pass.includes("CI"));
  t.is(new Set(policy.environment.pass).size, policy.environment.pass.length);
  t.is(policy.environment.set["MODE"], "team");
  t.is(policy.environment.set["PYTHONUTF8"], "1");
  t.is(policy.audit.level, "files");
  t.is(policy.resources.memory?.origin?.file, join(files, "org/base.yaml"));
});

test("extends: cycles, depth, files that are not policies, errors in the other file", (t) => {
  const files = directory(t, {
    "a.yaml": "version: 1\nextends: ./b.yaml\n",
    "b.yaml": "version: 1\nextends: ./a.yaml\n",
    "broken.yaml": "version: 1\nresources: { pids: 0 }\n",
    "child.yaml": "version: 1\nname: a b\nextends: ./broken.yaml\n",
    "secret.yaml": "version: 1\nextends: /etc/passwd\n",
    "dir.yaml": "version: 1\nextends: ./\n",
    ...Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [
        `d${index}.yaml`,
        `version: 1\nextends: ./d${index + 1}.yaml\n`,
      ]),
    ),
  });
  execFileSync("mkfifo", [join(files, "fifo.yaml")]);
  writeFileSync(join(files, "to-fifo.yaml"), "version: 1\nextends: ./fifo.yaml\n");
  const failure = (name: string, options?: { extendsFiles: boolean }) =>
    message(t, () => loadPolicyFile(join(files, name), options)).replaceAll(files, "");
  t.is(
    failure("a.yaml"),
    "/b.yaml:2:10: error: `./a.yaml` leads back to this policy: `/a.yaml`\n" +
      " 2 | extends: ./a.yaml\n   |          ^~~~~~~~\n  = note: /a.yaml:2:10 extends this file",
  );
  t.is(
    failure("child.yaml"),
    "/child.yaml:2:7: error: a name has up to 63 letters, digits, `.`, `_` and `-`, and starts with a letter or digit\n" +
      " 2 | name: a b\n   |       ^~~\n" +
      "/broken.yaml:2:20: error: pids is a whole number from 1 to 4194304, not 0\n" +
      " 2 | resources: { pids: 0 }\n   |                    ^\n" +
      "  = note: /child.yaml:3:10 extends this file",
  );
  t.regex(failure("d0.yaml"), /error: more than 8 policies extend one another/);
  t.regex(failure("dir.yaml"), /`\.\/` cannot be read: it is a directory/);
  t.regex(failure("to-fifo.yaml"), /`\.\/fifo\.yaml` cannot be read: it is not a regular file/);
  t.is(
    failure("secret.yaml", { extendsFiles: false }),
    "/secret.yaml:2:10: error: this policy may extend presets only (none, default, python, node, build), not a file\n" +
      " 2 | extends: /etc/passwd\n   |          ^~~~~~~~~~~",
  );
});

test("files that cannot be read, or are no text", (t) => {
  const files = directory(t, {
    "big.yaml": `version: 1\n#${"x".repeat(10 * 1024 * 1024)}`,
    "latin1.yaml": "",
  });
  writeFileSync(join(files, "latin1.yaml"), Buffer.from([0x76, 0xe9]));
  const failure = (name: string) => message(t, () => loadPolicyFile(join(files, name))).replaceAll(files, "");
  t.is(failure("none.yaml"), "/none.yaml: error: cannot be read: no such file");
  t.is(failure("."), ": error: cannot be read: it is a directory");
  t.is(failure("latin1.yaml"), "/latin1.yaml: error: cannot be read: it is not UTF-8");
  t.is(failure("big.yaml"), "/big.yaml: error: is larger than 1 MiB: that is no policy");
  t.is(
    message(t, () => parsePolicy(" ".repeat(2 ** 21), { file: "p", baseDirectory: "/" })),
    "p: error: is larger than 1 MiB: that is no policy",
  );
});

test("objects: paths instead of positions, and only plain data", (t) => {
  const proto: unknown = JSON.parse('{"__proto__":"x"}');
  const cyclic: Record<string, unknown> = { version: 1 };
  cyclic["filesystem"] = cyclic;
  const failure = (value: unknown) => message(t, () => policyFromObject(value, { baseDirectory: "/s" }));
  t.is(
    failure({
      version: 1,
      filesystem: { read: ["~/x", "../y"] },
      memory: "1MiB",
      environment: { set: { A: 1 } },
    }),
    [
      "filesystem.read[0]: error: `~/x`: `~` is not expanded; write the absolute path, or `./~/x` for a file of that name",
      "environment.set.A: error: expected a string, got the number `1`; write the value in quotes",
      "memory: error: unknown key `memory`; `memory` belongs under `resources`",
      "filesystem.read[1]: error: `../y` leads out of the policy's directory; if that is meant, write `/y`",
    ].join("\n"),
  );
  t.is(failure(undefined), "policy: error: expected a mapping, got nothing");
  t.is(failure([]), "policy: error: expected a mapping, got a list");
  t.regex(failure(cyclic), /nested too deeply, or in itself/);
  t.regex(
    failure({ version: 1, environment: { set: new Map() } }),
    /^environment\.set: error: expected a plain object/,
  );
  t.regex(failure({ version: 1, name: () => "x" }), /^name: error: a function has no place in a policy/);
  t.regex(failure({ version: 1n }), /^version: error: a bigint has no place in a policy/);
  t.regex(
    failure(JSON.parse('{"version":1,"__proto__":{"x":1}}')),
    /^__proto__: error: unknown key `__proto__`$/,
  );
  t.regex(failure({ version: 1, environment: { set: proto } }), /^environment\.set\.__proto__: error/);
  t.regex(
    failure({ version: 1, resources: { cpus: Number.NaN, pids: Number.POSITIVE_INFINITY } }),
    /cpus: error[^]*pids: error/,
  );
  t.deepEqual(
    policyFromObject({ version: 1, name: undefined, network: undefined }, { baseDirectory: "/" }),
    startingPolicy(),
  );
  t.is(Object.getPrototypeOf({}), Object.prototype);
});

test("the shipped JSON Schema is the generated one, documents every key and validates the example", (t) => {
  const shipped: unknown = JSON.parse(
    readFileSync(new URL("../../../../schema/policy.schema.json", import.meta.url), "utf8"),
  );
  const generated = policyJsonSchema();
  t.is(
    JSON.stringify(shipped),
    JSON.stringify(generated),
    "run: npm run build:ts && node schema/generate.js",
  );
  const undocumented: string[] = [];
  visitProperties(generated, "", undocumented);
  t.deepEqual(undocumented, []);
  const validate = new Ajv({ allErrors: true }).compile(generated);
  t.true(validate(parseDocument(example).toJS()), JSON.stringify(validate.errors));
  t.true(validate(exampleInput));
  for (const wrong of [
    {},
    { ...exampleInput, memroy: 1 },
    { version: 2 },
    { version: 1, resources: { memory: "512" } },
    { version: 1, resources: { wallTime: "60sec" } },
    { version: 1, network: { egress: [{ to: [] }] } },
    { version: 1, network: { egress: [{ to: ["a"], ports: ["https"] }] } },
    { version: 1, audit: { level: "everything" } },
  ])
    t.false(validate(wrong), JSON.stringify(wrong));
});

test("hostile files end in a clear error, quickly", (t) => {
  const bomb = ["version: 1", "a: &a [x,x,x,x,x,x,x,x,x]"];
  for (const [index, key] of Array.from("bcdefghij").entries())
    bomb.push(`${key}: &${key} [${Array.from({ length: 9 }, () => `*${"abcdefghi"[index]}`).join(",")}]`);
  const doubling = [`a0: &a0 [${"x,".repeat(8000)}]`];
  for (let level = 1; level < 31; level++)
    doubling.push(`a${level}: &a${level} [*a${level - 1},*a${level - 1}]`);
  const cases: readonly (readonly [string, RegExp])[] = [
    [bomb.join("\n"), /more than 64 aliases/],
    [doubling.join("\n"), /aliases make the policy too large here/],
    ["version: 1\nname: &a [*a]", /nested too deeply/],
    ["version: 1\nname: *nobody", /no anchor `&nobody` before this alias/],
    ["[".repeat(1_000_000), /nested too deeply/],
    ["- ".repeat(500_000), /nested too deeply/],
    ["? ".repeat(500_000), /nested too deeply/],
    ["{a: ".repeat(250_000), /nested too deeply/],
    [Array.from({ length: 1000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"), /nested too deeply/],
    ["&a ".repeat(300_000), /too many entries/],
    ["#\n".repeat(500_000), /too many entries/],
    [Array.from({ length: 100_000 }, (_, index) => `k${index}: 1`).join("\n"), /too many entries/],
    [`version: 1\nresources: { memory: ${"9".repeat(900_000)}MiB }`, /is not a size/],
    [`version: 1\nresources: { memory: ${"9".repeat(900_000)} }`, /is not a size/],
    [`version: 1\nname: ${"a".repeat(1_000_000)}`, /a name has up to 63/],
    [
      `version: 1\nnetwork: { egress: [{ to: ["${"a.".repeat(400_000)}"] }] }`,
      /longer than a host name can be/,
    ],
    [
      `version: 1\nnetwork: { egress: [{ to: ["${"*.".repeat(400_000)}"] }] }`,
      /longer than a host name can be/,
    ],
    [`version: 1\nnetwork: { egress: [{ to: [${"10.0.0.0/8,".repeat(2000)}] }] }`, /more than 1000 entries/],
    [
      `version: 1\nnetwork: { egress: [{ to: ["${"ü".repeat(500_000)}.com"] }] }`,
      /longer than a host name can be/,
    ],
    [`version: 1\n"${"\\".repeat(900_000)}`, /not valid YAML|missing closing/],
  ];
  for (const [text, expected] of cases) {
    const start = performance.now();
    t.regex(
      message(t, () => parsePolicy(text, { file: "p.yaml", baseDirectory: "/s" })),
      expected,
      text.slice(0, 40),
    );
    t.true(performance.now() - start < 5000, `${text.slice(0, 40)} took ${performance.now() - start} ms`);
  }
});

test("whatever the text, there is a policy or a SkillboxError that drives no terminal", (t) => {
  const fragments = fc.constantFrom(
    ..."version: 1|name|filesystem|read|write|network|egress|to|ports|except|resources|memory|cpus|512MiB|environment|set".split(
      "|",
    ),
    ..."{|}|[|]|: |, |- |\n|\n  |\t|&a |*a|!!str |<<|'|\"|# |---|...|%YAML 1.1|~|null|0o17|.inf|\u202e|\u001b[2J|\u0000|\ud800|__proto__|| ?".split(
      "|",
    ),
  );
  const soup = fc.array(fragments, { maxLength: 30 }).map((parts) => parts.join(""));
  const mutated = fc
    .tuple(
      fc.nat(example.length),
      fc.nat(12),
      fc.oneof(fragments, fc.string({ unit: "binary", maxLength: 6 })),
    )
    .map(([at, length, put]) => example.slice(0, at) + put + example.slice(at + length));
  const bytes = fc.uint8Array({ maxLength: 200 }).map((data) => Buffer.from(data).toString("latin1"));
  fc.assert(
    fc.property(fc.oneof(soup, mutated, bytes), (text) => {
      try {
        parsePolicy(text, { file: "p.yaml", baseDirectory: "/s" });
        return true;
      } catch (error) {
        if (!(error instanceof SkillboxError) || error.code !== "ERR_POLICY") throw error;
        return !/[^\P{C}\n]/u.test(error.message) && error.message.startsWith("p.yaml");
      }
    }),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.anything(),
        fc.record({
          version: fc.constant(1),
          network: fc.anything(),
          filesystem: fc.anything(),
          resources: fc.anything(),
        }),
      ),
      (value) => {
        try {
          policyFromObject(value, { baseDirectory: "/s" });
          return true;
        } catch (error) {
          return error instanceof SkillboxError && error.code === "ERR_POLICY";
        }
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

function message(t: ExecutionContext, run: () => unknown): string {
  const error = t.throws(run, { instanceOf: SkillboxError, code: "ERR_POLICY" });
  return error.message;
}

function directory(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "skillbox-policy-"));
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

function withoutOrigins(policy: Policy): unknown {
  const copy: unknown = JSON.parse(
    JSON.stringify(policy, (key, value: unknown) => (key === "origin" ? undefined : value)),
  );
  return copy;
}

function visitProperties(schema: unknown, path: string, undocumented: string[]): void {
  for (const [key, value] of entriesOf(schema)) {
    if (key !== "properties") visitProperties(value, path, undocumented);
    else
      for (const [name, property] of entriesOf(value)) {
        const described = entriesOf(property).some(([known]) => known === "description");
        if (!described) undocumented.push(`${path}.${name}`);
        visitProperties(property, `${path}.${name}`, undocumented);
      }
  }
}

function entriesOf(value: unknown): readonly [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}
