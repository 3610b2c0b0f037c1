// Writes the schemas beside this file, from the compiled zod schemas: npm run build:ts && node schema/generate.js
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { format, resolveConfig } from "prettier";

import { policyJsonSchema } from "../dist/src/policy/json-schema.js";
import { scanReportJsonSchema } from "../dist/src/scan/report/json-schema.js";

await write("policy.schema.json", policyJsonSchema());
await write("scan-report.schema.json", scanReportJsonSchema());

/**
 * @param {string} name
 * @param {Record<string, unknown>} schema
 */
async function write(name, schema) {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const style = await resolveConfig(file);
  writeFileSync(file, await format(JSON.stringify(schema), { ...style, filepath: file }));
}
