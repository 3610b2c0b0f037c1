import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";

/** Makes an archive; what yazl would not write is put in by `patch`: a name replaced by another of the same length. */
export async function zipOf(
  entries: Readonly<Record<string, string | { readonly content: string; readonly mode: number }>>,
  patch?: readonly [from: string, to: string],
): Promise<Buffer<ArrayBuffer>> {
  const zip = new ZipFile();
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry === "string") zip.addBuffer(Buffer.from(entry), name);
    else zip.addBuffer(Buffer.from(entry.content), name, { mode: entry.mode });
  }
  zip.end();
  const bytes = Buffer.from(await buffer(zip.outputStream));
  if (patch === undefined) return bytes;
  const [from, to] = patch;
  return Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
}

export const honestSkill = {
  "SKILL.md": "---\nname: word-count\ndescription: Counts words.\n---\nRun scripts/main.py.\n",
  "scripts/main.py": "print('hello')\n",
};
