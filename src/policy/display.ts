/**
 * Text of an untrusted file made fit for a terminal: whatever could move the cursor, colour the screen, reverse the
 * reading direction or be invisible is spelled out as `\x1b` or `\u{202e}`. A tab becomes one space, so that a caret
 * below it stays in place.
 */
export function displayText(text: string): string {
  let shown = "";
  for (const character of text) {
    if (character === "\t") shown += " ";
    else if (drivesTerminal.test(character)) shown += spelledOut(character);
    else shown += character;
  }
  return shown;
}

/** Like {@link displayText}, in backquotes and cut to `limit` characters: for quoting a value inside a sentence. */
export function quoted(text: string, limit = 60): string {
  const characters = Array.from(text);
  const cut = characters.length > limit ? `${characters.slice(0, limit).join("")}…` : text;
  return `\`${displayText(cut)}\``;
}

/** How many terminal columns the text takes after {@link displayText}; East Asian wide characters take two. */
export function displayWidth(text: string): number {
  let columns = 0;
  for (const character of displayText(text)) {
    if (combines.test(character)) continue;
    columns += takesTwoColumns(character.codePointAt(0) ?? 0) ? 2 : 1;
  }
  return columns;
}

/** Control, format (bidirectional, zero-width), unpaired surrogate, private, unassigned, line and paragraph separator. */
const drivesTerminal = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
const combines = /\p{M}/u;

function spelledOut(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** The blocks whose characters are Wide or Fullwidth in Unicode's EastAsianWidth.txt, coarsely. */
function takesTwoColumns(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf && code !== 0x303f) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff01 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1f64f) ||
    (code >= 0x1f900 && code <= 0x1f9ff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}
