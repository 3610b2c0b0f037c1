import type { Denial } from "../egress/ledger.js";
import { displayText } from "../policy/display.js";

/** Tells each thing that the network rules refused once, with the line of a policy that would allow it. */
export function denialTeller(print: (line: string) => void): (denial: Denial) => void {
  const told = new Set<string>();
  return (denial) => {
    const line = denialLine(denial);
    if (told.has(line) || told.size >= mostLines) return;
    told.add(line);
    print(line);
    if (told.size === mostLines) print("skillbox: further denials stand in the record alone (--audit)");
  };
}

/** A program chooses what it asks for, and must not fill a terminal with it. */
const mostLines = 1000;

function denialLine({ type, name, address, port, rule, reason, hint }: Denial): string {
  const host = name ?? address ?? "an address";
  const where = type === "net.dns" ? `the name ${host}` : port === undefined ? host : `${host} port ${port}`;
  const why = reason ?? (rule === undefined || rule === "default" ? "no rule allows it" : rule);
  const cure = hint === undefined ? "" : `; to allow it: ${hint}`;
  return displayText(`skillbox: denied: ${where} (${why})${cure}`);
}
