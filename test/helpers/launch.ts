import { closeSync, openSync } from "node:fs";
import { loadNative } from "../../src/native/binding.js";
import type { LaunchPlan } from "../../src/plan/launch-plan.js";
import { defaultPolicy } from "../../src/policy/default.js";
import type { PathGrant, Policy } from "../../src/policy/policy.js";
import { prepare } from "../../src/sandbox/prepare.js";
import type { ExitReport } from "../../src/sandbox/reports.js";
import { Sandbox } from "../../src/sandbox/sandbox.js";
import { callerEnvironment } from "./exec.js";
import type { Scratch } from "./scratch.js";

export interface EditedLaunch {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  /** Takes a layer away, or not. */
  readonly edit?: (plan: LaunchPlan) => LaunchPlan;
  /**
   * Root only: maps the program to the caller's own uid, 0, as a root caller's sandbox would be without a uid of its own.
   */
  readonly asCaller?: boolean;
}

export interface EditedEnd {
  readonly exit: ExitReport;
  readonly stdout: string;
}

/**
 * Launches a plan that a test has changed, below the code that would never make such a plan: to show that a probe that is
 * refused gets through when the layer that refuses it is not there.
 */
export async function launchEdited(
  box: Scratch,
  argv: readonly string[],
  { read = [], write = [], edit = (plan) => plan, asCaller = false }: EditedLaunch = {},
): Promise<EditedEnd> {
  const preparation = prepare({
    policy: policyWith(read, write),
    argv,
    cwd: box.work,
    environment: callerEnvironment(box),
    // What is on record is answered by a supervisor, which is not there.
    auditLevel: "off",
  });
  const output = openSync(box.at("edited-stdout"), "w+");
  const nothing = openSync("/dev/null", "r+");
  try {
    const plan = edit(preparation.plan);
    const sandbox = asCaller ? withoutOwnUid(plan) : launch(plan);
    try {
      const exited = sandbox.exec({ ...preparation.process, id: 1, oneshot: true, terminal: undefined }, [
        nothing,
        output,
        nothing,
      ]);
      // A launch that fails rejects both; the one that says why is enough.
      exited.catch(() => undefined);
      await sandbox.ready;
      return { exit: await exited, stdout: box.read("edited-stdout") };
    } finally {
      await sandbox.close();
    }
  } finally {
    closeSync(output);
    closeSync(nothing);
  }
}

function launch(plan: LaunchPlan): Sandbox {
  const sandbox = Sandbox.launch(loadNative(), { inCgroup: false });
  sandbox.setUp({ plan, cgroup: { files: [], directory: undefined }, onListener: undefined });
  return sandbox;
}

/** The launcher takes a caller whose uid it cannot see for an ordinary one with uid 0. */
function withoutOwnUid(plan: LaunchPlan): Sandbox {
  const { geteuid } = process;
  delete process.geteuid;
  try {
    return launch(plan);
  } finally {
    if (geteuid !== undefined) process.geteuid = geteuid;
  }
}

function policyWith(read: readonly string[], write: readonly string[]): Policy {
  const grants = (paths: readonly string[]): PathGrant[] => paths.map((path) => ({ path, written: path }));
  const policy = defaultPolicy();
  return { ...policy, filesystem: { ...policy.filesystem, read: grants(read), write: grants(write) } };
}
