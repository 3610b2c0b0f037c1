import type { Integrity } from "./integrity.js";
import type { RecordedEvent } from "./read-event.js";
import type { RecordLine } from "./record-lines.js";
import { renderEvent } from "./render-event.js";
import { renderIntegrity, renderOutcome, renderStart } from "./render-header.js";
import { renderSummary } from "./render-summary.js";
import { shownJson } from "./shown.js";
import type { Style } from "./style.js";
import { RecordSummary } from "./summary.js";

/** How a record is shown. Each method returns what is to be written. */
export interface View {
  event(event: RecordedEvent, line: RecordLine, isAskedFor: boolean): string;
  end(integrity: Integrity): string;
}

export class SummaryView implements View {
  readonly #file: string;
  readonly #limit: number;
  readonly #style: Style;
  readonly #summary: RecordSummary;

  constructor(file: string, limit: number, style: Style) {
    this.#file = file;
    this.#limit = limit;
    this.#style = style;
    this.#summary = new RecordSummary(limit);
  }

  event(event: RecordedEvent, _line: RecordLine, isAskedFor: boolean): string {
    this.#summary.add(event, isAskedFor);
    return "";
  }

  end(integrity: Integrity): string {
    return renderSummary(this.#summary, integrity, {
      file: this.#file,
      limit: this.#limit,
      style: this.#style,
    });
  }
}

/** Line by line, as it happens. */
export class LiveView implements View {
  readonly #file: string;
  readonly #style: Style;
  #startMs: number | undefined;
  #denied = 0;
  #end: RecordedEvent | undefined;

  constructor(file: string, style: Style) {
    this.#file = file;
    this.#style = style;
  }

  event(event: RecordedEvent, _line: RecordLine, isAskedFor: boolean): string {
    this.#startMs ??= event.timeMs;
    if (event.verdict === "deny") this.#denied += event.count;
    if (event.type === "run.end") this.#end = event;
    if (event.type === "run.start") return `${renderStart(event, this.#style).join("\n")}\n\n`;
    return isAskedFor && event.type !== "run.end"
      ? `${renderEvent(event, this.#startMs, this.#style)}\n`
      : "";
  }

  end(integrity: Integrity): string {
    const record = renderIntegrity(integrity, this.#denied, this.#file, this.#style);
    return `\n${[...renderOutcome(this.#end, this.#style), ...record].join("\n")}\n`;
  }
}

/** The lines themselves. What is wrong with the record does not belong among them. */
export class JsonView implements View {
  event(_event: RecordedEvent, { bytes }: RecordLine, isAskedFor: boolean): string {
    return isAskedFor && bytes !== undefined ? `${shownJson(Buffer.from(bytes).toString())}\n` : "";
  }

  end(): string {
    return "";
  }
}
