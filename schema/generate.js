// Writes policy.schema.json beside this file, from the compiled src/policy/schema.ts: npm run build:ts && node schema/generate.js
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { format, resolveConfig } from "prettier";

import { policyJsonSchema } from "../dist/src/policy/json-schema.js";

const file = fileURLToPath(new URL("policy.schema.json", import.meta.url));
const style = await resolveConfig(file);
writeFileSync(file, await format(JSON.stringify(policyJsonSchema()), { ...style, filepath: file }));
