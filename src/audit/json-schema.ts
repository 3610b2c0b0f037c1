import { z } from "zod";
import { auditEventSchema } from "./event.js";

const auditEventSchemaId = "https://unpkg.com/skillbox/schema/audit-event.schema.json";

/** The JSON Schema (draft 7) of one line of an audit record. */
export function auditEventJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(auditEventSchema, {
    target: "draft-7",
    io: "input",
    reused: "ref",
  });
  return {
    $schema,
    $id: auditEventSchemaId,
    title: "skillbox audit event",
    description: "One line of the record that skillbox keeps of a run.",
    ...schema,
  };
}
