import { createHash } from "node:crypto";
import test from "ava";
import { parse, type DefaultTreeAdapterMap } from "parse5";
import { renderHtml } from "../../../src/scan/report/html.js";
import { cleanReport, hostileReport } from "./sample-report.js";

type Node = DefaultTreeAdapterMap["node"];
type Element = DefaultTreeAdapterMap["element"];

/** As a browser reads the page: by the HTML standard's own algorithm. */
function elementsOf(page: string): { elements: Element[]; text: string } {
  const elements: Element[] = [];
  let text = "";
  const visit = (node: Node): void => {
    if ("tagName" in node) elements.push(node);
    if (node.nodeName === "#text" && "value" in node) text += node.value;
    if ("childNodes" in node) for (const child of node.childNodes) visit(child);
  };
  visit(parse(page));
  return { elements, text };
}

test("a skill's strings stay text, and nothing could be loaded or run if they did not", (t) => {
  const { elements, text } = elementsOf(renderHtml(hostileReport()));
  const names = new Set(elements.map(({ tagName }) => tagName));
  for (const name of ["script", "img", "iframe", "object", "embed", "link", "form", "base"]) {
    t.false(names.has(name), name);
  }
  const attributes = elements.flatMap(({ attrs }) => attrs);
  t.deepEqual(
    attributes.filter(({ name }) => name.startsWith("on") || name === "style" || name === "src"),
    [],
  );
  t.true(attributes.filter(({ name }) => name === "href").every(({ value }) => value.startsWith("#")));
  t.true(text.includes("version: 1\nname: "), "a policy keeps its lines");
  t.true(text.includes("<script>alert('xss')</script><img src=x onerror=alert(1)>"));
  t.notRegex(text, /(?!\n)[\p{Cc}\p{Cs}\u200b\u202e]/u);
  const policy = elements.find(({ attrs }) => attrs.some(({ value }) => value === "Content-Security-Policy"));
  const [, content] = policy?.attrs ?? [];
  t.regex(
    content?.value ?? "",
    /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'$/,
  );
  const [sheet] = elements.find(({ tagName }) => tagName === "style")?.childNodes ?? [];
  const rules = sheet !== undefined && "value" in sheet ? sheet.value : "";
  const digest = createHash("sha256").update(rules).digest("base64");
  t.true(
    content?.value.includes(`'sha256-${digest}'`),
    "the page's own style sheet is what its policy lets through",
  );
  const marks = elements.filter(({ tagName }) => tagName === "mark");
  t.true(marks.length >= 3, "decoys are marked");
});

test("every process is shown once, those in a circle of parents too", (t) => {
  const report = hostileReport();
  const { elements, text } = elementsOf(renderHtml(report));
  t.is(text.match(/ · pid \d+ · /g)?.length, report.observed.processes.items.length);
  t.true(elements.filter(({ tagName }) => tagName === "details").length <= 50);
  t.regex(elementsOf(renderHtml(cleanReport())).text, /CLEAN no findings/);
});

test("a chain of thousands of processes is a page that can be made and read", (t) => {
  const report = hostileReport();
  const items = Array.from({ length: 5000 }, (_, index) => ({
    run: "r1",
    pid: index + 2,
    parent: index + 1,
    exe: "/bin/sh",
    argv: ["sh"],
  }));
  const observed = { ...report.observed, processes: { items, cut: 0 } };
  const { text } = elementsOf(renderHtml({ ...report, observed }));
  t.is(text.match(/ · pid \d+ · /g)?.length, 5000);
});
