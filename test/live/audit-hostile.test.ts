import test from "ava";
import fc from "fast-check";
import { exec } from "../helpers/exec.js";
import { argumentBytes, callsOf, readRecord, textBytes } from "../helpers/record.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch } from "../helpers/scratch.js";

/** Whatever a program calls its files and arguments: a line stays a line, and gives the bytes back. */
const gccTest = requires(test, "userns", "program:gcc");

const nasty: readonly (readonly number[])[] = [
  [...Buffer.from("a\nb")],
  [...Buffer.from('"},{"forged":true}\n{"v":1,"seq":1')],
  [...Buffer.from("\u001b]0;title\u0007\u001b[2J")],
  [...Buffer.from("\u2028\u2029\u0085\ufeff\u202e")],
  [0x80, 0xff, 0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
  [...Buffer.from("\\u0041\\")],
  [0x7f, 0x01, 0x1f],
];

/** No NUL, which ends a string, and no slash, which ends a name. */
const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f);
const interesting = fc.constantFrom(...nasty);
const bytes = fc
  .oneof(
    fc.array(byte, { minLength: 1, maxLength: 100 }),
    fc
      .array(fc.oneof(interesting, fc.array(byte, { maxLength: 3 })), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.flat().filter((value) => value !== 0x2f && value !== 0)),
  )
  .filter((value) => value.length > 0 && value.length < 200);

gccTest("names and arguments of any bytes come back from the record as they were", async (t) => {
  const box = scratch(t);
  compileProbe("audit-hostile", box.work);
  const names = [...nasty, ...fc.sample(bytes, { numRuns: 300, seed: 3 })].map((name) =>
    Buffer.concat([Buffer.from("/tmp/"), Buffer.from(name)]),
  );
  const vectors = [
    nasty.map((argument) => Buffer.from(argument)),
    ...fc
      .sample(fc.array(fc.oneof(bytes, fc.constant([])), { minLength: 1, maxLength: 8 }), {
        numRuns: 60,
        seed: 4,
      })
      .map((vector) => vector.map((argument) => Buffer.from(argument))),
  ];
  const hex = (value: Buffer): string => (value.length === 0 ? "-" : value.toString("hex"));
  const stdin = [
    ...names.map((name) => `open ${name.toString("hex")}\n`),
    ...vectors.map((vector) => `exec ${vector.map(hex).join(" ")}\n`),
  ].join("");
  const { status, stdout, stderr } = await exec(box, ["./audit-hostile"], {
    stdin,
    options: ["--audit", box.at("record")],
  });
  t.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  t.is(stdout, "0\n".repeat(names.length + vectors.length));

  const events = readRecord(t, box.at("record"));
  t.deepEqual(
    callsOf(events, "openat").map((event) => argumentBytes(event, "path")?.toString("hex")),
    names.map((name) => name.toString("hex")),
  );
  const executed = callsOf(events, "execve").filter((event) => event.args?.["path"] === "/bin/true");
  t.deepEqual(
    executed.map((event) => {
      const { argv } = event.args ?? {};
      return Array.isArray(argv)
        ? argv.map((value) => (typeof value === "string" ? hex(textBytes(value)) : value))
        : argv;
    }),
    vectors.map((vector) => vector.map(hex)),
  );
});

gccTest(
  "a path of 1 MiB and arguments of 2 MiB are cut, with their length, and the program sees what it would have",
  async (t) => {
    const box = scratch(t);
    compileProbe("audit-hostile", box.work);
    const stdin = [
      `open ${Buffer.from(`/tmp/${"\n".repeat(1024 ** 2)}`).toString("hex")}\n`,
      `open ${Buffer.from(`/tmp/${"x".repeat(4090)}\n`).toString("hex")}\n`,
      `exec ${Array.from({ length: 16 }, () => Buffer.alloc(120_000, 0xff).toString("hex")).join(" ")}\n`,
      `exec ${Array.from({ length: 290 }, (_, n) => Buffer.from(`${n}`).toString("hex")).join(" ")}\n`,
    ].join("");
    const { status, stdout, stderr } = await exec(box, ["./audit-hostile"], {
      stdin,
      options: ["--audit", box.at("record")],
    });
    t.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    const nameTooLong = 36;
    t.is(stdout, `${nameTooLong}\n${nameTooLong}\n0\n0\n`);

    const events = readRecord(t, box.at("record"));
    const [long, edge] = callsOf(events, "openat").map((event) => event.args?.["path"]);
    // Its end was not looked for: the kernel takes none that long.
    t.like(long, { text: `/tmp/${"\n".repeat(4091)}` });
    t.true(lengthOf(long) > 128 * 1024);
    t.is(edge, `/tmp/${"x".repeat(4090)}\n`);
    const [large, many] = callsOf(events, "execve")
      .filter((event) => event.args?.["path"] === "/bin/true")
      .map((event) => event.args?.["argv"]);
    t.is(lengthOf(large), 16);
    t.is(lengthOf(many), 290);
  },
);

function lengthOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null && "length" in value ? Number(value.length) : -1;
}
