import test from "ava";
import fc from "fast-check";
import { SkillboxError } from "../../../src/errors.js";
import { parseJson, type JsonNode } from "../../../src/seccomp/json.js";

function plain(node: JsonNode): unknown {
  switch (node.kind) {
    case "null":
    case "boolean":
      return node.kind;
    case "number":
      return Number(node.text);
    case "string":
      return node.value;
    case "array":
      return node.items.map(plain);
    case "object":
      return [...node.members].map(([key, { value }]) => [key, plain(value)]);
  }
}

function reference(value: unknown): unknown {
  if (value === null) return "null";
  if (typeof value === "boolean") return "boolean";
  if (Array.isArray(value)) return value.map(reference);
  if (typeof value === "object") return Object.entries(value).map(([key, inner]) => [key, reference(inner)]);
  return value;
}

test("reads what JSON.parse reads", (t) => {
  // Integer-like keys come first in an object of JavaScript, and "__proto__" is one of its properties: both are ours to get right, not its.
  const key = fc.string().filter((name) => !/^[0-9]/.test(name) && name !== "__proto__");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constant(null),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: "binary" }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1, "\t"), (data, indent) => {
      const text = JSON.stringify(data, undefined, indent);
      const parsed: unknown = JSON.parse(text);
      t.deepEqual(plain(parseJson({ file: "x", text })), reference(parsed));
    }),
    { numRuns: 500 },
  );
});

test("refuses what JSON.parse refuses, and never with another error", (t) => {
  const fragment = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"',
    "1",
    "-",
    "0",
    ".",
    "e5",
    "true",
    "nul",
    "null",
    " ",
    "\\u12",
    "\\",
    "\n",
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 10 }), (pieces) => {
      const text = pieces.join("");
      let accepted = true;
      try {
        JSON.parse(text);
      } catch {
        accepted = false;
      }
      try {
        parseJson({ file: "x", text });
        t.true(accepted, text);
      } catch (error) {
        t.true(error instanceof SkillboxError && error.code === "ERR_POLICY", text);
        if (accepted) t.regex(String(error), /duplicate key/, text);
      }
    }),
    { numRuns: 5000 },
  );
});

test("what a damaged file holds does not reach the terminal as it is", (t) => {
  const text = `{"\ud800a": "\u202e${"x".repeat(300)}\u001b[2J"}`;
  const error = t.throws(() => parseJson({ file: "p\u0007.json", text }), { instanceOf: SkillboxError });
  t.notRegex(error.message, /[^\P{C}\n]/u);
  t.regex(error.message, /^p\\x07\.json:1:8: error: .*\n.*\n +\^$/);
});

test("keeps numbers beyond 2^53 as they were written", (t) => {
  const node = parseJson({ file: "x", text: "18446744073709551615" });
  t.deepEqual(node, { kind: "number", text: "18446744073709551615", at: 0 });
});

test("a key named __proto__ is a key", (t) => {
  const node = parseJson({ file: "x", text: '{"__proto__":1}' });
  t.true(node.kind === "object" && node.members.has("__proto__"));
});

test("too deep nesting is an error, not a full stack", (t) => {
  t.throws(() => parseJson({ file: "x", text: "[".repeat(100_000) }), {
    message: /nested more than 32 levels deep/,
  });
});
