import type { Evidence, Excerpt, Finding } from "../report-findings.js";
import { markup, type Markup } from "./html-markup.js";
import { pieces, plainPlace } from "./plain.js";

export function findingMarkup(finding: Finding): Markup {
  const { status } = finding;
  return markup`<article class="finding ${finding.severity} ${status.state}" id="${finding.id}">
    <h3>
      <span class="severity">${finding.severity}</span> ${finding.title}
      <small>${finding.id} · ${finding.category} · <code>${plainPlace(finding.place)}</code></small>
    </h3>
    ${acceptance(status)}
    <p>${finding.description}</p>
    ${finding.evidence.items.map(evidenceMarkup)}${
      finding.evidence.cut > 0
        ? markup`<p class="cut">${finding.evidence.cut} more pieces of evidence were cut.</p>`
        : markup``
    }
    <p><b>What to do:</b> ${finding.remediation}</p>
  </article> `;
}

function acceptance(status: Finding["status"]): Markup {
  if (status.state === "accepted")
    return markup`<p class="quiet">Accepted until ${status.expires}: ${status.reason}</p>`;
  if (status.expired === undefined) return markup``;
  return markup`<p class="quiet">Was accepted until ${status.expired.expires}: ${status.expired.reason}</p>`;
}

function evidenceMarkup({ run, seq, what, excerpt, chain, place }: Evidence): Markup {
  const where = place === undefined ? markup`` : markup` · <code>${plainPlace(place)}</code>`;
  const event = seq === undefined ? run : `${run}#${seq}`;
  const processes = chain.map(({ pid, exe, argv }) => `${(argv ?? [exe]).join(" ")} [${pid}]`).reverse();
  const from = processes.length === 0 ? markup`` : markup`<div class="quiet">${processes.join(" → ")}</div>`;
  return markup`<div>${what} <small>${event}${where}</small>${from}${excerptMarkup(excerpt)}</div> `;
}

/** The decoys in it are marked, with their name as the tool tip. */
export function excerptMarkup(excerpt: Excerpt | undefined): Markup {
  if (excerpt === undefined) return markup``;
  const shown = pieces(excerpt.text, excerpt.marks).map(({ text, bait }) =>
    bait === undefined
      ? markup`${text}`
      : markup`<mark title="${bait.bait}, ${bait.encoding}">${text}</mark>`,
  );
  const more = excerpt.cut > 0 ? markup` <span class="cut">${excerpt.cut} bytes more</span>` : markup``;
  return markup`<pre>${shown}${more}</pre>`;
}
