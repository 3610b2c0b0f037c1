import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  type YAMLError,
} from "yaml";

import type { Place, Problem } from "./diagnostic.js";
import { displayText, quoted } from "./display.js";
import type { Locator, ValuePath } from "./location.js";
import type { SourceText } from "./source-text.js";
import { maxDepth, maxValues, readTokens } from "./yaml-tokens.js";

/** A YAML text as plain data, with the way back to where each value was written. */
export interface YamlPolicy {
  readonly value: unknown;
  /** Empty when the text is well formed and uses only what policies may use. */
  readonly problems: readonly Problem[];
  readonly locator: Locator;
}

/**
 * Reads one YAML 1.2 document in the core schema (`no` is a string, JSON is included) as plain data.
 * Tags, merge keys, directives, further documents, duplicate keys and numbers that are not in plain decimal are
 * problems; anchors and aliases are let pass in small numbers.
 */
export function readYaml(source: SourceText): YamlPolicy {
  const reader = new YamlReader(source);
  return { value: reader.value, problems: reader.problems, locator: reader };
}

/** A policy that needs more is not written by hand, and generated ones need none. */
const maxAliases = 64;

type Range = readonly [start: number, end: number];

class YamlReader implements Locator {
  readonly value: unknown;
  readonly problems: Problem[] = [];
  readonly #source: SourceText;
  readonly #values = new Map<string, Range>();
  readonly #keys = new Map<string, Range>();
  readonly #anchors = new Map<string, Node>();
  #valuesSeen = 0;
  #aliasesSeen = 0;

  constructor(source: SourceText) {
    this.#source = source;
    const root = this.#compose();
    if (root !== undefined) this.value = this.#read(root, [], 0);
  }

