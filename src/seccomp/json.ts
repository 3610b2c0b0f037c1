import { SkillboxError } from "../errors.js";
import { displayText, displayWidth } from "../policy/display.js";

/**
 * JSON with the position of every value, numbers as they were written (a seccomp value has 64 bits, a JavaScript number 53), and duplicate keys
 * refused: of two `defaultAction`s nobody should have to guess which one counts. RFC 8259.
 */
export type JsonNode =
  | { readonly kind: "null" | "boolean"; readonly at: number }
  | { readonly kind: "number"; readonly text: string; readonly at: number }
  | { readonly kind: "string"; readonly value: string; readonly at: number }
  | { readonly kind: "array"; readonly items: readonly JsonNode[]; readonly at: number }
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, JsonMember>; readonly at: number };

export interface JsonMember {
  readonly keyAt: number;
  readonly value: JsonNode;
}

export interface JsonText {
  /** For messages. */
  readonly file: string;
  readonly text: string;
}

/** @throws SkillboxError ERR_POLICY with file, line and column. */
export function parseJson(source: JsonText): JsonNode {
  return new Parser(source).document();
}

/** An error in the form of a compiler: `file:line:column: error: …`, the line, a caret; fit for a terminal whatever the file holds. */
export function errorAt(source: JsonText, at: number, message: string, hint?: string): SkillboxError {
  const before = source.text.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  const column = at - lineStart + 1;
  const shownFrom = Math.max(lineStart, at - charactersBefore);
  const shown = source.text.slice(shownFrom, at + charactersAfter).replace(/^([^]*?)\r?\n[^]*$/, "$1");
  const place = `${displayText(source.file)}:${String(line)}:${String(column)}`;
  const caret = " ".repeat(displayWidth(source.text.slice(shownFrom, at)));
  return new SkillboxError(
    "ERR_POLICY",
    `${place}: error: ${displayText(message)}\n  ${displayText(shown)}\n  ${caret}^`,
    hint === undefined ? {} : { hint: displayText(hint) },
  );
}

/** Of a long line, what is shown around the place. */
const charactersBefore = 100;
const charactersAfter = 100;

const maxDepth = 32;
class Parser {
  readonly #source: JsonText;
  readonly #text: string;
  #at = 0;

  // Sticky expressions keep their place in themselves, so that each parser has its own.
  readonly #space = /[ \t\n\r]*/y;
  // eslint-disable-next-line no-control-regex -- RFC 8259 names them
  readonly #simpleString = /"([^"\\\u0000-\u001f]*)"/y;
  // eslint-disable-next-line no-control-regex
  readonly #anyString = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
  readonly #number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  readonly #word = /true|false|null/y;

  constructor(source: JsonText) {
    this.#source = source;
    this.#text = source.text;
  }

  document(): JsonNode {
    if (this.#text.startsWith("\ufeff")) this.#at = 1;
    const node = this.#value(0);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#error("something follows the JSON value");
    return node;
  }

  #value(depth: number): JsonNode {
    this.#skipSpace();
    if (depth > maxDepth) throw this.#error(`nested more than ${String(maxDepth)} levels deep`);
    const at = this.#at;
    switch (this.#text[at]) {
      case "{":
        return this.#object(at, depth);
      case "[":
        return this.#array(at, depth);
      case '"':
        return { kind: "string", value: this.#string(), at };
      case undefined:
        throw this.#error("the file ends in the middle of the JSON value");
      default: {
        const name = this.#match(this.#word);
        if (name !== undefined) return { kind: name[0] === "null" ? "null" : "boolean", at };
        const digits = this.#match(this.#number);
        if (digits === undefined) throw this.#error("this is not JSON");
        return { kind: "number", text: digits[0], at };
      }
    }
  }

  #object(at: number, depth: number): JsonNode {
    const members = new Map<string, JsonMember>();
    this.#at += 1;
    if (this.#take("}")) return { kind: "object", members, at };
    do {
      this.#skipSpace();
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') throw this.#error("expected a key in double quotes");
      const key = this.#string();
      if (members.has(key)) throw errorAt(this.#source, keyAt, `duplicate key "${key}"`);
      if (!this.#take(":")) throw this.#error('expected ":" after the key');
      members.set(key, { keyAt, value: this.#value(depth + 1) });
    } while (this.#take(","));
    if (!this.#take("}")) throw this.#error('expected "," or "}"');
    return { kind: "object", members, at };
  }

  #array(at: number, depth: number): JsonNode {
    const items: JsonNode[] = [];
    this.#at += 1;
    if (this.#take("]")) return { kind: "array", items, at };
    do items.push(this.#value(depth + 1));
    while (this.#take(","));
    if (!this.#take("]")) throw this.#error('expected "," or "]"');
    return { kind: "array", items, at };
  }

  #string(): string {
    const simple = this.#match(this.#simpleString);
    if (simple?.[1] !== undefined) return simple[1];
    const escaped = this.#match(this.#anyString);
    if (escaped === undefined) throw this.#error("a string that is not closed, or has a bad escape in it");
    const value: unknown = JSON.parse(escaped[0]);
    return String(value);
  }

  #take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    this.#match(this.#space);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }

  #error(message: string): SkillboxError {
    this.#skipSpace();
    return errorAt(this.#source, this.#at, message);
  }
}
