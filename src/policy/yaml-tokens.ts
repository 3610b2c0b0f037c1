import { type CST, Lexer, Parser } from "yaml";

import type { Problem } from "./diagnostic.js";
import type { SourceText } from "./source-text.js";

/** A policy is about five levels deep. The composer recurses, so that depth has to be bounded before it runs. */
export const maxDepth = 32;

/** Bounds what aliases, or one JavaScript object in many places, can grow to. */
export const maxValues = 50_000;

/** Tens of thousands of rules; what it bounds is the work that a hostile file can ask for before it is refused. */
const maxLexemes = 100_000;

/**
 * First half of reading YAML: text to tokens, in time linear in the text, stopped at the first sign that the file
 * is not a policy. The parser keeps a stack of its own, so that nothing here recurses.
 */
export function readTokens(
  source: SourceText,
): { readonly tokens: readonly CST.Token[] } | { readonly problem: Problem } {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let lexemes = 0;
  let documents = 0;
  for (const lexeme of new Lexer().lex(source.text)) {
    const offset = parser.offset;
    for (const token of parser.next(lexeme)) {
      if (token.type === "directive")
        return refuse("directives such as `%YAML` and `%TAG` are not supported", token.offset);
      if (token.type === "document" && ++documents > 1) return refuse(severalDocuments, token.offset);
      tokens.push(token);
    }
    if (parser.stack.length > maxDepth * stackPerLevel)
      return refuse("the policy is nested too deeply", offset);
    if (++lexemes > maxLexemes) return refuse("the policy has too many entries to be one", offset);
  }
  for (const token of parser.end()) {
    if (token.type === "document" && ++documents > 1) return refuse(severalDocuments, token.offset);
    tokens.push(token);
  }
  return { tokens };

  function refuse(message: string, offset: number): { problem: Problem } {
    return {
      problem: { place: { label: source.name, span: { source, start: offset, end: offset + 1 } }, message },
    };
  }
}

const severalDocuments = "a policy file holds one document; remove this one";

/** The parser stacks one token a collection and one for the scalar in it. */
const stackPerLevel = 2;
