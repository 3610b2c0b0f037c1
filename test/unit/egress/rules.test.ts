import test from "ava";
import fc from "fast-check";

import { canonicalName } from "../../../src/egress/names.js";
import { WildcardLimits } from "../../../src/egress/names-limit.js";
import { type Decision, EgressRules } from "../../../src/egress/rules.js";
import { SkillboxError } from "../../../src/errors.js";
import { policyFromObject } from "../../../src/policy/load.js";
import type { EgressRule } from "../../../src/policy/policy.js";
import type { PolicyInput } from "../../../src/policy/schema.js";

type Network = NonNullable<PolicyInput["network"]>;

function rulesOf(network: Network, ownAddresses: readonly string[] = []): EgressRules {
  const policy = policyFromObject({ version: 1, network }, { baseDirectory: "/skill" });
  return new EgressRules(policy.network, { ownAddresses: () => ownAddresses });
}

function to(...destinations: readonly string[]): EgressRules {
  return rulesOf({ egress: [{ to: [...destinations] }] });
}

const https = { port: 443, protocol: "tcp" } as const;

test("a name matches label by label, in whatever case, with or without the trailing dot", (t) => {
  const table: readonly (readonly [pattern: string, name: string, verdict: Decision["verdict"]])[] = [
    ["pypi.org", "pypi.org", "allow"],
    ["pypi.org", "PyPI.ORG.", "allow"],
    ["PYPI.org.", "pypi.org", "allow"],
    ["pypi.org", "www.pypi.org", "deny"],
    ["pypi.org", "notpypi.org", "deny"],
    ["pypi.org", "pypi.org.evil.example", "deny"],
    ["pypi.org", "pypi.or", "deny"],
    ["pypi.org", "org", "deny"],
    ["*.example.com", "a.example.com", "allow"],
    ["*.example.com", "example.com", "deny"],
    ["*.example.com", "a.b.example.com", "deny"],
    ["*.example.com", "aexample.com", "deny"],
    ["a.*.example.com", "a.b.example.com", "allow"],
    ["a.*.example.com", "a.example.com", "deny"],
    ["a.*.example.com", "c.b.example.com", "deny"],
    ["**.example.com", "a.example.com", "allow"],
    ["**.example.com", "a.b.c.example.com", "allow"],
    ["**.example.com", "example.com", "deny"],
    ["**.example.com", "badexample.com", "deny"],
    ["**.*.example.com", "a.example.com", "deny"],
    ["**.*.example.com", "b.a.example.com", "allow"],
    ["**", "pypi.org", "allow"],
    ["**", "single", "allow"],
    ["bücher.example", "xn--bcher-kva.example", "allow"],
    ["xn--bcher-kva.example", "BÜCHER.example", "allow"],
    ["*.bücher.example", "a.xn--bcher-kva.example", "allow"],
    ["**", "pyp\u0456.org", "allow"],
    ["pypi.org", "pyp\u0456.org", "deny"],
    // What is no host name, or an address in a spelling that only resolvers know, matches nothing, not even `**`.
    ["**", "", "deny"],
    ["**", ".", "deny"],
    ["**", "a..b", "deny"],
    ["**", ".pypi.org", "deny"],
    ["**", "pypi.org..", "deny"],
    ["**", "*.pypi.org", "deny"],
    ["**", "2130706433", "deny"],
    ["**", "0x7f.1", "deny"],
    ["**", "0x7f000001", "deny"],
    ["**", "127.1", "deny"],
    ["**", "0177.0.0.1", "deny"],
    ["**", "127.0.0.1", "deny"],
    ["**", "127.0.0.1.", "deny"],
    ["**", "::1", "deny"],
    ["**", "[::1]", "deny"],
    ["**", "a b.example", "deny"],
    ["**", "a%2eb.example", "deny"],
    ["**", "a/b.example", "deny"],
    ["**", "bü/cher.example", "deny"],
    ["**", "evil.example\0.pypi.org", "deny"],
    ["**", "-a.example", "deny"],
    ["**", `${"a".repeat(64)}.example`, "deny"],
    ["**", "ab.".repeat(90), "deny"],
    ["**", "ü".repeat(2000), "deny"],
  ];
  for (const [pattern, name, verdict] of table) {
    t.is(to(pattern).judgeConnection({ name, ...https }).verdict, verdict, `${name} under ${pattern}`);
    t.is(to(pattern).judgeName(name).verdict, verdict, `${name} under ${pattern}, for DNS`);
  }
});

