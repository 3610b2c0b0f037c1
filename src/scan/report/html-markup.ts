import { plain } from "./plain.js";

/** Markup that is safe to stand in a page as it is. Everything else is text. */
export class Markup {
  constructor(readonly source: string) {}
}

type Value = string | number | undefined | Markup | readonly Markup[];

/**
 * Markup from a template. Every string that is put into it is text, in an element or in a double-quoted attribute: what drives a
 * terminal or turns the reading direction is spelled out, and what is markup is escaped.
 */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(
    strings.map((string, index) => string + (index < values.length ? written(values[index]) : "")).join(""),
  );
}

function written(value: Value): string {
  if (value === undefined) return "";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return escaped(value);
  return value instanceof Markup ? value.source : value.map(({ source }) => source).join("");
}

function escaped(text: string): string {
  return plain(text, 4096).replaceAll(/[&<>"'`]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** A table with a heading, nothing where there is nothing to show. */
export function section(id: string, title: string, content: Markup | undefined, note = ""): Markup {
  if (content === undefined) return markup``;
  return markup`<section id="${id}">
    <h2>${title} <small>${note}</small></h2>
    ${content}
  </section> `;
}

export function table(
  columns: readonly string[],
  rows: readonly (readonly Value[])[],
  cut: number,
): Markup | undefined {
  if (rows.length + cut === 0) return undefined;
  const head = columns.map((column) => markup`<th scope="col">${column}</th>`);
  const body = rows.map(
    (row) =>
      markup`<tr>
        ${row.map((cell) => markup`<td>${cell}</td>`)}
      </tr> `,
  );
  const more = cut === 0 ? markup`` : markup`<p class="cut">${cut} more were cut.</p>`;
  return markup`<div class="scroll">
      <table>
        <thead>
          <tr>
            ${head}
          </tr>
        </thead>
        <tbody>
          ${body}
        </tbody>
      </table>
    </div>
    ${more}`;
}
