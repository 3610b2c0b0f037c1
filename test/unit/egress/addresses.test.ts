import { isIP } from "node:net";

import test from "ava";
import fc from "fast-check";

import { addressBytes, addressText, readAddress } from "../../../src/egress/addresses.js";
import { hostAddresses } from "../../../src/egress/addresses-special.js";
import { EgressRules } from "../../../src/egress/rules.js";
import { mostNames, SyntheticAddresses } from "../../../src/egress/synthetic.js";

const https = { port: 443, protocol: "tcp" } as const;

function rulesFor(
  to: readonly string[],
  except: readonly string[] = [],
  own: readonly string[] = [],
): EgressRules {
  const egress = [
    { to: ["**"], except: [], ports: [] },
    { to, except, ports: [] },
  ];
  return new EgressRules({ egress, egressDeny: [] }, { ownAddresses: () => own });
}

/** What THREATS.md lists, in every spelling that net.isIP knows. */
const special: Readonly<Record<string, readonly string[]>> = {
  loopback: [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "0:0:0:0:0:ffff:7f00:0001",
  ],
  "loopback, as NAT64": ["64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1"],
  "loopback, as 6to4": ["2002:7f00:1::", "2002:7f00:1::1"],
  "loopback, as Teredo": ["2001:0:7f00:1::", "2001:0:808:808::80ff:fffe"],
  "loopback, as IPv4-compatible": ["::127.0.0.1", "::7f00:1"],
  "loopback, as IPv4-translated": ["::ffff:0:127.0.0.1"],
  "loopback, as ISATAP": ["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:7f00:1"],
  metadata: [
    "169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.170.2",
    "192.0.0.192",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
  ],
  "metadata, as NAT64": ["64:ff9b::a9fe:a9fe", "64:ff9b::168.63.129.16"],
  "metadata, as 6to4": ["2002:a9fe:a9fe::"],
  private: ["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "::ffff:10.0.0.1"],
  "private, as NAT64": ["64:ff9b::a00:1"],
  "private, as 6to4": ["2002:c0a8:1::5"],
  "shared (CGNAT)": ["100.64.0.1", "100.127.255.255"],
  "link-local": ["169.254.0.1", "fe80::1", "febf::1", "fe80::1%eth0"],
  "unique local": ["fc00::1", "fd12:3456::1"],
  "site-local": ["fec0::1"],
  "this network": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
  multicast: ["224.0.0.1", "239.255.255.255", "ff02::1"],
  broadcast: ["255.255.255.255"],
  reserved: ["240.0.0.1", "254.1.1.1", "4000::1", "e000::1", "1000::1", "5f00::1"],
  documentation: ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
  benchmarking: ["198.18.0.1", "198.19.255.255", "2001:2::1"],
  "protocol assignments": ["192.0.0.8", "2001:10::1"],
  "6to4": ["2002:808:808::1"],
  "6to4 relay": ["192.88.99.1"],
  Teredo: ["2001:0:808:808::f7f7:f7f7"],
  NAT64: ["64:ff9b:1::808:808"],
  "IPv4-compatible": ["::8.8.8.8"],
  "IPv4-translated": ["::ffff:0:8.8.8.8"],
  discard: ["100::1"],
};

test("an allowed name leads to no special address, in no spelling, under no wide CIDR", (t) => {
  const byName = rulesFor([]);
  const wide = rulesFor(["0.0.0.0/0", "::/0", "::/1", "8000::/1", "128.0.0.0/1"]);
  for (const [kind, addresses] of Object.entries(special))
    for (const address of addresses) {
      const rule = `special-address: ${kind}`;
      for (const rules of [byName, wide]) {
        const resolved = rules.judgeResolved({ name: "rebound.example", address, ...https });
        t.deepEqual([resolved.verdict, resolved.rule], ["deny", rule], address);
        const literal = rules.judgeAddress({ address, ...https });
        t.deepEqual([literal.verdict, literal.rule], ["deny", rule], address);
      }
    }
});

test("public addresses: by name as they resolve, by literal only under a CIDR", (t) => {
  const publicAddresses = [
    "8.8.8.8",
    "1.1.1.1",
    "223.255.255.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "172.32.0.1",
  ];
  for (const address of [
    ...publicAddresses,
    "100.63.255.255",
    "100.128.0.1",
    "169.253.1.1",
    "168.63.129.17",
  ]) {
    t.is(rulesFor([]).judgeResolved({ name: "a.example", address, ...https }).rule, "egress[0]", address);
    t.is(rulesFor([]).judgeAddress({ address, ...https }).rule, "default", address);
    t.is(rulesFor(["0.0.0.0/0", "::/0"]).judgeAddress({ address, ...https }).rule, "egress[1]", address);
  }
});

test("a CIDR within the special block names its addresses, except its holes", (t) => {
  const rules = rulesFor(
    ["10.1.0.0/16", "127.0.0.1", "169.254.0.0/16", "100.64.0.0/10", "fd00::/8", "64:ff9b::10.1.0.0/112"],
    ["10.1.9.0/24"],
  );
  const table: Readonly<Record<string, "allow" | "deny">> = {
    "10.1.2.3": "allow",
    "::ffff:10.1.2.3": "allow",
    "10.1.9.3": "deny",
    "10.2.0.1": "deny",
    "127.0.0.1": "allow",
    "127.0.0.2": "deny",
    "169.254.1.1": "allow",
    "169.254.169.254": "deny",
    "100.64.0.1": "allow",
    "100.100.100.200": "deny",
    "fd12::1": "allow",
    "fd00:ec2::254": "deny",
    "64:ff9b::10.1.2.3": "allow",
    "64:ff9b::10.2.2.3": "deny",
  };
  for (const [address, verdict] of Object.entries(table)) {
    t.is(rules.judgeResolved({ name: "db.example", address, ...https }).verdict, verdict, address);
    t.is(rules.judgeAddress({ address, ...https }).verdict, verdict, address);
  }
  // Still for an allowed name and port alone.
  const nothing = new EgressRules({
    egress: [{ to: ["10.0.0.0/8"], except: [], ports: [] }],
    egressDeny: [],
  });
  t.is(nothing.judgeResolved({ name: "db.example", address: "10.1.2.3", ...https }).rule, "default");
  // In ::/0 of a ceiling, mapped blocks grant no IPv4.
  t.is(rulesFor(["::ffff:10.0.0.0/104"]).judgeAddress({ address: "10.1.2.3", ...https }).verdict, "deny");
});

test("the host's own addresses are named one by one", (t) => {
  const own = ["127.0.0.1", "10.1.0.5", "198.41.0.4", "2606:4700::5", "fe80::5%eth0"];
  const rules = rulesFor(["10.1.0.0/16", "0.0.0.0/0", "::/0"], [], own);
  for (const address of ["10.1.0.5", "198.41.0.4", "2606:4700::5", "::ffff:10.1.0.5", "fe80::5"])
    t.is(
      rules.judgeResolved({ name: "a.example", address, ...https }).rule,
      "special-address: host",
      address,
    );
  t.is(
    rules.judgeAddress({ address: "64:ff9b::198.41.0.4", ...https }).rule,
    "special-address: host, as NAT64",
  );
  t.is(rules.judgeAddress({ address: "10.1.0.6", ...https }).verdict, "allow");
  const named = rulesFor(["10.1.0.5", "127.0.0.0/8"], [], own);
  t.is(named.judgeAddress({ address: "10.1.0.5", ...https }).verdict, "allow");
  t.is(named.judgeAddress({ address: "127.0.0.1", ...https }).verdict, "allow");
  t.is(
    named.judgeAddress({ address: "127.0.0.1", port: 5, protocol: "udp" }).hint,
    'network.egress: [{ to: ["127.0.0.1"], ports: ["5/udp"] }]',
  );
});

test("the host's addresses are read again once they are a second old", (t) => {
  let now = 0;
  const read = hostAddresses(() => now);
  const first = read();
  t.true(first.includes("127.0.0.1"));
  t.is(read(), first);
  now = 1001;
  t.not(read(), first);
});

test("net.isIP alone tells what is an address", (t) => {
  for (const address of [
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.1.",
    "",
    "1.2.3.4/32",
    "::1/128",
    "[::1]",
  ]) {
    t.is(rulesFor(["0.0.0.0/0"]).judgeAddress({ address, ...https }).rule, "invalid-address", address);
    t.is(readAddress(address), undefined);
  }
});

test("addresses are read and written as net.isIP and the kernel do", (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const address = readAddress(text);
      if (address === undefined) return t.is(isIP(text), 0);
      t.is(isIP(addressText(address)), address.family);
      t.deepEqual(readAddress(addressText(address)), address);
      t.is(addressBytes(address).length, address.family === 4 ? 4 : 16);
      return t.is(
        addressBytes(address).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
        address.network,
      );
    }),
  );
});

