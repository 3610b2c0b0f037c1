import { z } from "zod";

/** The values that arguments of system calls have in the record. */

/**
 * A string from the program's memory. JSON escapes control bytes. A byte that is no part of valid UTF-8 is written as the code point
 * U+DC80 to U+DCFF with the byte in its low half, escaped as `\udc80`: lossless, and what Python calls surrogateescape.
 */
const cutText = z.strictObject({
  text: z.string().meta({ description: "The first 4096 bytes." }),
  length: z
    .int()
    .nonnegative()
    .meta({ description: "Bytes of the whole string; at least so many if its end was not found." }),
});

/** What could not be read from the program's memory, and why: "EFAULT", "EPERM", "ESRCH". */
const unreadable = z.strictObject({ unreadable: z.string() });

export const textSchema = z.union([z.string(), cutText, unreadable]).meta({
  description:
    "A string; {text, length} if it is longer than 4096 bytes; {unreadable: errno} if the program's memory could not be " +
    "read. Bytes that are not UTF-8 are the code points U+DC80 to U+DCFF (Python's surrogateescape).",
});

const wholeNumber = z
  .union([z.int(), z.string().regex(/^-?\d{16,20}$/)])
  .meta({ description: "A whole number of 64 bits; beyond 2^53 - 1, where JSON parsers round, its digits." });

const flagNames = z.array(z.union([z.string(), wholeNumber])).meta({
  description:
    "Names of flags, in the order of the kernel's headers, and at the end the bits that have no name.",
});

const sockaddrSchema = z
  .strictObject({
    family: z.union([z.string(), z.int()]).optional(),
    address: z.string().optional(),
    port: z.int().min(0).max(0xffff_ffff).optional(),
    scopeId: z.int().optional().meta({ description: "AF_INET6: the interface, where one is named." }),
    path: textSchema.optional(),
    abstract: textSchema
      .optional()
      .meta({ description: "Name in the abstract namespace, without the leading NUL." }),
    portId: z.int().optional().meta({ description: "AF_NETLINK." }),
    groups: z.int().optional(),
    interface: z.int().optional().meta({ description: "AF_PACKET: its number." }),
    protocol: z.int().optional().meta({ description: "AF_PACKET." }),
    cid: z.int().optional().meta({ description: "AF_VSOCK." }),
  })
  .meta({
    description:
      "AF_INET and AF_INET6: address and port; AF_UNIX: path or abstract, neither if unnamed; AF_NETLINK: portId, groups; " +
      "AF_PACKET: interface, protocol; AF_VSOCK: cid, port; others by their family alone. " +
      "Empty: too short to have a family.",
  });

const openHow = z.strictObject({
  flags: flagNames,
  mode: z.string().optional(),
  resolve: flagNames.optional(),
});
const bound = z.union([wholeNumber, z.literal("RLIM_INFINITY")]);
const limits = z.strictObject({ soft: bound, hard: bound });

const argumentVector = z.array(textSchema);
const cutVector = z.strictObject({
  items: argumentVector,
  length: z
    .int()
    .nonnegative()
    .meta({ description: "How many there were; at least so many if the end was not found." }),
});

const argumentSchema = z.union([
  z.null().meta({ description: "A pointer that was NULL." }),
  wholeNumber,
  textSchema,
  flagNames,
  argumentVector,
  cutVector,
  sockaddrSchema,
  openHow,
  limits,
]);

export const argumentsSchema = z.record(z.string(), argumentSchema).meta({
  description:
    "The arguments by their names in the man pages. A path is absolute, as the sandbox sees it; one that the program gave relative " +
    "to a directory stands beside it as it was given: `given` for `path`, else `newpath.given` for `newpath`.",
});
