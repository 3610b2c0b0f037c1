import test from "ava";
import fc from "fast-check";

import { EgressRules } from "../../../src/egress/rules.js";
import { SkillboxError } from "../../../src/errors.js";
import { importNetworkPolicy } from "../../../src/policy/import-network-policy.js";
import { policyFromObject } from "../../../src/policy/load.js";

function rulesFrom(text: string): EgressRules {
  const { network } = importNetworkPolicy(text);
  return new EgressRules(policyFromObject({ version: 1, network }, { baseDirectory: "/" }).network);
}

function kubernetes(egress: unknown, more: object = {}): string {
  return JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "web" },
    spec: { podSelector: {}, egress, ...more },
  });
}

function cilium(spec: object): string {
  return JSON.stringify({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "web" },
    spec,
  });
}

test("a NetworkPolicy as people write them", (t) => {
  const { network, unsupported } = importNetworkPolicy(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: api, namespace: shop }
spec:
  podSelector: { matchLabels: { app: api } }
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{ podSelector: {} }]
  egress:
    - to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }]
      ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
    - to:
        - ipBlock: { cidr: 10.1.2.3/16, except: [10.1.9.0/24] }
        - ipBlock: { cidr: 192.0.2.7/32 }
        - podSelector: { matchLabels: { app: db } }
      ports:
        - { protocol: TCP, port: 5432 }
        - { port: 8000, endPort: 8100 }
        - { port: metrics }
        - { protocol: SCTP, port: 7 }
---
# nothing here
---
apiVersion: v1
kind: Namespace
metadata: { name: shop }
`);
  t.deepEqual(network, {
    egress: [
      { to: ["10.1.0.0/16"], except: ["10.1.9.0/24"], ports: [5432, "8000-8100"] },
      { to: ["192.0.2.7/32"], ports: [5432, "8000-8100"] },
    ],
  });
  const where = "NetworkPolicy api, spec";
  t.deepEqual(unsupported, [
    `${where}.ingress: nothing connects to a sandbox but through \`publish\``,
    `${where}.egress[1].ports[2]: the port "metrics" is a container's name for one`,
    `${where}.egress[1].ports[3]: the protocol "SCTP" leaves no sandbox`,
    `${where}.egress[1].to[2]: pods and namespaces are chosen by labels; name their services, or a CIDR`,
    "Namespace shop: not a NetworkPolicy of networking.k8s.io or a CiliumNetworkPolicy",
    "a block is for addresses that the program itself writes; for names that lead there, name them besides",
  ]);
});

test("absent parts mean everything, as in Kubernetes", (t) => {
  const everything = rulesFrom(kubernetes([{}]));
  for (const protocol of ["tcp", "udp"] as const) {
    t.is(everything.judgeConnection({ name: "any.example", port: 9, protocol }).verdict, "allow");
    t.is(everything.judgeAddress({ address: "8.8.8.8", port: 9, protocol }).verdict, "allow");
    t.is(everything.judgeAddress({ address: "169.254.169.254", port: 80, protocol }).verdict, "deny");
  }
  const onPort = rulesFrom(kubernetes([{ ports: [{ port: 443 }] }]));
  t.is(onPort.judgeConnection({ name: "any.example", port: 443, protocol: "tcp" }).verdict, "allow");
  t.is(onPort.judgeConnection({ name: "any.example", port: 80, protocol: "tcp" }).verdict, "deny");
  t.deepEqual(importNetworkPolicy(kubernetes([], { policyTypes: ["Egress"] })), {
    network: { egress: [] },
    unsupported: [],
  });
  t.regex(importNetworkPolicy(kubernetes([])).unsupported[0] ?? "", /does not restrict egress in Kubernetes/);
});

