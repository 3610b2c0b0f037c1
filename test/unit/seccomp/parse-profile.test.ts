import test from "ava";
import { SkillboxError } from "../../../src/errors.js";
import { action } from "../../../src/seccomp/actions.js";
import { parseProfile } from "../../../src/seccomp/parse-profile.js";
import type { ProfileTarget } from "../../../src/seccomp/profile-target.js";
import type { SeccompProfile } from "../../../src/seccomp/profile.js";

function parse(text: string, target: ProfileTarget = { arch: "x64" }): SeccompProfile {
  return parseProfile({ file: "p.json", text }, target);
}

/** A profile with one rule, whose members are given. */
function rule(members: string): string {
  return `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{${members}}]}`;
}

function complaint(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof SkillboxError && error.code === "ERR_POLICY") {
      const [first = ""] = error.message.split("\n");
      return error.hint === undefined ? first : `${first} | ${error.hint}`;
    }
    throw error;
  }
  return "no error";
}

test("actions take their errno from errnoRet, from a name, or EPERM", (t) => {
  const cases: readonly (readonly [string, number])[] = [
    ['"action":"SCMP_ACT_ALLOW"', action.allow],
    ['"action":"SCMP_ACT_KILL"', action.killThread],
    ['"action":"SCMP_ACT_KILL_THREAD"', action.killThread],
    ['"action":"SCMP_ACT_KILL_PROCESS"', action.killProcess],
    ['"action":"SCMP_ACT_TRAP"', action.trap],
    ['"action":"SCMP_ACT_LOG"', action.log],
    ['"action":"SCMP_ACT_NOTIFY"', action.notify],
    ['"action":"SCMP_ACT_ERRNO"', action.errno(1)],
    ['"action":"SCMP_ACT_ERRNO","errnoRet":0', action.errno(0)],
    ['"action":"SCMP_ACT_ERRNO","errnoRet":38', action.errno(38)],
    ['"action":"SCMP_ACT_ERRNO","errnoRet":null', action.errno(1)],
    ['"action":"SCMP_ACT_ERRNO","errno":"ENOSYS"', action.errno(38)],
    ['"action":"SCMP_ACT_ERRNO","errnoRet":22,"errno":"EPERM"', action.errno(1)],
    ['"action":"SCMP_ACT_TRACE","errnoRet":7', action.trace(7)],
  ];
  for (const [members, expected] of cases) {
    t.is(parse(rule(`"names":["read"],${members}`)).rules[0]?.action, expected, members);
  }
  t.is(parse('{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38}').defaultAction, action.errno(38));
  t.is(parse('{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS"}').defaultAction, action.errno(38));
});

test("conditions keep all 64 bits, and MASKED_EQ becomes a mask", (t) => {
  const args =
    '[{"index":0,"value":18446744073709551615,"op":"SCMP_CMP_GE"},{"index":5,"value":15,"valueTwo":19,"op":"SCMP_CMP_MASKED_EQ"}]';
  t.deepEqual(parse(rule(`"names":["read"],"action":"SCMP_ACT_ALLOW","args":${args}`)).rules[0]?.args, [
    { arg: 0, op: "GE", value: 0xffff_ffff_ffff_ffffn },
    { arg: 5, op: "EQ", value: 3n, mask: 15n },
  ]);
});

test("an argument compared twice gives alternatives, as in runc", (t) => {
  const args =
    '[{"index":1,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"},{"index":0,"value":3,"op":"SCMP_CMP_EQ"}]';
  const { rules } = parse(rule(`"names":["read"],"action":"SCMP_ACT_ALLOW","args":${args}`));
  t.deepEqual(
    rules.map(({ args: conditions }) => conditions),
    [[{ arg: 1, op: "EQ", value: 1n }], [{ arg: 1, op: "EQ", value: 2n }], [{ arg: 0, op: "EQ", value: 3n }]],
  );
});

