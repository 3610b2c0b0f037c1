import { z } from "zod";

import { quoted } from "./display.js";
import { auditLevels } from "./policy.js";
import { networkSchema } from "./schema-network.js";
import { choice, expected, list, mapping, parsedBy, path, text } from "./schema-parts.js";
import { resourcesSchema, size } from "./schema-resources.js";
import { parseSize } from "./units.js";

/**
 * The policy file, version 1, as zod schema: strict, one file's own keys, no defaults filled in. The descriptions are
 * the public documentation that editors show (schema/policy.schema.json is generated from here).
 */

const filesystemSchema = mapping({
  root: path.optional().meta({
    description:
      "What the program sees as its root: `host` (default: the system directories of this machine, read-only and " +
      "without homes, /var, /run and sockets), or a directory that holds a root file system.",
    examples: ["host", "./rootfs"],
  }),
  read: list(path)
    .optional()
    .meta({
      description:
        "Files and directories to read. Relative paths start at the policy file's directory. Default: none.",
      examples: [["./assets", "/opt/models"]],
    }),
  write: list(path)
    .optional()
    .meta({
      description: "Files and directories to read and write; changes reach the host. Default: none.",
      examples: [["./out"]],
    }),
  overlay: list(path)
    .optional()
    .meta({
      description:
        "Directories to change freely without the host seeing it (copy-on-write); the result lists the changes, and " +
        "`--commit` applies them. Default: none.",
      examples: [["./workspace"]],
    }),
  deny: list(path)
    .optional()
    .meta({
      description:
        "Files and directories to hide inside what is granted. Deny wins over every grant. Default: none.",
      examples: [["./assets/private"]],
    }),
  tmp: size
    .transform(parsedBy(parseSize))
    .optional()
    .meta({
      description: "Size of each private temporary file system (/tmp, HOME, /dev/shm). Default: 256MiB.",
      examples: ["64MiB"],
    }),
});

const variable = text("the name of an environment variable").superRefine((name, context) => {
  const problem = checkVariable(name);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});

const environmentSchema = mapping({
  pass: list(variable)
    .optional()
    .meta({
      description:
        "Names of variables to take from the caller's environment, where they are set. Default: none.",
      examples: [["LANG", "TZ"]],
    }),
  set: z
    .record(
      variable,
      z
        .string({ error: ({ input }) => `${expected("a string", input)}; write the value in quotes` })
        .refine((value) => !value.includes("\0"), {
          error: "the value of a variable cannot hold a NUL character",
        }),
      { error: ({ input }) => expected("a mapping from names to values", input) },
    )
    .optional()
    .meta({
      description: "Variables to set, as strings. They win over `pass`. Default: none.",
      examples: [{ MODE: "batch" }],
    }),
});

export const syscallProfiles = ["default", "strict"] as const;

const syscallsSchema = mapping({
  profile: path.optional().meta({
    description:
      "Which system calls the program may use: `default`, `strict`, or a file in the OCI `linux.seccomp` format. A " +
      "file adds to the base denials and never lifts them. Default: default.",
    examples: ["default", "strict", "./seccomp.json"],
  }),
});

const auditSchema = mapping({
  level: choice(auditLevels)
    .optional()
    .meta({
      description:
        "What is recorded: `off`, `denied` (refusals), `security` (also exec, writes, sockets, privilege), `files` (also " +
        "every open), `all`. Default: security.",
    }),
  maxBytes: size
    .transform(parsedBy(parseSize))
    .optional()
    .meta({
      description: "Size that the record may reach; then `onFailure` decides. Default: 1GiB.",
      examples: ["1GiB"],
    }),
  onFailure: choice(["stop", "continue"])
    .optional()
    .meta({
      description:
        "When the record cannot be written or is full: `stop` the run, or `continue` without it (the record and the " +
        "result say where it ended). Default: stop.",
    }),
});

export const policySchema = mapping({
  version: z
    .literal(1, {
      error: ({ input }) =>
        input === undefined || input === null
          ? "`version` is missing; write `version: 1`"
          : `${expected("a version of the policy format that this skillbox knows", input)}; write \`version: 1\``,
    })
    .meta({ description: "Version of the policy format. Always 1." }),
  name: text("a name")
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
      error: "a name has up to 63 letters, digits, `.`, `_` and `-`, and starts with a letter or digit",
    })
    .optional()
    .meta({ description: "Name of the policy, for the record and for messages.", examples: ["pdf-tools"] }),
  extends: path.optional().meta({
    description:
      "What this policy starts from: a preset (none, default, python, node, build) or another policy file, relative to " +
      "this one. Single values written here win, lists are added to the other's, `deny` and `egressDeny` only ever grow. " +
      "Default: nothing granted, and the default limits.",
    examples: ["python", "./base.yaml"],
  }),
  filesystem: filesystemSchema
    .optional()
    .meta({ description: "Files beyond the read-only system directories." }),
  network: networkSchema.optional().meta({
    description:
      "The sandbox has a network of its own, with a 127.0.0.1 of its own. Nothing leaves it unless a rule says so.",
  }),
  resources: resourcesSchema
    .optional()
    .meta({ description: "Limits of the whole run, unless said otherwise." }),
  environment: environmentSchema.optional().meta({
    description:
      "The program starts with HOME, PATH, and what is named here; nothing else of the caller's environment.",
  }),
  syscalls: syscallsSchema.optional().meta({ description: "System calls." }),
  audit: auditSchema.optional().meta({ description: "The record of what the program did and tried." }),
});

/** A policy as a user writes it, in YAML or as a JavaScript object. */
export type PolicyInput = z.input<typeof policySchema>;

/** One file's policy after the schema: texts parsed, paths not yet resolved, absent what was not written. */
export type PolicyDocument = z.output<typeof policySchema>;

type StrictObject = z.ZodObject<z.ZodRawShape>;

/** The keys that are known at a path; a list's items are at `*`. For "did you mean". */
export const knownKeys: Readonly<Record<string, readonly string[]>> = {
  "": keysOf(policySchema),
  filesystem: keysOf(filesystemSchema),
  network: keysOf(networkSchema),
  "network.egress.*": ["to", "except", "ports"],
  "network.egressDeny.*": ["to", "ports"],
  resources: keysOf(resourcesSchema),
  environment: keysOf(environmentSchema),
  syscalls: keysOf(syscallsSchema),
  audit: keysOf(auditSchema),
};

function keysOf(schema: StrictObject): readonly string[] {
  return Object.keys(schema.shape);
}

function checkVariable(name: string): string | undefined {
  if (name === "") return "the name of a variable cannot be empty";
  if (/[=\0]/.test(name)) return `${quoted(name)}: the name of a variable cannot hold \`=\` or NUL`;
  return undefined;
}