test("ports and protocols", (t) => {
  const rules = rulesOf({
    egress: [
      { to: ["every.example"] },
      { to: ["some.example"], ports: [443, "8000-8100", "123/udp"] },
      { to: ["quic.example"], ports: ["443/udp"] },
    ],
  });
  const verdict = (name: string, port: number, protocol: "tcp" | "udp" = "tcp"): string =>
    rules.judgeConnection({ name, port, protocol }).verdict;
  t.deepEqual([verdict("every.example", 1), verdict("every.example", 65_535)], ["allow", "allow"]);
  t.is(verdict("every.example", 0), "deny");
  t.is(verdict("every.example", 443, "udp"), "deny");
  t.deepEqual([verdict("some.example", 443), verdict("some.example", 8100)], ["allow", "allow"]);
  t.deepEqual([verdict("some.example", 80), verdict("some.example", 8101)], ["deny", "deny"]);
  t.deepEqual([verdict("some.example", 123, "udp"), verdict("some.example", 123)], ["allow", "deny"]);
  t.is(rules.judgeName("quic.example").verdict, "allow");
  t.is(verdict("quic.example", 443), "deny");
});

test("a denial wins; for DNS only when it leaves no port", (t) => {
  const rules = rulesOf({
    egress: [
      { to: ["**.example.com"] },
      { to: ["narrow.example.org"], ports: ["80-90"] },
      { to: ["0.0.0.0/0", "::/0"] },
    ],
    egressDeny: [
      { to: ["telemetry.example.com"] },
      { to: ["*.example.com"], ports: [25] },
      { to: ["narrow.example.org"], ports: ["1-84"] },
      { to: ["narrow.example.org"], ports: ["85-100"] },
      { to: ["203.0.114.0/24"] },
    ],
  });
  t.deepEqual(rules.judgeName("telemetry.example.com"), { verdict: "deny", rule: "egressDeny[0]" });
  t.is(rules.judgeName("deep.telemetry.example.com").verdict, "allow");
  t.is(rules.judgeName("mail.example.com").verdict, "allow");
  const smtp = { name: "mail.example.com", port: 25, protocol: "tcp" } as const;
  t.deepEqual(rules.judgeConnection(smtp), { verdict: "deny", rule: "egressDeny[1]" });
  t.is(rules.judgeConnection({ ...smtp, port: 26 }).rule, "egress[0]");
  t.deepEqual(rules.judgeName("narrow.example.org"), { verdict: "deny", rule: "egressDeny[2]" });
  // A denial without ports is for UDP too, and for every way to write an address.
  for (const address of ["203.0.114.9", "::ffff:203.0.114.9", "64:ff9b::203.0.114.9", "2002:cb00:7209::1"]) {
    t.is(rules.judgeAddress({ address, ...https }).rule, "egressDeny[4]", address);
    const resolved = { name: "a.example.com", address, ...https };
    t.is(rules.judgeResolved(resolved).rule, "egressDeny[4]", address);
  }
});

test("a decision names its rule, by its line where the policy has lines", (t) => {
  const origin = { file: "p.yaml", line: 6, column: 7 };
  const egress: EgressRule[] = [
    { to: ["a.example"], except: [], ports: [], origin },
    { to: ["b.example"], except: [], ports: [] },
  ];
  const rules = new EgressRules({ egress, egressDeny: [] });
  t.deepEqual(rules.judgeName("a.example"), { verdict: "allow", rule: "p.yaml:6:7" });
  t.deepEqual(rules.judgeName("b.example"), { verdict: "allow", rule: "egress[1]" });
  t.deepEqual(rules.judgeName("pypi.org"), {
    verdict: "deny",
    rule: "default",
    hint: 'network.egress: [{ to: ["pypi.org"], ports: [443] }]',
  });
  t.is(
    rules.judgeConnection({ name: "pypi.org", port: 123, protocol: "udp" }).hint,
    'network.egress: [{ to: ["pypi.org"], ports: ["123/udp"] }]',
  );
});

test("every hint is a policy under which the same question is answered with yes", (t) => {
  const none = rulesOf({});
  const connection = { name: "pypi.org", port: 8443, protocol: "udp" } as const;
  const hint = none.judgeConnection(connection).hint ?? "";
  t.is(fromHint(hint).judgeConnection(connection).verdict, "allow");
  for (const address of ["192.0.2.7", "8.8.8.8", "2606:4700::1", "10.1.2.3", "fd00::7", "64:ff9b::a01:203"]) {
    const target = { address, ...https };
    t.is(fromHint(none.judgeAddress(target).hint ?? "").judgeAddress(target).verdict, "allow", address);
  }
});

function fromHint(hint: string): EgressRules {
  const [, destination, port] =
    /^network\.egress: \[\{ to: \["(.*)"\], ports: \[(.*)\] \}\]$/.exec(hint) ?? [];
  const parsed: unknown = JSON.parse(port ?? "");
  const ports = typeof parsed === "number" || typeof parsed === "string" ? [parsed] : [];
  return rulesOf({ egress: [{ to: [destination ?? ""], ports }] });
}

