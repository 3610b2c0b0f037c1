import { LineCounter } from "yaml";

/** Offsets into a source text, in UTF-16 code units; `end` is exclusive. */
export interface Span {
  readonly source: SourceText;
  readonly start: number;
  readonly end: number;
}

/** The text of one policy file and the way from an offset to a line and a column. */
export class SourceText {
  /** As it is shown in messages: the path as the caller gave it. */
  readonly name: string;
  /** Without a byte order mark. */
  readonly text: string;
  readonly #lines = new LineCounter();

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text.startsWith("\ufeff") ? text.slice(1) : text;
    this.#lines.addNewLine(0);
    for (let at = this.text.indexOf("\n"); at !== -1; at = this.text.indexOf("\n", at + 1))
      this.#lines.addNewLine(at + 1);
  }

  /** 1-based line and column; an offset beyond the text is its end. */
  position(offset: number): { readonly line: number; readonly column: number } {
    const { line, col } = this.#lines.linePos(Math.min(Math.max(offset, 0), this.text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  /** The text of a 1-based line without its line break; empty for a line that is not there. */
  line(number: number): string {
    const start = this.#lines.lineStarts[number - 1];
    if (start === undefined) return "";
    const end = this.#lines.lineStarts[number] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, "");
  }
}
