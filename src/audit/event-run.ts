import { z } from "zod";
import { limitNames } from "../policy/policy.js";

const enforcedLimits = z.array(
  z.strictObject({ resource: z.enum(limitNames), requested: z.string(), enforcedBy: z.string() }),
);
const layers = z
  .array(z.string())
  .meta({ description: "The layers that were confirmed before the program started." });

/** The frame of a record: what was about to run, under what. */
export const runStartFields = {
  skillbox: z.string().optional().meta({ description: "Version of skillbox." }),
  policy: z.strictObject({
    name: z.string().optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({ description: "Of the policy as it was applied." }),
  }),
  argv: z.array(z.string()),
  cwd: z.string(),
  host: z.strictObject({
    kernel: z.string(),
    arch: z.string(),
    features: z.array(z.string()).optional().meta({ description: "What `skillbox doctor` found to work." }),
  }),
  layers: layers.optional(),
  limits: enforcedLimits,
  caller: z.strictObject({ uid: z.int().nonnegative(), gid: z.int().nonnegative().optional() }),
  filter: z
    .strictObject({ instructions: z.int().nonnegative() })
    .optional()
    .meta({ description: "The seccomp filter; 0 instructions: none." }),
};

const outcome = z.enum(["exited", "signaled", "timed-out", "out-of-memory", "output-limit", "killed"]);
const cpuTimeMs = z.strictObject({ user: z.number().nonnegative(), system: z.number().nonnegative() });

/** The end of one of the programs of a kept sandbox. */
export const programEndFields = {
  program: z.int().positive(),
  argv: z.array(z.string()),
  result: z.strictObject({
    outcome,
    exitCode: z.int().optional(),
    signal: z.string().optional(),
    wallTimeMs: z.number().nonnegative(),
    cpuTimeMs,
  }),
};

/** RunResult of src/result, without the list of changes and without what the record cannot know of itself. */
export const runEndFields = {
  programs: z
    .int()
    .nonnegative()
    .optional()
    .meta({ description: "How many were started, in a kept sandbox." }),
  result: z.strictObject({
    runId: z.uuid(),
    outcome,
    limit: z.enum(limitNames).optional(),
    exitCode: z.int().optional(),
    signal: z.string().optional(),
    wallTimeMs: z.number().nonnegative(),
    cpuTimeMs,
    memoryPeakBytes: z.number().nonnegative().optional(),
    pidsPeak: z.int().nonnegative().optional(),
    limits: enforcedLimits,
    layers,
    network: z.strictObject({
      connections: z.int().nonnegative(),
      denied: z.int().nonnegative(),
      bytesIn: z.int().nonnegative(),
      bytesOut: z.int().nonnegative(),
    }),
    audit: z
      .strictObject({
        events: z.int().nonnegative().meta({ description: "In this record, this one included." }),
        denied: z.int().nonnegative(),
        dropped: z.int().nonnegative(),
      })
      .optional(),
    changes: z
      .int()
      .nonnegative()
      .optional()
      .meta({ description: "How many paths differ below the overlays." }),
    commit: z
      .strictObject({
        written: z.int().nonnegative(),
        directories: z.int().nonnegative(),
        deleted: z.int().nonnegative(),
        modes: z.int().nonnegative(),
        bytes: z.int().nonnegative(),
        refused: z.int().nonnegative(),
      })
      .optional()
      .meta({ description: "How much was applied to the host; the RunResult lists what was refused." }),
  }),
};