test("a CiliumNetworkPolicy: names, entities, blocks, denials", (t) => {
  const { network, unsupported } = importNetworkPolicy(
    cilium({
      endpointSelector: {},
      egress: [
        {
          toEndpoints: [{ matchLabels: { "k8s-app": "kube-dns" } }],
          toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern: "*" }] } }],
        },
        {
          toFQDNs: [
            { matchName: "pypi.org" },
            { matchPattern: "*.pythonhosted.org" },
            { matchPattern: "**.example.com" },
            { matchPattern: "s3*.example.com" },
          ],
          toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }],
        },
        { toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.9.0.0/16"] }] },
        {
          toEntities: ["world-ipv4", "kube-apiserver"],
          toPorts: [{ ports: [{ port: "123", protocol: "UDP" }] }],
        },
        {
          toFQDNs: [{ matchName: "api.example" }],
          toPorts: [{ ports: [{ port: "80" }], rules: { http: [{ method: "GET" }] } }],
        },
        {},
      ],
      egressDeny: [{ toCIDR: ["10.1.0.0/16"], toPorts: [{ ports: [{ port: "ssh", protocol: "TCP" }] }] }],
    }),
  );
  t.deepEqual(network, {
    egress: [
      { to: ["pypi.org"], ports: [443] },
      { to: ["*.pythonhosted.org"], ports: [443] },
      { to: ["**.example.com"], ports: [443] },
      { to: ["10.0.0.0/8"], except: ["10.9.0.0/16"], ports: ["1-65535", "1-65535/udp"] },
      { to: ["0.0.0.0/0"], ports: ["123/udp"] },
    ],
    egressDeny: [{ to: ["10.1.0.0/16"], ports: ["1-65535", "1-65535/udp"] }],
  });
  t.deepEqual(
    unsupported.map((sentence) => sentence.split(": ")[0]).slice(0, 4),
    [
      "egress[1].toFQDNs[3]",
      "egress[3].toEntities[1]",
      "egress[4].toPorts[0]",
      "egressDeny[0].toPorts[0]",
    ].map((place) => `CiliumNetworkPolicy web, spec.${place}`),
  );
});

test("what is not understood allows nothing", (t) => {
  for (const text of [
    kubernetes([{ to: [{ ipBlock: { cidr: "10.0.0.0/33" } }] }]),
    kubernetes([{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["here"] } }] }]),
    kubernetes([{ to: [{ ipBlock: { cidr: "0.0.0.0/0" }, podSelector: {} }] }]),
    kubernetes([{ to: "0.0.0.0/0" }]),
    kubernetes([{ toFQDNs: [] }]),
    kubernetes([
      { ports: [{ port: "" }] },
      { ports: [{ endPort: 99 }] },
      { ports: [{ port: 9, endPort: 8 }] },
    ]),
    kubernetes([
      { ports: [{ port: true }, { port: [443] }, { port: "0x50" }, { port: 70_000 }, { port: -1 }] },
    ]),
    cilium({
      egress: [{ toEndpoints: [{}] }, { toServices: [{}], toPorts: [{ ports: [{ port: "443" }] }] }],
    }),
    cilium({
      egress: [
        { toFQDNs: [{ matchName: "*" }] },
        { toFQDNs: [{ matchPattern: "*.com", matchName: "a.com" }] },
      ],
    }),
    cilium({ egress: [{ toCIDRSet: [{ cidrGroupRef: "mine" }] }, { toCIDR: [] }, { icmps: [{}] }] }),
    cilium({ egress: [{ toPorts: [{ ports: [{ port: "443" }], serverNames: ["a.example"] }] }] }),
    "kind: NetworkPolicy\napiVersion: other/v1\nspec: { egress: [{}] }",
    "[]",
    "",
  ])
    t.deepEqual(importNetworkPolicy(text).network, { egress: [] }, text);
  const wrong = t.throws(() => importNetworkPolicy("a: 1\n---\nb: [", "net.yaml"), {
    instanceOf: SkillboxError,
  });
  t.regex(wrong.message, /net\.yaml:3:/);
});

test("whatever the objects say, the outcome is a policy that can be read", (t) => {
  const scalar = fc.constantFrom<unknown>(
    "10.0.0.0/8",
    "10.1.0.0/16",
    "::/0",
    "*",
    "**",
    "a.example",
    "443",
    443,
    0,
    null,
    "TCP",
    "ANY",
    "world",
  );
  const keys = [
    "to",
    "ports",
    "port",
    "endPort",
    "protocol",
    "ipBlock",
    "cidr",
    "except",
    "toFQDNs",
    "matchName",
    "matchPattern",
    "toCIDR",
    "toCIDRSet",
    "toEntities",
    "toPorts",
    "rules",
  ];
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 6 },
      scalar,
      fc.array(tie("node"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie("node"), { maxKeys: 3 }),
    ),
  }));
  const rules = fc.array(node, { maxLength: 3 });
  fc.assert(
    fc.property(rules, rules, (egress, egressDeny) => {
      t.notThrows(() => rulesFrom(kubernetes(egress)));
      t.notThrows(() => rulesFrom(cilium({ egress, egressDeny })));
    }),
    { numRuns: 500 },
  );
});
