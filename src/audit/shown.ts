/**
 * Text of a program made fit for a terminal, so that it can neither drive it nor pass for something else: a word as a shell would
 * take it. Plain as it is; quoted where a shell would split or expand it; and with everything that moves the cursor, colours the screen,
 * reverses the reading direction or is invisible spelled out, `$'\x1b[31m'`.
 */
export function shownWord(text: string, limit = 256): string {
  const cut = text.length > limit ? text.slice(0, limit) : text;
  const more = cut === text ? "" : "…";
  if (/^[\w@%+=:,./-]+$/.test(cut)) return cut + more;
  if (!drivesTerminal.test(cut)) return `'${cut.replaceAll("'", String.raw`'\''`)}'${more}`;
  let escaped = "";
  for (const character of cut) {
    if (character === "'" || character === "\\") escaped += `\\${character}`;
    else escaped += drivesTerminal.test(character) ? spelledOut(character) : character;
  }
  return `$'${escaped}'${more}`;
}

/** Several words, as a command line; cut where it is longer than anybody reads. */
export function shownWords(words: readonly string[], limit = 400): string {
  let line = "";
  for (const [index, word] of words.entries()) {
    if (line.length > limit) return `${line} … (${words.length - index} more)`;
    line += `${index === 0 ? "" : " "}${shownWord(word, Math.min(256, Math.ceil(limit * 0.75)))}`;
  }
  return line;
}

/** Text that we wrote ourselves, such as a rule or a limit, in a record that anybody may have changed. */
export function shownPlain(text: string, limit = 256): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replaceAll(everyDriver, spelledOut);
}

/** The line of JSON with the same meaning and without characters that could drive a terminal: they only stand inside strings. */
export function shownJson(line: string): string {
  return line.replaceAll(everyDriver, (character) =>
    Array.from({ length: character.length }, (_, unit) => `\\u${hex(character.charCodeAt(unit), 4)}`).join(
      "",
    ),
  );
}

/** Control, format (bidirectional, zero-width), unpaired surrogate, private, unassigned, line and paragraph separator; fillers without ink. */
const drivesTerminal =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u2800|\u3164|\uffa0/u;
const everyDriver = new RegExp(drivesTerminal.source, "gu");

function spelledOut(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  // The record's spelling of a byte that is no UTF-8.
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  return code < 0x1_0000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
