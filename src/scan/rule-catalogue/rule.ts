import type { Category, Severity } from "../report-findings.js";

/** A kind of behaviour that a scan looks for. Ids are never used again for something else. */
export interface Rule {
  /** For people and for SARIF: camelCase. */
  readonly name: string;
  readonly severity: Severity;
  /** GitHub's code scanning sorts by it: above 9.0 critical, from 7.0 high, from 4.0 medium, else low. */
  readonly securitySeverity: string;
  readonly category: Category;
  readonly title: string;
  readonly description: string;
  readonly remediation: string;
  /** Rules of NVIDIA SkillSpector, a static scanner, that a run confirms. */
  readonly skillSpector: readonly string[];
}
