// Writes what is made from other sources in this repository and kept in it: npm run build:ts && node dist/test/unit/audit/generate.js
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { compileTables } from "../../../src/audit/compile-tables.js";
import { auditEventJsonSchema } from "../../../src/audit/json-schema.js";

await write("src/audit/encoded-tables.ts", tablesSource());
await write("schema/audit-event.schema.json", JSON.stringify(auditEventJsonSchema()));

async function write(path: string, text: string): Promise<void> {
  const file = fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}

function tablesSource(): string {
  const { ownTables, sharedTables, calls } = compileTables();
  const list = (strings: readonly string[]): string => `[${strings.map(literal).join(",\n")}]`;
  const members = Object.entries(calls).map(([name, bytes]) => `${name}: ${literal(bytes)}`);
  return `/**
   * Made by test/unit/audit/generate.ts from signatures.ts and constants/: change those. See compile-tables.ts.
   */
  export const ownTables = { x64: ${list(ownTables.x64)}, arm64: ${list(ownTables.arm64)} } as const;

  export const sharedTables = ${list(sharedTables)} as const;

  export const calls: Readonly<Record<string, string>> = {${members.join(",\n")}};
  `;
}

/** A string literal of latin-1 characters. `\0` before a digit would be an octal escape. */
function literal(bytes: string): string {
  const escaped = bytes.replace(/[^ -~]|["\\]/g, (character, offset: number) => {
    const next = bytes.charAt(offset + 1);
    if (character === "\0" && !(next >= "0" && next <= "9")) return "\\0";
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}
