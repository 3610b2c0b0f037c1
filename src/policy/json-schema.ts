import { z } from "zod";

import { policySchema } from "./schema.js";

/** Where editors find the schema: the copy in the package. */
export const policySchemaId = "https://unpkg.com/skillbox/schema/policy.schema.json";

/**
 * The JSON Schema (draft 7, which yaml-language-server and ajv both read) of a policy as users write it. What it cannot say,
 * such as which CIDR lies in which, is left to `skillbox policy check`.
 */
export function policyJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { target: "draft-7", io: "input" });
  return {
    $schema,
    $id: policySchemaId,
    title: "skillbox policy",
    description: "What a program under skillbox may read, write, reach and use.",
    ...schema,
  };
}
