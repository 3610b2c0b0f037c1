import { type Problem, policyError } from "./diagnostic.js";
import { importCilium } from "./import-cilium.js";
import { importKubernetes } from "./import-kubernetes.js";
import { type Fields, fieldsOf, type Imported, listOf, textOf } from "./import-parts.js";
import { maxPolicyBytes, tooLarge } from "./read-file.js";
import type { PolicyInput } from "./schema.js";
import { SourceText } from "./source-text.js";
import { readYaml } from "./yaml-document.js";

export interface ImportedNetworkPolicy {
  readonly network: NonNullable<PolicyInput["network"]>;
  /** What the file says and `network` does not, one sentence each, with its place. */
  readonly unsupported: readonly string[];
}

/**
 * The network section that says what NetworkPolicy and CiliumNetworkPolicy objects say about egress, as far as it can: YAML or
 * JSON, several documents and Lists included. The result allows nothing that the objects do not. Throws ERR_POLICY for a text
 * that is no YAML.
 */
export function importNetworkPolicy(text: string, file = "<network policy>"): ImportedNetworkPolicy {
  const imported: Imported = { egress: [], egressDeny: [], unsupported: [] };
  for (const document of documentsOf(text, file)) importObject(document, imported);
  const { egress, egressDeny, unsupported } = imported;
  const wide = egress.some(({ to }) => to.includes("0.0.0.0/0") || to.includes("::/0"));
  if (wide)
    unsupported.push(
      "private and other special addresses are in no block wider than theirs; name them if they are meant",
    );
  if (egress.some(({ to }) => to.every((destination) => destination.includes("/"))))
    unsupported.push(
      "a block is for addresses that the program itself writes; for names that lead there, name them besides",
    );
  return { network: { egress, ...(egressDeny.length === 0 ? {} : { egressDeny }) }, unsupported };
}

function importObject(value: unknown, imported: Imported): void {
  const fields = fieldsOf(value) ?? {};
  const kind = textOf(fields["kind"]) ?? "no kind";
  const group = textOf(fields["apiVersion"])?.split("/")[0];
  const name = textOf(fieldsOf(fields["metadata"])?.["name"]) ?? "without a name";
  const where = `${kind} ${name}`;
  const specs: readonly (readonly [string, Fields])[] = [
    ...specOf(`${where}, spec`, fields["spec"]),
    ...(listOf(fields["specs"]) ?? []).flatMap((spec, index) => specOf(`${where}, specs[${index}]`, spec)),
  ];
  if (kind === "List" || kind.endsWith("PolicyList"))
    for (const item of listOf(fields["items"]) ?? []) importObject(item, imported);
  else if (kind === "NetworkPolicy" && group === "networking.k8s.io")
    for (const [place, spec] of specs) importKubernetes(spec, place, imported);
  else if (/^Cilium(Clusterwide)?NetworkPolicy$/.test(kind) && group === "cilium.io")
    for (const [place, spec] of specs) importCilium(spec, place, imported);
  else
    imported.unsupported.push(`${where}: not a NetworkPolicy of networking.k8s.io or a CiliumNetworkPolicy`);
}

function specOf(place: string, spec: unknown): readonly (readonly [string, Fields])[] {
  const fields = fieldsOf(spec);
  return fields === undefined ? [] : [[place, fields]];
}

/** Each is padded to its own line, so that messages show the right place; a file of more would be one of a whole cluster. */
const maxDocuments = 100;

function documentsOf(text: string, file: string): readonly unknown[] {
  const refuse = (message: string): never => {
    throw policyError([{ place: { label: file }, message }]);
  };
  if (Buffer.byteLength(text) > maxPolicyBytes) return refuse(tooLarge);
  const documents: unknown[] = [];
  const problems: Problem[] = [];
  const parts = text.split(/^---(?=\s|$)/m);
  if (parts.length > maxDocuments) return refuse(`more than ${maxDocuments} documents`);
  let line = 0;
  for (const part of parts) {
    if (/^(?![ \t\r]*(#|$))/m.test(part)) {
      const yaml = readYaml(new SourceText(file, "\n".repeat(line) + part));
      problems.push(...yaml.problems);
      documents.push(yaml.value);
    }
    line += part.split("\n").length - 1;
  }
  if (problems.length > 0) throw policyError(problems);
  return documents;
}
