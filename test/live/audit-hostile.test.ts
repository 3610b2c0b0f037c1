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

requires(
  test,
  "userns",
  "program:python3",
)("what numbers mean is spelled by what they belong to", async (t) => {
  const box = scratch(t);
  const script = `
import ctypes, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def tried(call):
  try: return call()
  except OSError: pass
tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
tried(lambda: tcp.setsockopt(socket.IPPROTO_TCP, 9999, 1))
tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4))
tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
for address in [struct.pack("=HHII", 40, 0, 1024, 2), struct.pack("=HHII", 16, 0, 7, 1), struct.pack("=HHiHBB8s", 17, 8, 3, 0, 0, 0, b""), struct.pack("=H14s", 38, b"hash")]:
  libc.connect(tcp.fileno(), address, len(address))
six = socket.socket(socket.AF_INET6)
tried(lambda: six.bind(("fe80::1", 0, 0, 1)))
how = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_CREAT | os.O_WRONLY, 0o640, 0))
os.close(libc.syscall(437, -100, b"/tmp/made", ctypes.byref(how), ctypes.c_size_t(24)))
libc.truncate(b"/tmp/made", ctypes.c_int64(-2))
`;
  const { status, stderr } = await exec(box, ["python3", "-c", script], {
    policy: "version: 1\naudit: { level: all }\n",
    options: ["--audit", box.at("record")],
  });
  t.is(status, 0, stderr);
  const calls = callsOf(readRecord(t, box.at("record")));
  const argumentsOf = (name: string, ...picked: readonly string[]): unknown[][] =>
    calls
      .filter(({ syscall, args = {} }) => syscall === name && picked.every((key) => key in args))
      .map(({ args = {} }) => picked.map((key) => args[key]));
  t.deepEqual(
    argumentsOf("socket", "domain", "protocol").filter(([domain]) => domain !== "AF_UNIX"),
    [
      ["AF_INET", "IPPROTO_TCP"],
      ["AF_NETLINK", "NETLINK_SOCK_DIAG"],
      ["AF_PACKET", "ETH_P_ALL"],
      ["AF_INET6", "IPPROTO_IP"],
    ],
  );
  t.deepEqual(argumentsOf("setsockopt", "level", "optname"), [
    ["SOL_SOCKET", "SO_REUSEADDR"],
    ["SOL_TCP", "TCP_NODELAY"],
    ["SOL_TCP", 9999],
  ]);
  t.deepEqual(argumentsOf("connect", "addr").flat(), [
    { family: "AF_VSOCK", cid: 2, port: 1024 },
    { family: "AF_NETLINK", portId: 7, groups: 1 },
    { family: "AF_PACKET", interface: 3, protocol: 2048 },
    { family: "AF_ALG" },
  ]);
  t.deepEqual(argumentsOf("bind", "addr").flat(), [
    { family: "AF_INET6", address: "fe80::1", port: 0, scopeId: 1 },
  ]);
  t.deepEqual(argumentsOf("openat2", "path", "how"), [
    ["/tmp/made", { flags: ["O_WRONLY", "O_CREAT"], mode: "0640", resolve: [] }],
  ]);
  t.deepEqual(argumentsOf("truncate", "path", "length"), [["/tmp/made", "18446744073709551614"]]);
});
