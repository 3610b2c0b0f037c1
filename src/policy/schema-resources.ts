import { z } from "zod";

import type { Parsed } from "./parsed.js";
import { limitNames } from "./policy.js";
import { choice, expected, list, mapping, parsedBy, text, wholeNumber } from "./schema-parts.js";
import { parseSize, parseTime, sizePattern, timePattern } from "./units.js";

export const size = text("a size with its unit, such as 512MiB", parseSize).meta({ pattern: sizePattern });
const time = text("a time with its unit, such as 30s", parseTime).meta({ pattern: timePattern });

const sizeLimit = size.transform(parsedBy((written) => limit(written, parseSize(written))));
const timeLimit = time.transform(parsedBy((written) => limit(written, parseTime(written))));
const countLimit = (what: string, least: number, most: number) =>
  wholeNumber(what, least, most).transform((value) => ({ value, written: String(value) }));

export const resourcesSchema = mapping({
  memory: sizeLimit.optional().meta({
    description: "Memory of all processes together, swap included. Default: no limit.",
    examples: ["512MiB"],
  }),
  cpus: z
    .number({ error: ({ input }) => expected("a number of processors, such as 1.5", input) })
    .min(0.01, { error: "cpus is at least 0.01" })
    .max(4096, { error: "cpus is at most 4096" })
    .transform((value) => ({ value, written: String(value) }))
    .optional()
    .meta({
      description: "Processors' worth of time, fractions allowed. Default: no limit.",
      examples: [1.5],
    }),
  pids: countLimit("pids", 1, 4_194_304)
    .optional()
    .meta({
      description: "Processes and threads at once. Default: 256.",
      examples: [64],
    }),
  wallTime: timeLimit.optional().meta({
    description: "Time from start to end of the run. Default: no limit.",
    examples: ["60s"],
  }),
  cpuTime: timeLimit.optional().meta({
    description: "Processor time used by the run. Default: no limit.",
    examples: ["30s"],
  }),
  openFiles: countLimit("openFiles", 4, 1_048_576)
    .optional()
    .meta({
      description: "Open file descriptors of each process. Default: 1024.",
      examples: [1024],
    }),
  fileSize: sizeLimit.optional().meta({
    description: "Size of any one file that the program writes. Default: no limit.",
    examples: ["100MiB"],
  }),
  output: sizeLimit.optional().meta({
    description: "Bytes on standard output and standard error together. Default: no limit.",
    examples: ["10MiB"],
  }),
  connections: countLimit("connections", 1, 1_000_000_000)
    .optional()
    .meta({
      description:
        "Connections and UDP flows that leave or enter, over the whole run; more are refused. Default: no limit.",
      examples: [1000],
    }),
  traffic: sizeLimit.optional().meta({
    description:
      "Bytes over all connections, both directions together; what goes beyond is cut off. Default: no limit.",
    examples: ["1GiB"],
  }),
  bestEffort: list(choice(limitNames))
    .optional()
    .meta({
      description:
        "Limits that may go unenforced where this host or caller cannot enforce them (the result says so). A limit " +
        "that is not listed here and cannot be enforced keeps the program from starting. Default: none.",
      examples: [["memory", "cpus"]],
    }),
});

function limit(written: string, parsed: Parsed<number>): Parsed<{ value: number; written: string }> {
  return "problem" in parsed ? parsed : { value: { value: parsed.value, written } };
}
