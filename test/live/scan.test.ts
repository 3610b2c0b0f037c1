import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { z } from "zod";
import { isAtLeast } from "../../src/scan/report-findings.js";
import { openFindings, scanReportSchema, type ScanReport } from "../../src/scan/scan-report.js";
import { ruleList } from "../../src/scan/rules.js";
import { scanSkill } from "../../src/scan/scan.js";
import { requiresScan } from "../helpers/requires.js";
import { folderRules } from "../helpers/skill-folders.js";

const skills = path.resolve(import.meta.dirname, "../../../test/fixtures/skills");
/** By skill: the rules that must be among its findings; for honest ones no finding at or above HIGH at all. */
const expected = z
  .record(z.string(), z.array(z.string()))
  .parse(JSON.parse(readFileSync(path.join(skills, "expected.json"), "utf8")));

test("every skill that is there is tried, and every rule fires for one of them or in the tests of folders", (t) => {
  const there = readdirSync(skills).filter((name) => name !== "expected.json");
  t.deepEqual(there.toSorted(), Object.keys(expected).toSorted());
  const fired = new Set([...Object.values(expected).flat(), ...folderRules]);
  t.deepEqual(
    ruleList.map(([id]) => id).filter((id) => !fired.has(id)),
    [],
  );
});

const liveTest = requiresScan(test, "program:python3", "program:bash", "program:curl", "program:make");

async function scanned(name: string): Promise<ScanReport> {
  return scanSkill({ directory: path.join(skills, name), timeoutMs: 4000 });
}

for (const [name, rules] of Object.entries(expected)) {
  liveTest.serial(`${name}: ${rules.length === 0 ? "no alarm" : rules.join(", ")}`, async (t) => {
    const report = await scanned(name);
    t.notThrows(() => scanReportSchema.parse(report));
    const found = new Set(openFindings(report.findings.items).map(({ ruleId }) => ruleId));
    const serious = openFindings(report.findings.items).filter(({ severity }) => isAtLeast(severity, "HIGH"));
    if (rules.length === 0) {
      t.deepEqual(
        serious.map(({ title, evidence }) => [title, evidence.items[0]?.what]),
        [],
      );
      t.is(report.verdict, "clean", JSON.stringify(report.coverage.entries.items));
    } else {
      t.deepEqual(
        rules.filter((rule) => !found.has(rule)),
        [],
        `found: ${[...found].join(" ")}; ${JSON.stringify(report.coverage.entries.items)}`,
      );
      t.is(report.verdict, "findings");
    }
  });
}
