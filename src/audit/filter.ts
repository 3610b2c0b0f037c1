import { SkillboxError } from "../errors.js";
import { eventTypes } from "./event-types.js";
import type { RecordedEvent } from "./read-event.js";
import { pathsOf } from "./subject.js";

export interface EventFilter {
  /** A type, or the beginning of some: "net.", "net", "file.open". Any of them; none: all types. */
  readonly types?: readonly string[] | undefined;
  readonly pid?: number | undefined;
  /** Only what was refused, or is expected to be. */
  readonly denied?: boolean | undefined;
  /** A path with everything below it. `*` and `?` stay within a name, `**` does not; what does not begin with / matches at any depth. */
  readonly path?: string | undefined;
}

/** Whether an event is asked for. Throws ERR_USAGE for a type that no event has. */
export function eventFilter({
  types = [],
  pid,
  denied,
  path,
}: EventFilter): (event: RecordedEvent) => boolean {
  for (const type of types) {
    if (!eventTypes.some((known) => isOfType(known, type))) {
      throw new SkillboxError("ERR_USAGE", `--type: there are no events of type ${JSON.stringify(type)}`, {
        hint: `the types are ${eventTypes.join(" ")}; \`net.\` is all that begin so`,
      });
    }
  }
  const matches = path === undefined ? undefined : pathPattern(path);
  return (event) =>
    (types.length === 0 || types.some((type) => isOfType(event.type, type))) &&
    (pid === undefined || event.pid === pid || event.tid === pid) &&
    (denied !== true || event.denied) &&
    (matches === undefined || pathsOf(event).some((use) => matches.test(use.path)));
}

function isOfType(type: string, asked: string): boolean {
  return type === asked || type.startsWith(asked.endsWith(".") ? asked : `${asked}.`);
}

export function pathPattern(written: string): RegExp {
  const trimmed = written.length > 1 ? written.replace(/\/+$/, "") : written;
  let source = trimmed.startsWith("/") ? "" : "(?:.*/)?";
  for (let index = 0; index < trimmed.length; index++) {
    const rest = trimmed.slice(index);
    if (rest.startsWith("**/")) {
      source += "(?:.*/)?";
      index += 2;
    } else if (rest.startsWith("**")) {
      source += ".*";
      index += 1;
    } else if (rest.startsWith("*")) {
      source += "[^/]*";
    } else if (rest.startsWith("?")) {
      source += "[^/]";
    } else {
      source += rest.charAt(0).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    }
  }
  return new RegExp(trimmed === "/" ? "^/" : `^${source}(?:/.*)?$`, "s");
}
