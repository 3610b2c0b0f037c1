import { z } from "zod";
import { eventTypes } from "../audit/event-types.js";
import { bounded, bounds, count, runIdentity, text } from "./report-bounds.js";
import { excerptSchema } from "./report-findings.js";

/** What the runs did, as far as a reader wants to know; the whole of it is in their records. */

const verdict = z.enum(["allow", "deny", "expected-allow", "expected-deny"]);
const port = z.int().min(0).max(65535);
const process = z.strictObject({ pid: count, exe: text(bounds.path) });

/** One event of a run's record, cut down. */
export const observedEventSchema = z.strictObject({
  run: runIdentity,
  seq: count,
  time: z.iso.datetime({ precision: 6 }),
  type: z.enum(eventTypes),
  what: text(bounds.sentence).meta({ description: "In one line: write /home/x/.bashrc." }),
  process: process.optional(),
  verdict: verdict.optional(),
  rule: text(bounds.name).optional().meta({ description: "What decided." }),
  errno: text(32).optional(),
  syscall: text(64).optional(),
  repeated: count.optional().meta({ description: "Further ones just like it." }),
  path: text(bounds.path).optional(),
  argv: z.array(text(bounds.argument)).max(bounds.arguments).optional(),
  name: text(bounds.name).optional().meta({ description: "The host name that it is about." }),
  address: text(64).optional(),
  port: port.optional(),
  protocol: z.enum(["tcp", "udp"]).optional(),
  query: text(32).optional().meta({ description: "net.dns: A, AAAA, …" }),
  response: text(32).optional(),
  method: text(64).optional(),
  target: text(bounds.path).optional(),
  bytesIn: count.optional(),
  bytesOut: count.optional(),
  exitCode: z.int().optional(),
  signal: text(32).optional(),
  resource: text(32).optional().meta({ description: "resource.limit: which." }),
  findings: z
    .array(z.string())
    .max(16)
    .optional()
    .meta({ description: "Ids of the findings it is evidence of." }),
});
export type ObservedEvent = z.infer<typeof observedEventSchema>;

export const accesses = ["read", "write", "create", "delete", "rename", "attributes", "list"] as const;

const file = z.strictObject({
  path: text(bounds.path),
  access: z.array(z.enum(accesses)).min(1),
  count,
  denied: count,
  bait: z.boolean().optional().meta({ description: "One of the decoys." }),
  runs: z.array(runIdentity).max(bounds.runs),
});

/** The tree: `parent` is the pid of another process of the same run, absent at its root. */
const processNode = z.strictObject({
  run: runIdentity,
  pid: count,
  parent: count.optional(),
  exe: text(bounds.path),
  argv: z.array(text(bounds.argument)).max(bounds.arguments),
  exitCode: z.int().optional(),
  signal: text(32).optional(),
});
export type ObservedProcess = z.infer<typeof processNode>;

const name = z.strictObject({
  name: text(bounds.name),
  queries: z.array(text(32)).max(16),
  count,
  denied: count,
  runs: z.array(runIdentity).max(bounds.runs),
});

const connection = z.strictObject({
  run: runIdentity,
  protocol: z.enum(["tcp", "udp"]),
  name: text(bounds.name).optional(),
  address: text(64),
  port,
  count,
  denied: count,
  bytesIn: count,
  bytesOut: count,
});

const request = z.strictObject({
  run: runIdentity,
  scheme: z.enum(["http", "https"]),
  method: text(64),
  host: text(bounds.name),
  port,
  target: text(bounds.path),
  bytesOut: count.meta({ description: "Of the body." }),
  body: excerptSchema.optional(),
});

export const observedSchema = z.strictObject({
  denials: bounded(observedEventSchema, bounds.denials).meta({ description: "What was refused, in order." }),
  timeline: bounded(observedEventSchema, bounds.timeline),
  files: bounded(file, bounds.files),
  processes: bounded(processNode, bounds.processes),
  network: z.strictObject({
    names: bounded(name, bounds.names),
    connections: bounded(connection, bounds.connections),
    requests: bounded(request, bounds.requests),
    bytesIn: count,
    bytesOut: count,
  }),
});
export type Observed = z.infer<typeof observedSchema>;
