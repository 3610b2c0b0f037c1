import test from "ava";
import fc from "fast-check";

import { EgressRules } from "../../../src/egress/rules.js";
import { narrow } from "../../../src/policy/narrow.js";
import { limitNames, type Policy } from "../../../src/policy/policy.js";
import { policyFromObject } from "../../../src/policy/load.js";
import type { PolicyInput } from "../../../src/policy/schema.js";

import { allowsEgress, grantAt } from "./narrow-oracle.js";

function policy(input: Omit<PolicyInput, "version">): Policy {
  return policyFromObject({ version: 1, ...input }, { baseDirectory: "/skill" });
}

/** Small alphabets, so that ceiling and request meet often. */
const segment = fc.constantFrom("a", "b", "ab", "c");
const path = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join("/")}`);
const label = fc.constantFrom("a", "b", "com", "x-y");
const name = fc
  .tuple(fc.boolean(), fc.array(fc.oneof(label, fc.constant("*")), { maxLength: 2 }), label)
  .map(([anyDepth, labels, last]) => [...(anyDepth ? ["**"] : []), ...labels, last].join("."));
const cidrText = fc.oneof(
  fc.constantFrom(
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.1.9.0/24",
    "10.1.9.128/25",
    "10.1.9.7",
    "128.0.0.0/1",
  ),
  fc.constantFrom("::/0", "fd00::/8", "fd00:1::/32", "fd00:1::7", "::ffff:10.0.0.0/104"),
);
const port = fc.constantFrom(
  80,
  443,
  "443/udp",
  "400-500",
  "1-80",
  "79-444",
  "53/udp",
  "1-65535",
  "1-1000/udp",
);
const rule = fc
  .record({
    to: fc.array(fc.oneof(name, cidrText, fc.constant("**"), fc.constant("A.COM.")), {
      minLength: 1,
      maxLength: 3,
    }),
    except: fc.array(cidrText, { maxLength: 2 }),
    ports: fc.option(fc.array(port, { minLength: 1, maxLength: 3 }), { nil: undefined }),
  })
  .filter(({ to, except }) => {
    try {
      policy({ network: { egress: [{ to, except }] } });
      return true;
    } catch {
      return false;
    }
  });
const grants = fc.uniqueArray(fc.tuple(path, fc.constantFrom("read", "write", "overlay")), {
  selector: ([at]) => at,
  maxLength: 6,
});
const variables = fc.dictionary(
  fc.constantFrom("A", "MODE", "LD_PRELOAD", "NODE_OPTIONS", "PATH"),
  fc.constantFrom("1", "2"),
);

const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    grants,
    deny: fc.uniqueArray(path, { maxLength: 2 }),
    tmp: fc.constantFrom("1MiB", "64MiB", "1GiB"),
    egress: fc.array(rule, { maxLength: 3 }),
    egressDeny: fc.array(rule, { maxLength: 2 }),
    forward: fc.uniqueArray(fc.constantFrom("1:127.0.0.1:1", "2:[::1]:2", "2:[0::1]:2", "1:127.0.0.1:9"), {
      selector: (entry) => entry[0],
      maxLength: 2,
    }),
    resources: fc.record(
      {
        memory: fc.constantFrom("1MiB", "64MiB", "1GiB"),
        cpus: fc.constantFrom(0.5, 1, 2),
        pids: fc.constantFrom(1, 64, 1024),
        wallTime: fc.constantFrom("10ms", "1s", "1h"),
        bestEffort: fc.constant<"pids"[]>(["pids"]),
      },
      { requiredKeys: [] },
    ),
    environment: fc.record({
      pass: fc.uniqueArray(fc.constantFrom("A", "LANG", "TZ"), { maxLength: 3 }),
      set: variables,
    }),
    profile: fc.constantFrom("default", "strict", "./a.json", "./b.json"),
    audit: fc.record({
      level: fc.constantFrom("off", "denied", "security", "files", "all"),
      maxBytes: fc.constantFrom("1MiB", "1GiB"),
      onFailure: fc.constantFrom("stop", "continue"),
    }),
  })
  .map((parts) =>
    policy({
      filesystem: {
        ...Object.fromEntries(
          ["read", "write", "overlay"].map((mode) => [
            mode,
            parts.grants.filter(([, other]) => other === mode).map(([at]) => at),
          ]),
        ),
        deny: parts.deny,
        tmp: parts.tmp,
      },
      network: {
        egress: parts.egress,
        egressDeny: parts.egressDeny.map(({ to, ports }) => ({ to, ports })),
        forward: parts.forward,
      },
      resources: parts.resources,
      environment: parts.environment,
      syscalls: { profile: parts.profile },
      audit: parts.audit,
    }),
  );

const probePaths = ["/", "/a", "/ab", "/a/b", "/a/b/c", "/a/ab", "/b", "/c/a/b", "/a/b/c/d", "/x"];
const probeHosts = ["com", "a.com", "b.com", "a.b.com", "x-y.a.b.com", "a", "a.a", "b.a.a", "x-y"];
const probeAddresses = [
  "10.0.0.1",
  "10.1.0.1",
  "10.1.9.7",
  "10.1.9.200",
  "128.0.0.1",
  "1.1.1.1",
  "fd00::1",
  "fd00:1::7",
  "2001::1",
  "::ffff:10.0.0.1",
];
const probePorts = [1, 53, 79, 80, 81, 443, 444, 500, 1000, 65535];

/** Rules alone, and few of them, so that more cases meet in the same time. */
const anyEgress: fc.Arbitrary<Policy> = fc
  .array(rule, { minLength: 1, maxLength: 2 })
  .map((egress) => policy({ network: { egress } }));

test("narrow is the exact intersection of paths", (t) => {
  fc.assert(
    fc.property(anyPolicy, anyPolicy, (ceiling, request) => {
      const { policy: given } = narrow(ceiling, request);
      return probePaths.every(
        (probe) => grantAt(given, probe) === Math.min(grantAt(ceiling, probe), grantAt(request, probe)),
      );
    }),
    { numRuns: 400 },
  );
  t.pass();
});

test("narrow is the exact intersection of destinations and ports", (t) => {
  const exact = (ceiling: Policy, request: Policy) => {
    const { policy: given } = narrow(ceiling, request);
    for (const host of [...probeHosts, ...probeAddresses])
      for (const probe of probePorts)
        for (const protocol of ["tcp", "udp"] as const) {
          const expected =
            allowsEgress(ceiling, host, probe, protocol) && allowsEgress(request, host, probe, protocol);
          if (allowsEgress(given, host, probe, protocol) !== expected) return false;
        }
    return true;
  };
  fc.assert(fc.property(anyPolicy, anyPolicy, exact), { numRuns: 100 });
  fc.assert(fc.property(anyEgress, anyEgress, exact), { numRuns: 800 });
  t.pass();
});

test("what counts as named (private, metadata, the host's own) is the intersection too, however wide the ceiling", (t) => {
  const block = fc.constantFrom(
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3",
    "169.254.0.0/16",
    "169.254.169.254",
    "128.0.0.0/1",
    "8.0.0.0/8",
    "8.8.8.8",
    "::/0",
    "64:ff9b::/96",
    "64:ff9b::a00:0/104",
  );
  const wide = fc.record({
    to: fc.uniqueArray(block, { minLength: 1, maxLength: 3 }),
    ports: fc.constantFrom<number[]>([443], [80, 443]),
  });
  const networks = fc.array(wide, { maxLength: 3 }).map((egress) => policy({ network: { egress } }));
  const probes = [
    "10.1.2.3",
    "10.1.2.4",
    "10.9.9.9",
    "169.254.169.254",
    "169.254.1.1",
    "8.8.8.8",
    "8.8.4.4",
    "64:ff9b::a01:203",
    "64:ff9b::808:808",
  ];
  const options = { ownAddresses: () => ["8.8.4.4", "10.1.2.4"] };
  fc.assert(
    fc.property(networks, networks, (ceiling, request) => {
      const { policy: both } = narrow(ceiling, request);
      const [outer, inner, met] = [ceiling, request, both].map(
        ({ network }) => new EgressRules(network, options),
      );
      for (const address of probes)
        for (const probe of [80, 443]) {
          const verdict = (rules: EgressRules | undefined) =>
            rules?.judgeAddress({ address, port: probe, protocol: "tcp" }).verdict;
          const expected = verdict(outer) === "allow" && verdict(inner) === "allow" ? "allow" : "deny";
          t.is(verdict(met), expected, `${address} on ${probe}`);
        }
      t.deepEqual(narrow(ceiling, both).policy, both);
      t.deepEqual(narrow(ceiling, ceiling).policy, ceiling);
    }),
    { numRuns: 2000 },
  );
});

test("narrow never loosens limits, environment, profile or record, and says what it refused", (t) => {
  fc.assert(
    fc.property(anyPolicy, anyPolicy, (ceiling, request) => {
      const { policy: given, refused } = narrow(ceiling, request);
      for (const key of limitNames) {
        const [most, limit] = [ceiling.resources[key], given.resources[key]];
        if (most === undefined) continue;
        if (limit === undefined || limit.value > most.value || (limit.bestEffort && !most.bestEffort))
          return false;
      }
      if (given.environment.pass.some((variable) => !ceiling.environment.pass.includes(variable)))
        return false;
      for (const [variable, value] of Object.entries(given.environment.set)) {
        const fromCeiling = ceiling.environment.set[variable];
        if (fromCeiling === undefined && ["LD_PRELOAD", "NODE_OPTIONS", "PATH"].includes(variable))
          return false;
        if (fromCeiling !== undefined && value !== fromCeiling) return false;
      }
      const levels = ["off", "denied", "security", "files", "all"];
      if (levels.indexOf(given.audit.level) < levels.indexOf(ceiling.audit.level)) return false;
      if (ceiling.audit.onFailure === "stop" && given.audit.onFailure !== "stop") return false;
      if (given.audit.maxBytes !== ceiling.audit.maxBytes) return false;
      const { profile } = given.syscalls;
      if (
        profile !== ceiling.syscalls.profile &&
        !(profile === "strict" && ceiling.syscalls.profile === "default")
      )
        return false;
      if (given.filesystem.tmpBytes > Math.min(ceiling.filesystem.tmpBytes, request.filesystem.tmpBytes))
        return false;
      const keys = new Set(given.network.forward.map(({ listenPort, port: to }) => `${listenPort}:${to}`));
      const most = new Set(ceiling.network.forward.map(({ listenPort, port: to }) => `${listenPort}:${to}`));
      if ([...keys].some((key) => !most.has(key))) return false;
      // Whatever a request has less of afterwards is named.
      const lost = probePaths.some(
        (at) =>
          grantAt(given, at) <
          grantAt({ ...request, filesystem: { ...request.filesystem, deny: given.filesystem.deny } }, at),
      );
      return !lost || refused.some(({ subject }) => subject.startsWith("filesystem."));
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test("narrow is idempotent, and a ceiling under itself is itself", (t) => {
  fc.assert(
    fc.property(anyPolicy, anyPolicy, (ceiling, request) => {
      const own = narrow(ceiling, ceiling);
      t.deepEqual(own.policy, ceiling);
      t.deepEqual(own.refused, []);
      const once = narrow(ceiling, request).policy;
      const again = narrow(ceiling, once);
      t.deepEqual(again.policy, once);
      t.deepEqual(again.refused, []);
    }),
    { numRuns: 200 },
  );
});

const refusals: readonly {
  readonly title: string;
  readonly ceiling: Omit<PolicyInput, "version">;
  readonly request: Omit<PolicyInput, "version">;
  /** subject: asked -> given (reason) */
  readonly refused: readonly string[];
}[] = [
  {
    title: "a sibling whose name starts alike is not inside",
    ceiling: { filesystem: { read: ["/allowed"] } },
    request: { filesystem: { read: ["/allowed-evil", "/allowed/x"] } },
    refused: ["filesystem.read: /allowed-evil -> nothing (no grant of the ceiling contains /allowed-evil)"],
  },
  {
    title: "a stronger mode comes down to the ceiling's",
    ceiling: { filesystem: { read: ["/r"], overlay: ["/o"], write: ["/w"] } },
    request: { filesystem: { write: ["/r/x", "/o"], overlay: ["/w"] } },
    refused: [
      "filesystem.write: /o -> overlay /o (the ceiling grants /o for overlay only)",
      "filesystem.write: /r/x -> read /r/x (the ceiling grants /r for read only)",
    ],
  },
  {
    title: "what is asked around a grant comes down to the grant; a line drawn inside stays",
    ceiling: { filesystem: { read: ["/srv/data"], write: ["/w"], overlay: ["/w/keep"] } },
    request: { filesystem: { read: ["/srv"], write: ["/w"] } },
    refused: [
      "filesystem.read: /srv -> read /srv/data (the ceiling grants only parts of /srv)",
      "filesystem.write: /w/keep -> overlay /w/keep (the ceiling grants /w/keep for overlay only)",
    ],
  },
  {
    title: "destinations and ports are cut down",
    ceiling: {
      network: {
        egress: [
          { to: ["**.example.com"], ports: [443] },
          { to: ["10.0.0.0/8"], except: ["10.9.0.0/16"] },
        ],
      },
    },
    request: {
      network: {
        egress: [
          { to: ["*.example.com", "example.com", "evil.org"], ports: [80, 443] },
          { to: ["0.0.0.0/0"], ports: [5432] },
          { to: ["10.9.1.1"], ports: [22] },
        ],
      },
    },
    refused: [
      "network.egress: *.example.com on 80, 443 -> *.example.com on 443 (the ceiling allows only a part of it)",
      "network.egress: 0.0.0.0/0 on 5432 -> 10.0.0.0/8 except 10.9.0.0/16 on 5432 (the ceiling allows only a part of it)",
      "network.egress: 10.9.1.1 on 22 -> nothing (no rule of the ceiling allows any of it)",
      "network.egress: evil.org on 80, 443 -> nothing (no rule of the ceiling allows any of it)",
      "network.egress: example.com on 80, 443 -> nothing (no rule of the ceiling allows any of it)",
    ],
  },
  {
    title: "limits, environment, profile, record, forwards",
    ceiling: {
      resources: { memory: "64MiB" },
      environment: { pass: ["LANG"], set: { MODE: "safe" } },
      audit: { level: "files" },
      network: { forward: ["5432:127.0.0.1:5432"] },
    },
    request: {
      filesystem: { tmp: "1GiB", root: "/rootfs" },
      resources: { memory: "1GiB", cpus: 1 },
      environment: {
        pass: ["LANG", "AWS_SECRET_ACCESS_KEY"],
        set: { MODE: "x", LD_PRELOAD: "./x.so", Npm_Config_Node_Options: "-r x", OK: "1" },
      },
      syscalls: { profile: "./all.json" },
      audit: { level: "off" },
      network: { forward: ["5432:127.0.0.1:5433", "22:127.0.0.1:22"] },
    },
    refused: [
      "audit.level: off -> files (the ceiling decides on the record)",
      "environment.pass: AWS_SECRET_ACCESS_KEY -> nothing (the ceiling does not pass this variable)",
      "environment.set: LD_PRELOAD=./x.so -> nothing (this variable can make programs run other code)",
      "environment.set: MODE=x -> MODE=safe (the ceiling sets this variable itself)",
      "environment.set: Npm_Config_Node_Options=-r x -> nothing (this variable can make programs run other code)",
      "filesystem.root: /rootfs -> host (the root is the ceiling's to choose)",
      "filesystem.tmp: 1GiB -> 256MiB (the ceiling's limit is 256MiB)",
      "network.forward: 22:127.0.0.1:22 -> nothing (the ceiling has no such entry)",
      "network.forward: 5432:127.0.0.1:5433 -> nothing (the ceiling has no such entry)",
      "resources.memory: 1GiB -> 64MiB (the ceiling's limit is 64MiB)",
      "syscalls.profile: /skill/all.json -> default (the ceiling's profile holds: only `strict` is known to be narrower, and only than `default`)",
    ],
  },
  {
    title: "defaults that nobody wrote are not refused",
    ceiling: { filesystem: { tmp: "1MiB" }, resources: { pids: 1 } },
    request: {},
    refused: [],
  },
];

for (const { title, ceiling, request, refused } of refusals)
  test(`refusals: ${title}`, (t) => {
    const result = narrow(policy(ceiling), policy(request));
    t.deepEqual(
      result.refused
        .map(
          ({ subject, asked, given, reason }) => `${subject}: ${asked} -> ${given ?? "nothing"} (${reason})`,
        )
        .sort(),
      [...refused],
    );
  });