test("rules that no reader of policies lets pass are an error, not a gap", (t) => {
  const broken = (rule: Partial<EgressRule>): EgressRule => ({
    to: ["10.0.0.0/8"],
    except: [],
    ports: [],
    ...rule,
  });
  for (const network of [
    { egress: [], egressDeny: [broken({ to: ["https://evil.example"] })] },
    { egress: [broken({ except: ["10.0.0.0/99"] })], egressDeny: [] },
  ])
    t.throws(() => new EgressRules(network), { instanceOf: SkillboxError, code: "ERR_POLICY" });
});

const label = fc.constantFrom("a", "b", "com", "x-y", "_c");
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const pattern = fc
  .tuple(fc.boolean(), fc.array(fc.oneof(label, fc.constant("*")), { maxLength: 3 }), label)
  .map(([anyDepth, labels, last]) => [...(anyDepth ? ["**"] : []), ...labels, last].join("."));
const ports = fc.array(fc.constantFrom(1, 2, "2-3", "1/udp", "1-65535", "1-65535/udp"), {
  minLength: 1,
  maxLength: 2,
});
const namedRule = fc.record(
  { to: fc.array(pattern, { minLength: 1, maxLength: 3 }), ports },
  { requiredKeys: ["to"] },
);
const network = fc.record({
  egress: fc.array(namedRule, { maxLength: 4 }),
  egressDeny: fc.array(namedRule, { maxLength: 2 }),
});
const target = fc.record({
  port: fc.constantFrom(1, 2, 3, 4, 65_535),
  protocol: fc.constantFrom("tcp" as const, "udp" as const),
});

test("names are judged as by an oracle that tries each pattern", (t) => {
  fc.assert(
    fc.property(network, name, target, (section, asked, at) => {
      const rules = rulesOf(section);
      const expected = oracle(section, asked, at);
      t.is(rules.judgeConnection({ name: asked, ...at }).verdict, expected);
      if (expected === "allow") t.is(rules.judgeName(asked).verdict, "allow");
    }),
    { numRuns: 1500 },
  );
});

test("DNS allows a name exactly when some connection to it is allowed", (t) => {
  fc.assert(
    fc.property(network, name, (section, asked) => {
      const rules = rulesOf(section);
      const somePort = [1, 2, 3, 4, 5, 65_535].some((port) =>
        (["tcp", "udp"] as const).some((protocol) => oracle(section, asked, { port, protocol }) === "allow"),
      );
      t.is(rules.judgeName(asked).verdict, somePort ? "allow" : "deny");
    }),
    { numRuns: 1000 },
  );
});

test("a name exists where an allowed name may lie below it", (t) => {
  fc.assert(
    fc.property(namedRule, name, name, (rule, above, below) => {
      const rules = rulesOf({ egress: [rule] });
      const joined = `${below}.${above}`;
      if (rules.judgeName(joined).verdict === "allow") t.true(rules.hasAllowedBelow(above));
      t.true(rules.hasAllowedBelow(""));
    }),
    { numRuns: 1000 },
  );
  t.false(to("pypi.org").hasAllowedBelow("pypi.org"));
  t.false(to("pypi.org").hasAllowedBelow("evil.org"));
  t.true(to("pypi.org").hasAllowedBelow("org"));
  t.true(to("*.pypi.org").hasAllowedBelow("pypi.org"));
  t.true(to("**.pypi.org").hasAllowedBelow("a.pypi.org"));
  t.false(to("10.0.0.0/8").hasAllowedBelow(""));
});

test("port 53 is opened where it stands by itself, and by no range or silence around it", (t) => {
  const judged = (rule: { to: string[]; ports?: (number | string)[] }) =>
    (["tcp", "udp"] as const).map(
      (protocol) =>
        rulesOf({ egress: [rule] }).judgeAddress({ address: "93.184.216.34", port: 53, protocol }).verdict,
    );
  const address = ["93.184.216.34"];
  t.deepEqual(judged({ to: address }), ["deny", "deny"]);
  t.deepEqual(judged({ to: address, ports: ["1-65535", "1-65535/udp", "53-54", "52-53/udp"] }), [
    "deny",
    "deny",
  ]);
  t.deepEqual(judged({ to: address, ports: [53] }), ["allow", "deny"]);
  t.deepEqual(judged({ to: address, ports: ["1-100", "53/udp"] }), ["deny", "allow"]);
  t.deepEqual(judged({ to: ["0.0.0.0/0"], ports: [53, "53/udp"] }), ["allow", "allow"]);
  const rules = rulesOf({ egress: [{ to: address, ports: [52, "50-60"] }] });
  for (const [port, verdict] of [
    [49, "deny"],
    [50, "allow"],
    [52, "allow"],
    [53, "deny"],
    [54, "allow"],
    [60, "allow"],
  ] as const)
    t.is(
      rules.judgeAddress({ address: "93.184.216.34", port, protocol: "tcp" }).verdict,
      verdict,
      String(port),
    );
  const denying = rulesOf({ egress: [{ to: address, ports: [53] }], egressDeny: [{ to: address }] });
  t.is(denying.judgeAddress({ address: "93.184.216.34", port: 53, protocol: "tcp" }).verdict, "deny");
});

