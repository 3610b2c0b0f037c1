import { z } from "zod";
import { scanReportSchema } from "../scan-report.js";

/** The JSON Schema (draft 7) of a scan's report, `skillbox scan --json`. */
export function scanReportJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(scanReportSchema, {
    target: "draft-7",
    io: "input",
    reused: "ref",
  });
  return {
    $schema,
    $id: "https://unpkg.com/skillbox/schema/scan-report.schema.json",
    title: "skillbox scan report",
    description: "What `skillbox scan --runtime` found out about a skill.",
    ...schema,
  };
}
