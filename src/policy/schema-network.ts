import { z } from "zod";

import { type Cidr, cidrContains, parseAddress, parseCidr } from "./cidr.js";
import { parseDestination } from "./destination.js";
import { quoted } from "./display.js";
import { forwardPattern, parseForward, parsePorts, portPattern } from "./ports.js";
import type { Parsed } from "./parsed.js";
import { expected, list, mapping, parsedBy, path, text, wholeNumber } from "./schema-parts.js";

const destination = text("a host name, an address or a CIDR", parseDestination)
  .transform(
    parsedBy((written) => {
      const parsed = parseDestination(written);
      return "problem" in parsed ? parsed : { value: { written, ...parsed.value } };
    }),
  )
  .meta({
    examples: ["pypi.org", "*.pythonhosted.org", "**.example.com", "192.0.2.7", "10.1.0.0/16", "fd00::/8"],
  });

const exceptCidr = text("a CIDR")
  .transform(parsedBy(parseExcept))
  .meta({ examples: ["10.1.9.0/24"] });

const port = z
  .union([wholeNumber("a port", 1, 65535), z.string().meta({ pattern: portPattern })], {
    error: ({ input }) => expected("a port", input),
  })
  .transform(parsedBy(parsePorts))
  .meta({ examples: [443, "443/udp", "8000-8100"] });

/** What a person can answer for; each entry of `except` is compared with each of `to`. */
const maxEntries = 1000;

const to = list(destination)
  .min(1, { error: "`to` is empty: name at least one host, address or CIDR (for every name write `**`)" })
  .max(maxEntries, { error: `more than ${maxEntries} entries` })
  .meta({
    description:
      "Where to: host names (`*` stands for one whole label, a leading `**` for one label or more, neither for none, " +
      "so that `**.example.com` does not cover example.com itself), addresses, and CIDRs. An address is judged by " +
      "addresses and CIDRs alone, never by names.",
    minItems: 1,
  });

const ports = list(port)
  .min(1, { error: "`ports` is empty: name at least one port, or leave `ports` out" })
  .meta({ minItems: 1 });

const allowPorts = ports.meta({
  description:
    'Ports: 443, "443/udp", "8000-8100", "8000-8100/udp"; TCP unless written. Left out: every TCP port, no UDP. ' +
    "Port 53 has to be listed by itself; elsewhere the sandbox's own resolver answers there.",
  minItems: 1,
});

const egressRule = mapping({
  to,
  except: list(exceptCidr)
    .max(maxEntries, { error: `more than ${maxEntries} entries` })
    .optional()
    .meta({
      description: "CIDRs carved out of the CIDRs in `to`. Each must lie inside one of them.",
    }),
  ports: allowPorts.optional(),
})
  .superRefine((rule, context) => {
    for (const [index, hole] of (rule.except ?? []).entries()) {
      const inside = rule.to.some((entry) => entry.kind === "cidr" && cidrContains(entry.cidr, hole.cidr));
      if (!inside)
        context.addIssue({
          code: "custom",
          path: ["except", index],
          message: `${quoted(hole.written)} lies in no CIDR of this rule's \`to\`, so that there is nothing to take it out of`,
        });
    }
  })
  .meta({ description: "One rule: these destinations, on these ports." });

const egressDenyRule = mapping({
  to,
  ports: ports
    .optional()
    .meta({ description: "Ports, as in `egress`. Left out: every TCP and UDP port.", minItems: 1 }),
}).meta({ description: "One rule: never these destinations, on these ports." });

const forwardList = list(
  text("LISTEN:ADDRESS:PORT")
    .transform(parsedBy(parseForward))
    .meta({ pattern: forwardPattern, examples: ["5432:127.0.0.1:5432", "5432:[::1]:5432"] }),
).superRefine((entries, context) => {
  const seen = new Set<number>();
  for (const [index, { listenPort }] of entries.entries()) {
    if (seen.has(listenPort))
      context.addIssue({
        code: "custom",
        path: [index],
        message: `port ${listenPort} is already listened on above`,
      });
    seen.add(listenPort);
  }
});

export const networkSchema = mapping({
  egress: list(egressRule).optional().meta({
    description:
      "What the program may reach. Default: nothing. What matches no rule is refused and on record.",
  }),
  egressDeny: list(egressDenyRule).optional().meta({
    description: "What the program may never reach, whatever `egress` says. Default: nothing further.",
  }),
  forward: forwardList.optional().meta({
    description:
      'Ports of the host that the program may reach: "LISTEN:ADDRESS:PORT". Inside the sandbox 127.0.0.1:LISTEN ' +
      "leads to ADDRESS:PORT on the host. Default: none.",
  }),
  publish: forwardList.optional().meta({
    description:
      'Ports of the program that the host may reach: "LISTEN:ADDRESS:PORT". On the host 127.0.0.1:LISTEN leads to ' +
      "ADDRESS:PORT inside the sandbox. Default: none.",
  }),
  unixSockets: list(path)
    .optional()
    .meta({
      description:
        "Unix sockets of the host that the program may connect to, at the same path inside. Whoever listens there takes the " +
        "program for you. Default: none.",
      examples: [["/run/postgresql/.s.PGSQL.5432"]],
    }),
  proxyPort: wholeNumber("a port", 1024, 65535)
    .optional()
    .meta({
      description:
        "Serves HTTP and SOCKS 5 proxies to programs that insist on one, at this port of the sandbox's 127.0.0.1, under the same " +
        "rules, and sets HTTP_PROXY and its kin for them. Nothing else needs it. Default: none.",
      examples: [3128],
    }),
  upstreamProxy: text("a proxy")
    .min(1, { error: "`upstreamProxy` is empty: leave it out" })
    .optional()
    .meta({
      description:
        "The proxy through which this host reaches the outside, `http://host:port` or `socks5://host:port`; `environment` takes " +
        "it from HTTPS_PROXY, ALL_PROXY and NO_PROXY of whoever starts skillbox. Names are then resolved by that proxy. " +
        "Default: none.",
      examples: ["http://proxy.example:3128", "environment"],
    }),
  noProxy: list(text("a domain, an address or a CIDR"))
    .optional()
    .meta({
      description:
        "What is reached without the upstream proxy: domains with all below them, addresses, CIDRs. Default: nothing.",
      examples: [[".corp.example", "10.0.0.0/8"]],
    }),
});

function parseExcept(written: string): Parsed<{ written: string; cidr: Cidr }> {
  const address = parseAddress(written);
  if ("value" in address) {
    const length = address.value.prefix;
    return { problem: `\`except\` takes CIDRs; did you mean ${quoted(`${written}/${length}`)}?` };
  }
  if (!written.includes("/")) return { problem: `\`except\` takes CIDRs, and ${quoted(written)} is none` };
  const parsed = parseCidr(written);
  return "problem" in parsed ? parsed : { value: { written, cidr: parsed.value } };
}
