/** How text is set off; the identity where there is no terminal to show it. */
export interface Style {
  readonly heading: (text: string) => string;
  readonly quiet: (text: string) => string;
  readonly refused: (text: string) => string;
  /** Refused by the kernel, as far as can be told. */
  readonly expected: (text: string) => string;
}

const plain = (text: string): string => text;
export const plainStyle: Style = { heading: plain, quiet: plain, refused: plain, expected: plain };

export const colourStyle: Style = {
  heading: sgr("1", "22"),
  quiet: sgr("2", "22"),
  refused: sgr("1;31", "22;39"),
  expected: sgr("33", "39"),
};

/** Colours on a terminal that has them, unless somebody wants none (https://no-color.org). */
export function styleFor(out: NodeJS.WritableStream): Style {
  const isTerminal = "isTTY" in out && out.isTTY === true;
  const isWanted = (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb";
  return isTerminal && isWanted ? colourStyle : plainStyle;
}

function sgr(on: string, off: string): (text: string) => string {
  return (text) => (text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`);
}