interface OracleRule {
  readonly to: readonly string[];
  readonly ports?: readonly (number | string)[] | undefined;
}

function oracle(
  section: { readonly egress: readonly OracleRule[]; readonly egressDeny: readonly OracleRule[] },
  asked: string,
  at: { readonly port: number; readonly protocol: "tcp" | "udp" },
): "allow" | "deny" {
  const matches = (rule: OracleRule, everyPort: readonly string[]): boolean =>
    rule.to.some((text) => matchesPattern(text.split("."), asked.split("."))) &&
    (rule.ports ?? everyPort).some((text) => {
      const [range = "", protocol = "tcp"] = String(text).split("/");
      const [first, last = first] = range.split("-").map(Number);
      return protocol === at.protocol && (first ?? 0) <= at.port && at.port <= (last ?? 0);
    });
  if (section.egressDeny.some((rule) => matches(rule, ["1-65535", "1-65535/udp"]))) return "deny";
  return section.egress.some((rule) => matches(rule, ["1-65535"])) ? "allow" : "deny";
}

function matchesPattern(pattern_: readonly string[], labels: readonly string[]): boolean {
  const [first, ...rest] = pattern_;
  if (first === undefined) return labels.length === 0;
  if (first === "**") return labels.some((_label, index) => matchesPattern(rest, labels.slice(index + 1)));
  return labels.length > 0 && (first === "*" || first === labels[0]) && matchesPattern(rest, labels.slice(1));
}

test("a canonical name stays what it is, and no text throws or takes long", (t) => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const known = canonicalName(text);
      if (known !== undefined) t.is(canonicalName(known), known);
      t.pass();
    }),
    { numRuns: 1000 },
  );
});

test("thousands of rules are searched label by label", (t) => {
  const many = Array.from({ length: 1000 }, (_, index) => `*.h${index}.*.example.com`);
  const more = Array.from({ length: 1000 }, (_, index) => `**.h${index}.example.org`);
  const cidrs = Array.from({ length: 250 }, (_, index) => `20.${index}.0.0/16`);
  const rules = rulesOf({ egress: [{ to: many }, { to: more }, { to: cidrs }] });
  const started = performance.now();
  for (let index = 0; index < 2000; index += 1) {
    rules.judgeName(`a.h${index}.b.example.com`);
    rules.judgeName(`${"a.".repeat(100)}example.org`);
    rules.judgeAddress({ address: `20.${index % 256}.3.4`, ...https });
  }
  // Two milliseconds for each would still be far from a scan of all rules by patterns; a loaded machine gets that much.
  t.true(performance.now() - started < 12_000);
  t.is(rules.judgeName("a.h999.b.example.com").rule, "egress[0]");
});

test("below a wildcard only so many names, and characters in them, are let pass", (t) => {
  const rules = to("*.x.example", "fixed.x.example", "**.y.example");
  const limits = new WildcardLimits({ namesPerWildcard: 3, charactersPerWildcard: 30 });
  const admit = (asked: string): Decision => limits.admit(asked, rules.judgeName(asked));
  for (const one of ["a", "b", "c", "A"]) t.is(admit(`${one}.x.example`).verdict, "allow");
  t.deepEqual(admit("d.x.example"), {
    verdict: "deny",
    rule: "limit: names under *.x.example",
    hint: 'network.egress: [{ to: ["d.x.example"] }]',
  });
  t.is(admit("b.x.example").verdict, "allow");
  t.is(admit("fixed.x.example").verdict, "allow");
  t.is(admit(`${"a".repeat(20)}.y.example`).verdict, "allow");
  t.is(admit(`${"b".repeat(11)}.y.example`).rule, "limit: length of names under **.y.example");
  t.is(admit("b.y.example").verdict, "allow");
  // Under `**` any name will do, whatever other wildcards say.
  const every = to("*.x.example", "**");
  for (let index = 0; index < 100; index += 1)
    t.is(limits.admit(`h${index}.x.example`, every.judgeName(`h${index}.x.example`)).verdict, "allow");
  t.is(limits.admit("a b", { verdict: "deny", rule: "default" }).verdict, "deny");
});
