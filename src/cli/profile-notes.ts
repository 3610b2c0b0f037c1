import { displayText } from "../policy/display.js";
import type { Policy } from "../policy/policy.js";
import { filterInput, hostArchitecture } from "../sandbox/filter-input.js";
import { describeWithoutEffect, rulesWithoutEffect } from "../seccomp/without-effect.js";
import { printLine } from "./print-error.js";

/** What a policy's profile of system calls permits in vain. Throws ERR_POLICY for a profile that is none. */
export function profileNotes(policy: Policy): readonly string[] {
  return describeWithoutEffect(
    rulesWithoutEffect(filterInput(policy, hostArchitecture(), policy.audit.level)),
  );
}

export function printProfileWarnings(policy: Policy): void {
  for (const note of profileNotes(policy))
    printLine(`${displayText(policy.syscalls.profile)}: warning: ${note}`);
}
