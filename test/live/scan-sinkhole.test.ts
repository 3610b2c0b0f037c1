import { mkdirSync, symlinkSync } from "node:fs";
import dgram from "node:dgram";
import net from "node:net";
import { networkInterfaces } from "node:os";
import path from "node:path";
import test from "ava";
import { findBait } from "../../src/scan/bait-search.js";
import { scanSkill } from "../../src/scan/scan.js";
import { requiresScan } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

const liveTest = requiresScan(test, "program:python3");
const front = "---\nname: out\ndescription: Tries to get out.\n---\n";

liveTest(
  "what a skill sends is seen, and nothing of it leaves, by TCP or UDP, to an address of this very host",
  async (t) => {
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
    if (own === undefined) {
      t.fail("this machine has no address but loopback");
      return;
    }
    let arrived = 0;
    const server = net.createServer(() => arrived++).listen(0, own);
    const socket = dgram.createSocket("udp4", () => arrived++);
    await new Promise<void>((resolve) => server.once("listening", resolve));
    await new Promise<void>((resolve) => socket.bind(0, own, resolve));
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const box = scratch(t);
    box.file("work/SKILL.md", front);
    box.file(
      "work/run.py",
      `import socket
c = socket.create_connection((${JSON.stringify(own)}, ${port}), timeout=3)
c.sendall(b"over tcp")
c.close()
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"over udp", (${JSON.stringify(own)}, ${socket.address().port}))
    print("sent")
except OSError as error:
    print(error)
`,
    );
    try {
      const report = await scanSkill({ directory: box.work, timeoutMs: 4000 });
      t.is(report.runs.items[0]?.exitCode, 0);
      t.true(
        report.observed.network.connections.items.some((each) => each.port === port && each.bytesOut >= 8),
      );
      t.true(report.observed.denials.items.some(({ type }) => type === "net.send"));
      t.true(report.findings.items.some(({ ruleId }) => ruleId === "SBX103"));
      t.is(arrived, 0);
    } finally {
      server.close();
      socket.close();
    }
  },
);

test("folders that are no skill are refused with the reason", async (t) => {
  const box = scratch(t);
  const refused = async (name: string, text: string | undefined, message: RegExp): Promise<void> => {
    mkdirSync(box.at(name));
    if (text !== undefined) box.file(`${name}/SKILL.md`, text);
    await t.throwsAsync(scanSkill({ directory: box.at(name) }), { message });
  };
  await refused("none", undefined, /no file SKILL\.md/);
  await refused("open", "---\nname: x\n", /has no end/);
  await refused("twice", "---\nname: x\nname: y\ndescription: d\n---\n", /SKILL\.md:3:1: error/);
  await refused("shouting", "---\nname: X Y\ndescription: d\n---\n", /SKILL\.md:2:\d+: error: `name`/);
  const asks = (value: string): string =>
    `---\nname: x\ndescription: d\nmetadata:\n  security_policy: ${value}\n---\n`;
  await refused("outside", asks("../p.yaml"), /regular file in the skill's folder/);
  await refused("missing", asks("p.yaml"), /regular file in the skill's folder/);
  mkdirSync(box.at("linked"));
  symlinkSync("/etc/passwd", path.join(box.at("linked"), "p.yaml"));
  box.file("linked/SKILL.md", asks("p.yaml"));
  await t.throwsAsync(scanSkill({ directory: box.at("linked") }), { message: /not reached through links/ });
});

test("decoys are found in every spelling, at any alignment, in layers", (t) => {
  const decoy = { name: "~/.env", token: "Zq7RkX2mWv9TbN4cLs8HdJ3pYg6FuA1e" };
  const bytes = Buffer.from(decoy.token);
  const found = (data: Buffer | string): string | undefined =>
    findBait(Buffer.from(data), [decoy])[0]?.encoding;
  for (const lead of ["", "a", "ab", "abc"])
    t.is(found(Buffer.from(lead + decoy.token + "tail").toString("base64")), "base64");
  t.is(found(decoy.token), "plain");
  t.is(found(bytes.toString("hex").toUpperCase()), "hex");
  t.is(found([...bytes].map((byte) => `%${byte.toString(16)}`).join("")), "url");
  t.is(found(Array.from(decoy.token).reverse().join("")), "reversed");
  t.is(found(Buffer.from(bytes.toString("hex")).toString("base64")), "base64");
  t.is(found("Zq7RkX2mWv9TbN4cLs8HdJ3pYg6FuA1f"), undefined);
});
