import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import test from "ava";
import { pino } from "pino";
import { eventTypes } from "../../../src/audit/event-types.js";
import { auditEventSchema, type AuditEvent } from "../../../src/audit/event.js";
import { auditEventJsonSchema } from "../../../src/audit/json-schema.js";
import { bridgeTo } from "../../../src/audit/logger-bridge.js";
import { recordOf, sample, typed } from "./sample-record.js";

const events: unknown[] = [
  ...typed,
  ...recordOf(sample)
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line)),
];

test("the schema takes what the record has, to the letter", (t) => {
  for (const event of events) t.deepEqual(auditEventSchema.parse(event), event);
});

test("the values of arguments", (t) => {
  const [open] = typed;
  const values = [
    null,
    -1,
    "18446744073709551615",
    "text \udc80",
    { text: "a".repeat(4096), length: 70_000 },
    { unreadable: "EFAULT" },
    ["O_RDONLY", 2048],
    [{ text: "a", length: 5000 }, { unreadable: "EFAULT" }, "b"],
    { items: ["ls"], length: 300 },
    { family: "AF_UNIX", abstract: "x" },
    { family: 43 },
    {},
    { flags: ["O_CREAT"], mode: "0644", resolve: [] },
    { family: "AF_VSOCK", cid: 2, port: 4_000_000_000 },
    { flags: ["O_RDONLY"], resolve: ["RESOLVE_BENEATH"] },
    { soft: 1024, hard: "RLIM_INFINITY" },
  ];
  for (const value of values)
    t.true(auditEventSchema.safeParse({ ...open, args: { value } }).success, JSON.stringify(value));
  for (const value of [{ txt: "" }, { port: 2 ** 32 }, 2 ** 53, true]) {
    t.false(auditEventSchema.safeParse({ ...open, args: { value } }).success, JSON.stringify(value));
  }
});

test("what is no event", (t) => {
  const [open] = typed;
  for (const wrong of [
    { v: 2 },
    { seq: -1 },
    { time: "2026-11-22T10:00:00Z" },
    { run: "17" },
    { type: "file.read" },
    { verdict: "maybe" },
    { ruel: "x" },
    { args: undefined },
  ]) {
    t.false(auditEventSchema.safeParse({ ...open, ...wrong }).success, JSON.stringify(wrong));
  }
});

test("the reader's list of types is the schema's", (t) => {
  const types = auditEventSchema.options.flatMap(({ shape: { type } }) =>
    "options" in type ? type.options : [...type.values],
  );
  t.deepEqual([...eventTypes].sort(), types.sort());
});

test("the shipped JSON Schema is the generated one and takes the record", (t) => {
  const shipped: unknown = JSON.parse(
    readFileSync(new URL("../../../../schema/audit-event.schema.json", import.meta.url), "utf8"),
  );
  const generated = auditEventJsonSchema();
  t.is(JSON.stringify(shipped), JSON.stringify(generated), "run: node dist/test/unit/audit/generate.js");
  const ajv = new Ajv({ allErrors: true, strict: false });
  formats.default(ajv);
  const validate = ajv.compile(generated);
  for (const event of events) t.true(validate(event), JSON.stringify(validate.errors));
  t.false(validate({ ...typed[0], verdict: "maybe" }));
  t.false(validate({ ...typed[0], ruel: "x" }));
});

test("a logger gets refusals, gaps and limits as warnings, the rest as information", (t) => {
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(line) });
  const bridge = bridgeTo(logger);
  const allowed: AuditEvent = auditEventSchema.parse({ ...typed[0], verdict: "allow", rule: undefined });
  for (const event of [...typed, allowed]) bridge(event);
  const seen = lines.map((line): unknown => JSON.parse(line));
  t.like(seen, [
    { level: 40, msg: "file.open refused by filesystem", audit: { pid: 3, args: { path: "/etc/shadow" } } },
    { level: 40, msg: "audit.gap", audit: { dropped: 3 } },
    { level: 40, msg: "resource.limit", audit: { resource: "memory" } },
    { level: 30, msg: "file.open", audit: { verdict: "allow" } },
  ]);
});
