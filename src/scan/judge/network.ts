import type { EgressRules } from "../../egress/rules.js";
import { objectOf, type RecordedEvent, stringOf, textOf } from "../../audit/read-event.js";
import { findBait } from "../bait-search.js";
import { slowDrips, tunnelled } from "../drip.js";
import { excerptOf } from "../excerpt.js";
import type { Exercise } from "../exercise.js";
import type { Acts } from "./acts.js";
import { placeOf, type Sighting } from "./sighting.js";

const metadataHosts =
  /^(169\.254\.169\.254|169\.254\.170\.2|100\.100\.100\.200|168\.63\.129\.16|fd00:ec2::254|metadata\.google\.internal|metadata)$/;
const privateAddress =
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd][0-9a-f]{2}:|fe80:)/;
const hostSockets =
  /docker\.sock|containerd\.sock|podman\.sock|\/dbus\/|\/bus$|ssh-.*agent|\/agent\.|gpg-agent|X11-unix/;

/** Whom it reached for, and what it sent. `declared` are the rules of the effective policy. */
export function judgeNetwork(exercise: Exercise, acts: Acts, declared: EgressRules): readonly Sighting[] {
  return [
    ...judgeConnections(exercise, acts, declared),
    ...judgePayloads(exercise, acts, declared),
    ...judgeNames(exercise, acts, declared),
  ];
}

function isDeclared(declared: EgressRules, host: string, port: number, isName: boolean): boolean {
  const decision = isName
    ? declared.judgeConnection({ name: host, port, protocol: "tcp" })
    : declared.judgeAddress({ address: host, port, protocol: "tcp" });
  return decision.verdict === "allow";
}

function judgeConnections(
  exercise: Exercise,
  { connects }: Acts,
  declared: EgressRules,
): readonly Sighting[] {
  const found: Sighting[] = [];
  for (const { event, name, address, port } of connects) {
    const host = name ?? address ?? "";
    const place =
      placeOf(exercise, "connect", (more) => more["host"] === host || more["port"] === port) ??
      placeOf(exercise, "resolve", (more) => more["host"] === host);
    const subject = [`${host}:${port}`];
    const what = `connected to ${host}:${port}`;
    if (metadataHosts.test(host)) found.push({ rule: "SBX204", subject, what, event, place });
    else if (isDeclared(declared, host, port, name !== undefined)) continue;
    // A datagram says something, and the sinkhole takes none: what, nobody knows.
    else if (event.type === "net.send")
      found.push({ rule: "SBX103", subject, what: `sent a datagram to ${host}:${port}`, event, place });
    else if (name === undefined && privateAddress.test(host))
      found.push({ rule: "SBX603", subject, what, event, place });
    else if (name === undefined) found.push({ rule: "SBX602", subject, what, event, place });
    else found.push({ rule: "SBX601", subject, what, event, place });
  }
  for (const event of exercise.events) {
    const addr = objectOf(event.args["addr"]);
    const path = textOf(addr["path"]);
    if (event.type === "net.connect" && path !== undefined && hostSockets.test(path))
      found.push({ rule: "SBX605", subject: [path], what: `connected to ${path}`, event });
    const address = stringOf(addr["address"]);
    if (
      event.type === "net.bind" &&
      (stringOf(addr["family"]) ?? "").startsWith("AF_INET") &&
      !/^(127\.|::1$)/.test(address ?? "127.")
    ) {
      const isListening = exercise.events.some(({ type, pid }) => type === "net.listen" && pid === event.pid);
      if (isListening)
        found.push({
          rule: "SBX604",
          subject: ["bind"],
          what: `listened on ${address ?? "every address"}`,
          event,
        });
    }
  }
  return found;
}

function eventOf({ connects }: Acts, host: string, port: number): RecordedEvent | undefined {
  return connects.find((act) => (act.name ?? act.address) === host && act.port === port)?.event;
}

