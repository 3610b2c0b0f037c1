import { z } from "zod";
import { auditLevels, limitNames } from "../policy/policy.js";
import { callTypes } from "./event-types.js";
import { argumentsSchema, textSchema } from "./event-values.js";
import { programEndFields, runEndFields, runStartFields } from "./event-run.js";

/**
 * The events of the audit record, version 1: JSON Lines, one event a line. Fields may be added as long as `v` is 1; those here keep
 * their names and meanings.
 */

const common = {
  v: z.literal(1),
  seq: z.int().nonnegative().meta({
    description: "Counts the events of a record without a gap, in the order in which the kernel asked.",
  }),
  time: z.iso.datetime({ precision: 6 }).meta({ description: "UTC, in microseconds." }),
  run: z.uuid(),
};

/** Who did it. The numbers are those inside the sandbox. Nothing of it is there when the task was gone before it could be asked. */
const actorFields = {
  pid: z.int().nonnegative(),
  ppid: z.int().nonnegative().meta({ description: "0 for a child of the outside." }),
  tid: z
    .int()
    .positive()
    .optional()
    .meta({ description: "The thread, where it is not the process's first." }),
  comm: textSchema.meta({ description: "The thread's name, which the program chooses." }),
  exe: textSchema.meta({ description: "The executed file." }),
  program: z
    .int()
    .positive()
    .optional()
    .meta({ description: "Which of the programs that were started in a kept sandbox it belongs to." }),
};
const actor = z.object(actorFields).partial().shape;

const verdicts = ["allow", "deny", "expected-allow", "expected-deny"] as const;
const judgement = {
  verdict: z.enum(verdicts).meta({
    description:
      "allow, deny: our answer. expected-: the kernel decides after us, and this is what it will say.",
  }),
  rule: z.string().optional().meta({ description: "What decided." }),
  errno: z.string().optional().meta({ description: "What the program saw of a denial, as in errno(3)." }),
  hint: z.string().optional().meta({ description: "What would allow it." }),
  repeated: z.int().positive().optional().meta({
    description:
      "This line stands for so many further refusals just like the one before it, with nothing in between; `time` is the last one's.",
  }),
};

const call = {
  syscall: z
    .union([z.string(), z.int()])
    .meta({ description: "Its name, or the number of one that is newer than skillbox." }),
  args: argumentsSchema,
};

const systemCall = z.strictObject({
  ...common,
  type: z.enum(callTypes),
  ...actor,
  ...call,
  name: z
    .string()
    .optional()
    .meta({ description: "net.send: the name behind the address, where the egress rules judged it." }),
  ...judgement,
});

/** An end of a connection by the name that the program asked for, and by the address that was dialled. */
const peer = {
  connection: z.int().nonnegative().optional().meta({ description: "Links the events of one connection." }),
  protocol: z.enum(["tcp", "udp"]).optional(),
  name: z.string().optional(),
  address: z.string().optional(),
  port: z.int().min(0).max(65535).optional(),
  direction: z.literal("in").optional().meta({
    description: "A connection from the host to a port that the program serves (`publish`); absent: outward.",
  }),
  via: z.string().optional().meta({ description: "The upstream proxy that it goes through." }),
};

const netConnect = z.strictObject({
  ...common,
  type: z.literal("net.connect"),
  ...actor,
  ...z.object(call).partial().shape,
  ...peer,
  ...judgement,
});
const netDns = z.strictObject({
  ...common,
  type: z.literal("net.dns"),
  ...actor,
  name: z.string(),
  query: z.string().meta({ description: "A, AAAA, HTTPS, …" }),
  protocol: z.enum(["tcp", "udp"]).optional(),
  response: z.string().optional().meta({ description: "NOERROR, NXDOMAIN, SERVFAIL, …" }),
  addresses: z.array(z.string()).optional(),
  ...judgement,
});
const netTls = z.strictObject({
  ...common,
  type: z.literal("net.tls"),
  ...actor,
  ...peer,
  serverName: z.string().optional().meta({ description: "SNI of the ClientHello." }),
  alpn: z.array(z.string()).optional(),
  encryptedClientHello: z.boolean().optional(),
  reason: z.string().optional().meta({ description: "Why it was refused, or could not be read." }),
  ...judgement,
});
const netHttp = z.strictObject({
  ...common,
  type: z.literal("net.http"),
  ...actor,
  ...peer,
  host: z.string().optional().meta({ description: "The Host header." }),
  method: z.string().optional(),
  target: z.string().optional(),
  reason: z.string().optional().meta({ description: "Why it was refused, or could not be read." }),
  ...judgement,
});
const netClose = z.strictObject({
  ...common,
  type: z.literal("net.close"),
  ...actor,
  ...peer,
  bytesIn: z.int().nonnegative(),
  bytesOut: z.int().nonnegative(),
  durationMs: z.number().nonnegative().optional(),
  reason: z.string().optional().meta({ description: "Who or what ended it." }),
  verdict: z.literal("allow").optional(),
});

const processExit = z.strictObject({
  ...common,
  type: z.literal("process.exit"),
  ...actor,
  pid: actorFields.pid,
  exitCode: z.int().min(0).max(255).optional(),
  signal: z.string().optional(),
});

const resourceLimit = z.strictObject({
  ...common,
  type: z.literal("resource.limit"),
  ...actor,
  resource: z.enum(limitNames),
  requested: z.string().meta({ description: "As written in the policy." }),
});

const auditGap = z.strictObject({
  ...common,
  type: z.literal("audit.gap"),
  dropped: z.int().positive().meta({ description: "How many events are missing here." }),
  reason: z.string().optional().meta({
    description: 'Why they are: an errno such as "ENOSPC", or "audit.maxBytes is reached".',
  }),
});

const runStart = z.strictObject({
  ...common,
  type: z.literal("run.start"),
  ...runStartFields,
  level: z.enum(auditLevels),
});
const programEnd = z.strictObject({ ...common, type: z.literal("program.end"), ...programEndFields });
const runEnd = z.strictObject({ ...common, type: z.literal("run.end"), ...runEndFields });

export const auditEventSchema = z.discriminatedUnion("type", [
  runStart,
  systemCall,
  netConnect,
  netDns,
  netTls,
  netHttp,
  netClose,
  processExit,
  resourceLimit,
  auditGap,
  programEnd,
  runEnd,
]);

export type AuditEvent = z.infer<typeof auditEventSchema>;
export type AuditEventType = AuditEvent["type"];
/** The event of a type: `EventOf<"net.close">`. */
export type EventOf<Type extends AuditEventType> = Extract<AuditEvent, { readonly type: Type }>;
export type Verdict = (typeof verdicts)[number];