test("includes and excludes choose by architecture, capability and kernel", (t) => {
  const applies = (members: string, target?: ProfileTarget): boolean =>
    parse(rule(`"names":["read"],"action":"SCMP_ACT_ALLOW",${members}`), target).rules.length === 1;
  t.true(applies('"includes":{},"excludes":{}'));
  t.true(applies('"includes":null'));
  t.true(applies('"includes":{"arches":["amd64","x32"]}'));
  t.false(applies('"includes":{"arches":["amd64","x32"]}', { arch: "arm64" }));
  t.true(applies('"includes":{"arches":["arm","arm64"]}', { arch: "arm64" }));
  t.false(applies('"excludes":{"arches":["amd64"]}'));
  t.false(applies('"includes":{"caps":["CAP_SYS_ADMIN"]}'));
  t.true(applies('"excludes":{"caps":["CAP_SYS_ADMIN"]}'));
  const privileged: ProfileTarget = { arch: "x64", capabilities: new Set(["CAP_SYS_ADMIN"]) };
  t.true(applies('"includes":{"caps":["CAP_SYS_ADMIN"]}', privileged));
  t.false(applies('"includes":{"caps":["CAP_SYS_ADMIN","CAP_BPF"]}', privileged));
  t.false(applies('"excludes":{"caps":["CAP_BPF","CAP_SYS_ADMIN"]}', privileged));
  t.true(applies('"includes":{"minKernel":"4.8"}'));
  t.true(applies('"includes":{"minKernel":"4.8"}', { arch: "x64", kernel: [5, 0] }));
  t.true(applies('"includes":{"minKernel":"4.8"}', { arch: "x64", kernel: [4, 8] }));
  t.false(applies('"includes":{"minKernel":"4.8"}', { arch: "x64", kernel: [4, 7] }));
  t.false(applies('"excludes":{"minKernel":"4.8"}', { arch: "x64", kernel: [6, 1] }));
});

test("names of other architectures and of removed calls are accepted", (t) => {
  t.deepEqual(
    parse(rule('"names":["read","socketcall","s390_sthyi","vm86"],"action":"SCMP_ACT_ALLOW"')).rules[0]
      ?.names,
    ["read", "socketcall", "s390_sthyi", "vm86"],
  );
  t.deepEqual(parse(rule('"name":"read","action":"SCMP_ACT_ALLOW"')).rules[0]?.names, ["read"]);
});