function judgePayloads(exercise: Exercise, acts: Acts, declared: EgressRules): readonly Sighting[] {
  const { payloads, bait } = exercise;
  const found: Sighting[] = [];
  const sent = new Set<string>();
  for (const payload of payloads) {
    const { host, port, request, body, scheme } = payload;
    const isName = !/^[\d.]+$|:/.test(host);
    const target = request === undefined ? "" : `${request.method} ${request.target}\n${request.head}\n`;
    const whole = Buffer.concat([Buffer.from(target, "latin1"), body]);
    const event = eventOf(acts, host, port);
    const place = placeOf(exercise, "connect", (more) => more["port"] === port || more["host"] === host);
    const hits = findBait(whole, bait.decoys);
    for (const { decoy } of hits) sent.add(`${host} ${decoy.name}`);
    for (const { decoy, encoding } of hits)
      found.push({
        rule: "SBX101",
        subject: [decoy.name, host],
        what: `sent ${decoy.name} (${encoding}) to ${scheme}://${host}:${port}`,
        event,
        place,
        excerpt: excerptOf(whole, bait.decoys, encoding, decoy),
      });
    const text = body.toString("latin1");
    if (/mining\.(subscribe|authorize)|"method"\s*:\s*"(login|eth_submit)/.test(text))
      found.push({
        rule: "SBX505",
        subject: [`${host}:${port}`],
        what: `spoke Stratum to ${host}:${port}`,
        event,
        place,
      });
    if (/^root:x?:0:0:|\nroot:x?:0:0:/.test(text))
      found.push({
        rule: "SBX104",
        subject: ["/etc/passwd", host],
        what: `sent /etc/passwd to ${host}`,
        event,
        place,
      });
    const carries = body.length > 0 && !/^(GET|HEAD|OPTIONS)$/.test(request?.method ?? "");
    if (carries && !isDeclared(declared, host, port, isName))
      found.push({
        rule: "SBX103",
        subject: [`${host}:${port}`],
        what: `sent ${payload.bytes} bytes to ${scheme}://${host}:${port}`,
        event,
        place,
        excerpt: excerptOf(whole, [], "plain", undefined),
      });
  }
  // What HTTP's parser left out: extensions of chunks, what it refused.
  for (const { host, port, body } of exercise.wires)
    for (const { decoy, encoding } of findBait(body, bait.decoys))
      if (!sent.has(`${host} ${decoy.name}`))
        found.push({
          rule: "SBX101",
          subject: [decoy.name, host],
          what: `sent ${decoy.name} (${encoding}) to ${host}:${port}, beside what HTTP carries`,
          event: eventOf(acts, host, port),
          excerpt: excerptOf(body, bait.decoys, encoding, decoy),
        });
  for (const { decoy, host } of slowDrips(payloads, bait.decoys))
    found.push({
      rule: "SBX105",
      subject: [decoy.name, host],
      what: `sent ${decoy.name} in pieces to ${host}`,
    });
  const fromStdout = findBait(Buffer.from(exercise.output), bait.decoys).filter(
    ({ decoy }) => decoy.path === undefined,
  );
  if (fromStdout.length > 1) {
    const names = fromStdout.map(({ decoy }) => decoy.name).join(", ");
    found.push({ rule: "SBX202", subject: ["output"], what: `printed ${names}` });
  }
  return found;
}

function judgeNames({ bait }: Exercise, { names }: Acts, declared: EgressRules): readonly Sighting[] {
  const found: Sighting[] = [];
  const asked = names.filter(({ query }) => query !== "AAAA").map(({ name }) => name);
  for (const { parent, count, hits, isData } of tunnelled(asked, bait.decoys)) {
    if (declared.judgeName(`x.${parent}`).verdict === "allow" && hits.length === 0) continue;
    for (const { decoy } of hits)
      found.push({
        rule: "SBX101",
        subject: [decoy.name, parent],
        what: `carried ${decoy.name} in names below ${parent}`,
      });
    if (isData)
      found.push({
        rule: "SBX102",
        subject: [parent],
        what: `looked up ${count} names that carry data below ${parent}`,
      });
  }
  return found;
}