  place(path: ValuePath, part: "key" | "value" = "value"): Place {
    const exact = part === "key" ? this.#keys.get(pathKey(path)) : undefined;
    if (exact !== undefined) return this.#at(exact);
    for (let length = path.length; length >= 0; length--) {
      const range = this.#values.get(pathKey(path.slice(0, length)));
      if (range === undefined) continue;
      // Of what is around a missing value only the start: the rest of it is not at fault.
      return this.#at(length === path.length ? range : [range[0], range[0] + 1]);
    }
    return { label: this.#source.name };
  }

  origin(path: ValuePath): { file: string; line: number; column: number } | undefined {
    const { span } = this.place(path);
    return span === undefined ? undefined : { file: this.#source.name, ...this.#source.position(span.start) };
  }

  /** The root node; undefined where the text is no YAML or empty, which is then on record. */
  #compose(): Node | undefined {
    const read = readTokens(this.#source);
    if ("problem" in read) {
      this.problems.push(read.problem);
      return undefined;
    }
    // Duplicate keys are looked for below: the composer compares each key with each.
    const options = {
      version: "1.2",
      schema: "core",
      merge: false,
      uniqueKeys: false,
      stringKeys: true,
    } as const;
    const composer = new Composer({ ...options, strict: true, prettyErrors: false });
    const documents: Document.Parsed[] = [...composer.compose(read.tokens, true, this.#source.text.length)];
    const document = documents[0];
    for (const [index, error] of (document?.errors ?? []).entries()) {
      // Where several brackets are open at the end, one sentence is enough.
      if (document?.errors[index - 1]?.pos[0] !== error.pos[0]) this.#problem(error.pos, wording(error));
    }
    if (this.problems.length > 0) return undefined;
    const root = document?.contents;
    if (root === undefined || root === null || (isScalar(root) && root.value === null)) {
      this.problems.push({
        place: { label: this.#source.name },
        message: "the policy is empty; a policy that grants nothing is `version: 1`",
      });
      return undefined;
    }
    return root;
  }

  #read(node: Node, path: ValuePath, depth: number): unknown {
    const range = rangeOf(node);
    if (++this.#valuesSeen > maxValues) {
      if (this.#valuesSeen === maxValues + 1) this.#problem(range, "aliases make the policy too large here");
      return undefined;
    }
    if (depth > maxDepth) {
      this.#problem(range, "the policy is nested too deeply");
      return undefined;
    }
    // Of an aliased value the place of the alias is kept, which the recursion below comes to second.
    if (!this.#values.has(pathKey(path))) this.#values.set(pathKey(path), range);
    if (isAlias(node)) return this.#readAlias(node.source, range, path, depth);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (node.tag !== undefined)
      this.#problem(
        range,
        `tags are not supported: ${quoted(node.tag.replace(/^tag:yaml\.org,2002:/, "!!"))}`,
      );
    if (isMap(node)) return this.#readMap(node.items, path, depth);
    if (isSeq(node)) return node.items.map((item, index) => this.#readChild(item, [...path, index], depth));
    return isScalar(node) ? this.#readScalar(node, range) : undefined;
  }

  #readAlias(name: string, range: Range, path: ValuePath, depth: number): unknown {
    if (++this.#aliasesSeen > maxAliases) {
      if (this.#aliasesSeen === maxAliases + 1) this.#problem(range, `more than ${maxAliases} aliases`);
      return undefined;
    }
    const target = this.#anchors.get(name);
    if (target !== undefined) return this.#read(target, path, depth + 1);
    this.#problem(range, `no anchor ${quoted(`&${name}`)} before this alias`);
    return undefined;
  }

  #readMap(pairs: readonly Pair[], path: ValuePath, depth: number): unknown {
    const entries = new Map<string, unknown>();
    for (const { key, value } of pairs) {
      if (!isScalar(key)) {
        this.#problem(
          isNode(key) ? rangeOf(key) : this.#values.get(pathKey(path)),
          "a key must be a plain string",
        );
        continue;
      }
      const name = String(key.value);
      const keyRange = rangeOf(key);
      const earlier = entries.has(name) ? this.#keys.get(pathKey([...path, name])) : undefined;
      if (earlier !== undefined) {
        const { line } = this.#source.position(earlier[0]);
        this.#problem(keyRange, `duplicate key ${quoted(name)}; it is already set on line ${line}`);
        continue;
      }
      this.#keys.set(pathKey([...path, name]), keyRange);
      if (name === "<<") {
        this.#problem(keyRange, "merge keys (`<<`) are not supported; `extends` starts from another policy");
        continue;
      }
      if (name === "__proto__") {
        // Refused here, because zod's records pass over it in silence.
        this.#problem(keyRange, "unknown key `__proto__`");
        continue;
      }
      if (!isNode(value)) this.#values.set(pathKey([...path, name]), keyRange);
      entries.set(name, this.#readChild(value, [...path, name], depth));
    }
    return Object.fromEntries(entries);
  }

  #readChild(child: unknown, path: ValuePath, depth: number): unknown {
    return isNode(child) ? this.#read(child, path, depth + 1) : child;
  }

  #readScalar(scalar: Scalar, range: Range): unknown {
    const { value, source } = scalar;
    if (typeof value !== "number" || source === undefined || plainDecimal.test(source)) return value;
    const spelling = source.startsWith("0o") ? "octal" : source.startsWith("0x") ? "hexadecimal" : undefined;
    const problem =
      spelling === undefined ? "is not a number in plain decimal" : `is a number in ${spelling}`;
    this.#problem(
      range,
      `${quoted(source)} ${problem}; write it in decimal, or in quotes if a string is meant`,
    );
    return undefined;
  }

  #problem(range: Range | undefined, message: string): void {
    this.problems.push({
      place: range === undefined ? { label: this.#source.name } : this.#at(range),
      message,
    });
  }

  #at([start, end]: Range): Place {
    return { label: this.#source.name, span: { source: this.#source, start, end } };
  }
}

const plainDecimal = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/;

function rangeOf(node: Node): Range {
  const [start, end] = node.range ?? [0, 0];
  return [start, end];
}

function pathKey(path: ValuePath): string {
  return JSON.stringify(path);
}

/** The library's sentence, but for errors that are frequent and that it words for its own maintainers. */
function wording({ code, message }: YAMLError): string {
  if (code === "TAB_AS_INDENT") return "a tab cannot indent YAML; write spaces";
  if (code === "BLOCK_AS_IMPLICIT_KEY")
    return "a second `: ` in one line; put the value in quotes or on a line of its own";
  if (code === "NON_STRING_KEY") return "a key must be a plain string";
  if (code === "BAD_ALIAS" || code === "TAG_RESOLVE_FAILED" || code === "MISSING_CHAR")
    return lowerFirst(message);
  return `not valid YAML: ${lowerFirst(message)}`;
}

function lowerFirst(message: string): string {
  return displayText(message.charAt(0).toLowerCase() + message.slice(1));
}
