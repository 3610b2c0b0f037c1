import { readFileSync } from "node:fs";
import { scanReportSchema, type ScanReport } from "../../../src/scan/scan-report.js";

/** A report of every kind of part, with strings that try to be more than text wherever a skill chooses them. */
export function hostileReport(): ScanReport {
  const file = new URL("../../../../test/fixtures/reports/hostile.json", import.meta.url);
  return scanReportSchema.parse(JSON.parse(readFileSync(file, "utf8")));
}

/** The same skill in its better days: no findings, everything exercised. */
export function cleanReport(): ScanReport {
  const report = hostileReport();
  return {
    ...report,
    findings: { items: [], cut: 0 },
    coverage: { entryPoints: 0, exercised: 0, entries: { items: [], cut: 0 } },
    verdict: "clean",
  };
}
