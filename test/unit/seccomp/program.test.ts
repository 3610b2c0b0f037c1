import test from "ava";
import { action } from "../../../src/seccomp/actions.js";
import { assemble } from "../../../src/seccomp/assemble.js";
import { closest } from "../../../src/seccomp/closest.js";
import { DecisionGraph, fullMask, type Decision } from "../../../src/seccomp/decision.js";
import { disassemble } from "../../../src/seccomp/disassemble.js";
import { evaluate } from "../../../src/seccomp/evaluate.js";
import { compileProfile } from "../../../src/seccomp/filter.js";
import { filterKey } from "../../../src/seccomp/filter-key.js";
import { decode, encode, opcode, type Instruction } from "../../../src/seccomp/instruction.js";
import type { SeccompProfile } from "../../../src/seccomp/profile.js";
import { verify } from "../../../src/seccomp/verify.js";

const ret: Instruction = { code: opcode.return, jt: 0, jf: 0, k: action.allow };

const invalid: readonly (readonly [string, readonly Instruction[], RegExp])[] = [
  ["an empty program", [], /1 to 4096/],
  ["a long one", Array.from({ length: 4097 }, () => ret), /1 to 4096/],
  ["no return at the end", [{ code: opcode.loadWord, jt: 0, jf: 0, k: 0 }], /the last is no return/],
  ["a jump beyond the end", [{ code: opcode.jump, jt: 0, jf: 0, k: 1 }, ret], /instruction 0: jumps out/],
  [
    "a jump that wraps",
    [{ code: opcode.jump, jt: 0, jf: 0, k: 0xffff_ffff }, ret],
    /instruction 0: jumps out/,
  ],
  [
    "a branch beyond the end",
    [{ code: opcode.jumpEqual, jt: 0, jf: 1, k: 1 }, ret],
    /instruction 0: jumps out/,
  ],
  [
    "a load beyond seccomp_data",
    [{ code: opcode.loadWord, jt: 0, jf: 0, k: 64 }, ret],
    /loads from offset 64/,
  ],
  ["an unaligned load", [{ code: opcode.loadWord, jt: 0, jf: 0, k: 2 }, ret], /loads from offset 2/],
  ["an unknown opcode", [{ code: 0x30, jt: 0, jf: 0, k: 0 }, ret], /opcode 48/],
  ["an unknown action", [{ ...ret, k: 0x1234_0000 }], /unknown action/],
];

for (const [title, instructions, message] of invalid) {
  test(`the verifier refuses ${title}`, (t) => {
    t.throws(() => verify(encode(instructions)), { code: "ERR_INTERNAL", message });
  });
}

test("encoding is the kernel's struct sock_filter, little endian", (t) => {
  const instruction = { code: 0x15, jt: 1, jf: 2, k: 0xc000_003e };
  t.deepEqual([...encode([instruction])], [0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0]);
  t.deepEqual(decode(encode([instruction])), [instruction]);
  t.throws(() => decode(new Uint8Array(7)), { instanceOf: RangeError });
});

test("targets at each distance around 255 are reached", (t) => {
  for (let length = 250; length <= 260; length += 1) {
    for (const far of ["yes", "no"] as const) {
      const graph = new DecisionGraph();
      const deny = graph.return(action.errno(1));
      // A chain in which every test can fall to one far return and to a shared far test.
      const shared = graph.test(20, fullMask, "eq", 7, graph.return(action.allow), deny);
      let chain: Decision = shared;
      for (let step = 0; step < length; step += 1) {
        const out = step % 2 === 0 ? deny : shared;
        chain =
          far === "yes"
            ? graph.test(16, fullMask, "eq", step + 1, out, chain)
            : graph.test(16, fullMask, "set", step + 1, chain, out);
      }
      const program = assemble(chain);
      verify(program);
      for (const low of [0n, 1n, 2n, 255n, 256n, 257n, 300n, 0xffff_ffffn]) {
        for (const high of [0n, 7n]) {
          const args = [low | (high << 32n)];
          t.is(evaluate(program, { nr: 0, arch: 0, args }).action, walk(chain, args[0] ?? 0n));
        }
      }
    }
  }
});

/** The decision followed node by node. */
function walk(node: Decision, arg0: bigint): number {
  if (node.kind === "return") return node.action;
  const word = Number(node.word === 16 ? arg0 & 0xffff_ffffn : arg0 >> 32n);
  const held = node.op === "set" ? (word & node.value) !== 0 : word === node.value;
  return walk(held ? node.yes : node.no, arg0);
}

test("the listing shows names for calls, architectures and actions", (t) => {
  const profile: SeccompProfile = {
    defaultAction: action.errno(38),
    rules: [
      { names: ["read"], action: action.allow, args: [] },
      { names: ["close"], action: action.killProcess, args: [{ arg: 1, op: "GT", value: 0x1_0000_0005n }] },
    ],
  };
  t.is(
    disassemble(compileProfile("arm64", profile), "arm64"),
    [
      " 0  ld   arch",
      " 1  jeq  AUDIT_ARCH_AARCH64  → 2 else 14",
      " 2  ld   nr",
      " 3  jge  write  → 13 else 4",
      " 4  jge  close  → 5 else 13",
      " 5  jge  vhangup  → 6 else 8",
      " 6  jge  read  → 7 else 13",
      " 7  ret  ALLOW",
      " 8  ld   arg1.high",
      " 9  jgt  1  → 14 else 10",
      "10  jeq  1  → 11 else 13",
      "11  ld   arg1.low",
      "12  jgt  5  → 14 else 13",
      "13  ret  ERRNO(ENOSYS)",
      "14  ret  KILL_PROCESS",
      "",
    ].join("\n"),
  );
});

test("the nearest name is suggested when it is near", (t) => {
  const names = ["openat", "open", "read", "epoll_wait"];
  t.is(closest("opennat", names), "openat");
  t.is(closest("reed", names), "read");
  t.is(closest("frobnicate", names), undefined);
  t.is(closest("", names), undefined);
});

test("the cache key changes with everything the filter depends on", (t) => {
  const profile: SeccompProfile = { defaultAction: action.allow, rules: [] };
  const input = { arch: "x64", profile, baseDenials: [], notify: [] } as const;
  const rule = { names: ["read"], action: action.errno(1), args: [{ arg: 0, op: "EQ", value: 1n }] } as const;
  const keys = [
    filterKey(input),
    filterKey({ ...input, arch: "arm64" }),
    filterKey({ ...input, profile: { ...profile, defaultAction: action.log } }),
    filterKey({ ...input, baseDenials: [rule] }),
    filterKey({ ...input, baseDenials: [{ ...rule, args: [{ arg: 0, op: "EQ", value: 2n }] }] }),
    filterKey({ ...input, notify: [{ names: ["read"] }] }),
    filterKey({ ...input, notifyDenials: true }),
  ];
  t.is(new Set(keys).size, keys.length);
  t.is(filterKey({ ...input }), filterKey(input));
  t.regex(filterKey(input), /^[0-9a-f]{64}$/);
});