test("a name keeps its pair, and a pair its name", (t) => {
  const synthetic = new SyntheticAddresses({ capacity: 600 });
  const pairs = Array.from({ length: 600 }, (_, index) => synthetic.assign(`h${index}.example`));
  t.is(new Set(pairs.map((pair) => pair?.ipv4)).size, 600);
  t.is(new Set(pairs.map((pair) => pair?.ipv6)).size, 600);
  for (const [index, pair] of pairs.entries()) {
    t.false(/\.(0|255)$/.test(pair?.ipv4 ?? ".0"));
    t.is(synthetic.lookup(pair?.ipv4 ?? ""), `h${index}.example`);
    t.is(synthetic.lookup(`::ffff:${pair?.ipv4 ?? ""}`), `h${index}.example`);
    t.is(synthetic.lookup(pair?.ipv6 ?? ""), `h${index}.example`);
  }
  t.deepEqual(synthetic.assign("H7.Example."), pairs[7]);
  t.is(synthetic.assign("one-more.example"), undefined);
  t.is(synthetic.assign("127.1"), undefined);
  t.is(synthetic.size, 600);
});

test("what was not given out stands for nothing", (t) => {
  const synthetic = new SyntheticAddresses();
  synthetic.assign("a.example");
  for (const address of [
    "55.98.0.0",
    "55.98.0.2",
    "55.98.0.255",
    "55.98.255.255",
    "3000:7362::",
    "3000:7362::2",
    "3000:7362:1::1",
  ]) {
    t.is(synthetic.lookup(address), undefined, address);
    t.true(synthetic.contains(address), address);
  }
  for (const address of ["55.97.255.255", "55.99.0.0", "3000:7363::1", "8.8.8.8", "::1", "a.example"]) {
    t.is(synthetic.lookup(address), undefined, address);
    t.false(synthetic.contains(address), address);
  }
  t.is(synthetic.lookup("55.98.0.1"), "a.example");
});

test("the last name of the largest capacity lies in the block, and is public unicast to ourselves", (t) => {
  const synthetic = new SyntheticAddresses({ capacity: Infinity });
  for (let index = 0; index < mostNames; index += 1) synthetic.assign(`h${index}.example`);
  t.is(synthetic.assign("one-more.example"), undefined);
  t.is(synthetic.lookup("55.98.255.254"), `h${mostNames - 1}.example`);
  const wide = rulesFor(["0.0.0.0/0", "::/0"]);
  for (const address of ["55.98.0.1", "3000:7362::1"])
    t.is(wide.judgeAddress({ address, ...https }).verdict, "allow");
});
