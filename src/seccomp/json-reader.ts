import { errorAt, type JsonNode, type JsonText } from "./json.js";
import { closest } from "./closest.js";
import type { SkillboxError } from "../errors.js";

/** The members of an object that are there; a null is as good as absent (Docker's profile has `"args": null`). */
export type Members = ReadonlyMap<string, JsonNode>;

/** Typed access to JSON, where each complaint names its place. */
export class JsonReader {
  readonly #source: JsonText;

  constructor(source: JsonText) {
    this.#source = source;
  }

  object(node: JsonNode, what: string, keys: readonly string[]): Members {
    if (node.kind !== "object") throw this.error(node, `${what} must be an object`);
    const members = new Map<string, JsonNode>();
    for (const [key, { keyAt, value }] of node.members) {
      if (!keys.includes(key)) {
        throw errorAt(
          this.#source,
          keyAt,
          `unknown key ${JSON.stringify(key)} in ${what}`,
          suggestion(key, keys),
        );
      }
      if (value.kind !== "null") members.set(key, value);
    }
    return members;
  }

  required(members: Members, parent: JsonNode | undefined, key: string): JsonNode {
    const node = members.get(key);
    if (node === undefined) throw errorAt(this.#source, parent?.at ?? 0, `"${key}" is missing`);
    return node;
  }

  /** An absent array is an empty one. */
  items(node: JsonNode | undefined, what: string): readonly JsonNode[] {
    if (node === undefined) return [];
    if (node.kind !== "array") throw this.error(node, `"${what}" must be an array`);
    return node.items;
  }

  string(node: JsonNode, what: string): string {
    if (node.kind !== "string") throw this.error(node, `"${what}" must be a string`);
    return node.value;
  }

  matching(node: JsonNode, what: string, form: RegExp): string {
    const text = this.string(node, what);
    if (!form.test(text))
      throw this.error(node, `${JSON.stringify(text)} is not of the form that "${what}" takes`);
    return text;
  }

  /** An integer from 0 to `max`, exact beyond 2^53. */
  integer(node: JsonNode, what: string, max: bigint): bigint {
    if (node.kind !== "number" || !/^[0-9]+$/.test(node.text)) {
      throw this.error(node, `"${what}" must be an integer from 0 to ${String(max)}`);
    }
    // Longer than any 64-bit number: BigInt would take its time over a million digits.
    const value = node.text.length > 20 ? max + 1n : BigInt(node.text);
    if (value > max) throw this.error(node, `"${what}" must be at most ${String(max)}`);
    return value;
  }

  oneOf<Value>(node: JsonNode, what: string, values: ReadonlyMap<string, Value>): Value {
    const name = this.string(node, what);
    const value = values.get(name);
    if (value === undefined) {
      throw this.error(node, `unknown ${what} ${JSON.stringify(name)}`, suggestion(name, [...values.keys()]));
    }
    return value;
  }

  error(node: JsonNode, message: string, hint?: string): SkillboxError {
    return errorAt(this.#source, node.at, message, hint);
  }
}

function suggestion(name: string, candidates: readonly string[]): string {
  const near = closest(name, candidates);
  if (near !== undefined) return `Did you mean ${JSON.stringify(near)}?`;
  return `Known are: ${candidates.join(", ")}.`;
}