const mistakes: readonly (readonly [string, string, string])[] = [
  [
    "a misspelt call",
    rule('"names":["read","opennat"],"action":"SCMP_ACT_ALLOW"'),
    'p.json:1:64: error: no architecture has a system call "opennat" | Did you mean "openat"?',
  ],
  [
    "a call that is nothing",
    rule('"names":["frobnicate_all_things"],"action":"SCMP_ACT_ALLOW"'),
    'p.json:1:57: error: no architecture has a system call "frobnicate_all_things"',
  ],
  [
    "an unknown action",
    rule('"names":["read"],"action":"SCMP_ACT_ALOW"'),
    'p.json:1:74: error: unknown action "SCMP_ACT_ALOW" | Did you mean "SCMP_ACT_ALLOW"?',
  ],
  [
    "an unknown operator",
    rule('"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"EQUALS"}]'),
    'p.json:1:125: error: unknown operator "EQUALS" | Known are: SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ.',
  ],
  [
    "an argument that does not exist",
    rule('"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]'),
    'p.json:1:108: error: "index" must be at most 5',
  ],
  [
    "a value of 65 bits",
    rule(
      '"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":18446744073709551616,"op":"SCMP_CMP_EQ"}]',
    ),
    'p.json:1:118: error: "value" must be at most 18446744073709551615',
  ],
  [
    "a negative value",
    rule('"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":-100,"op":"SCMP_CMP_EQ"}]'),
    'p.json:1:118: error: "value" must be an integer from 0 to 18446744073709551615',
  ],
  [
    "a missing operator",
    rule('"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0}]'),
    'p.json:1:99: error: "op" is missing',
  ],
  ["a missing action", rule('"names":["read"]'), 'p.json:1:47: error: "action" is missing'],
  [
    "no names",
    rule('"action":"SCMP_ACT_ALLOW","names":[]'),
    "p.json:1:82: error: a rule names at least one system call",
  ],
  [
    "an errno where none is returned",
    rule('"names":["read"],"action":"SCMP_ACT_KILL","errnoRet":1'),
    "p.json:1:101: error: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return an errno",
  ],
  [
    "an errno beyond the kernel's",
    rule('"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":4096'),
    'p.json:1:102: error: "errnoRet" must be at most 4095',
  ],
  [
    "an unknown errno",
    rule('"names":["read"],"action":"SCMP_ACT_ERRNO","errno":"ENOSYSS"'),
    'p.json:1:99: error: unknown errno "ENOSYSS" | Did you mean "ENOSYS"?',
  ],
  [
    "an unknown key",
    '{\n  "defaultAction": "SCMP_ACT_ALLOW",\n  "syscall": []\n}',
    'p.json:3:3: error: unknown key "syscall" in a seccomp profile | Did you mean "syscalls"?',
  ],
  [
    "a listener of its own",
    '{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/x"}',
    'p.json:1:35: error: unknown key "listenerPath" in a seccomp profile | Known are: defaultAction, defaultErrnoRet, defaultErrno, architectures, archMap, flags, syscalls, comment.',
  ],
  ["no default", '{"syscalls":[]}', 'p.json:1:1: error: "defaultAction" is missing'],
  [
    "a duplicate key",
    '{"defaultAction":"SCMP_ACT_ALLOW",\n "defaultAction":"SCMP_ACT_KILL"}',
    'p.json:2:2: error: duplicate key "defaultAction"',
  ],
  [
    "foreign architectures only",
    '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_S390X","SCMP_ARCH_PPC64LE"]}',
    'p.json:1:51: error: this profile is for other architectures than this machine\'s SCMP_ARCH_X86_64 | Add "SCMP_ARCH_X86_64" if its rules are meant for it.',
  ],
  [
    "an unknown architecture",
    '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X8664"]}',
    'p.json:1:52: error: unknown architecture "SCMP_ARCH_X8664" | Did you mean "SCMP_ARCH_X86_64"?',
  ],
  [
    "an unknown flag",
    '{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}',
    'p.json:1:44: error: unknown flag "SECCOMP_FILTER_FLAG_NEW_LISTENER" | Did you mean "SECCOMP_FILTER_FLAG_TSYNC"?',
  ],
  [
    "a capability without its prefix",
    rule('"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["SYS_ADMIN"]}'),
    'p.json:1:111: error: "SYS_ADMIN" is not of the form that "caps" takes',
  ],
  [
    "a kernel version of three parts",
    rule('"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8.1"}'),
    'p.json:1:115: error: "minKernel" must be two numbers with a dot, as in "4.8"',
  ],
  ["an array in place of the object", "[]", "p.json:1:1: error: a seccomp profile must be an object"],
  ["no JSON", "defaultAction: SCMP_ACT_ALLOW", "p.json:1:1: error: this is not JSON"],
  [
    "JSON that ends too soon",
    '{"defaultAction":"SCMP_ACT_ALLOW",\n',
    "p.json:2:1: error: expected a key in double quotes",
  ],
  ["an empty file", "", "p.json:1:1: error: the file ends in the middle of the JSON value"],
  [
    "more after the end",
    '{"defaultAction":"SCMP_ACT_ALLOW"} {}',
    "p.json:1:36: error: something follows the JSON value",
  ],
  [
    "too many rules",
    rule(
      `"names":["read"],"action":"SCMP_ACT_ALLOW","args":[${Array.from({ length: 1501 }, (_, value) => `{"index":0,"value":${value},"op":"SCMP_CMP_EQ"}`).join()}]`,
    ),
    'p.json:1:46: error: too many rules: more than 1500 conditions for "read"',
  ],
];

for (const [title, text, expected] of mistakes) {
  test(`${title} is an error with its place`, (t) => {
    t.is(complaint(text), expected);
  });
}

test("an error shows the line and a caret below the place", (t) => {
  const error = t.throws(() => parse('{\n\t"defaultAction": "SCMP_ACT_DENY"\n}'), {
    instanceOf: SkillboxError,
  });
  t.is(
    error.message,
    'p.json:2:19: error: unknown action "SCMP_ACT_DENY"\n   "defaultAction": "SCMP_ACT_DENY"\n                    ^',
  );
});

test("a rule that is not for this machine is checked all the same", (t) => {
  const text = rule('"names":["raed"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}');
  t.regex(complaint(text), /no architecture has a system call "raed"/);
});
