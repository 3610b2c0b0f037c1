/**
 * Makes the system calls of launches fail, one a run, and looks what becomes of it:
 *
 *     node dist/test/faults/run.js [--most N] [--jobs N] [--role ROLE] [--call NAME] [SCENARIO…]
 *
 * `--most`: of each role's calls of a name no more than so many, evenly spread (all). Status 1 where a run did not end, left something,
 * ran a program without a layer, or went on for no reason that tolerated.ts knows.
 */
import { parseArgs } from "node:util";
import { has } from "../helpers/requires.js";
import { faultsOf, inject, listCalls, type Call, type Fault } from "./inject.js";
import { judge, type Verdict } from "./judge.js";
import { fullScenario, libraryScenario, plainScenario, type Scenario } from "./scenario.js";

const { values, positionals } = parseArgs({
  options: {
    most: { type: "string" },
    jobs: { type: "string", default: "2" },
    role: { type: "string" },
    call: { type: "string" },
  },
  allowPositionals: true,
});

const scenarios: Readonly<Record<string, () => Scenario>> = {
  plain: plainScenario,
  full: () => fullScenario({ cgroup: has("cgroup-v1") || has("cgroup-v2") }),
  library: libraryScenario,
};

for (const name of positionals.length > 0 ? positionals : Object.keys(scenarios)) {
  const make = scenarios[name];
  if (make === undefined) throw new Error(`no scenario ${name}`);
  const scenario = make();
  try {
    await tryAll(scenario);
  } finally {
    scenario.box.remove();
  }
}

async function tryAll(scenario: Scenario): Promise<void> {
  const calls = (await listCalls(scenario)).filter(
    ({ role, name }) =>
      (values.role === undefined || role === values.role) &&
      (values.call === undefined || name === values.call),
  );
  const faults = faultsOf(spread(calls, Number(values.most ?? Infinity)));
  const counts = new Map<string, number>();
  const startedMs = performance.now();
  const queue = [...faults];
  const work = async (): Promise<void> => {
    for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
      const ended = await inject(scenario, fault);
      const verdict = judge(scenario, fault, ended);
      tell(fault, verdict, ended.seconds);
      counts.set(verdict.kind, (counts.get(verdict.kind) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  const summary = [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ");
  console.log(`${scenario.name}: ${faults.length} faults in ${calls.length} calls, ${seconds} s: ${summary}`);
}

/** No more than `most` of each role's calls of a name, from the first to the last. */
function spread(calls: readonly Call[], most: number): readonly Call[] {
  const groups = new Map<string, Call[]>();
  for (const call of calls) {
    const key = `${call.role} ${call.name}`;
    groups.set(key, [...(groups.get(key) ?? []), call]);
  }
  return [...groups.values()].flatMap((group) =>
    group.length <= most
      ? group
      : Array.from({ length: most }, (_, index) => group[Math.floor((index * group.length) / most)]).filter(
          (call) => call !== undefined,
        ),
  );
}

function tell(fault: Fault, verdict: Verdict, seconds: number): void {
  if (verdict.kind !== "wrong") return;
  process.exitCode = 1;
  const { role, name, count, about, errno } = fault;
  console.log(
    `WRONG ${role} ${name}#${count} (${about}) ${errno}, ${seconds.toFixed(1)} s: ${verdict.why.trimEnd()}`,
  );
}
