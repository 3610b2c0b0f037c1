import test from "ava";
import { tally } from "../test-tally.js";

const stats = {
  ...{ passedTests: 3, passedKnownFailingTests: 0, failedTests: 0, failedHooks: 0 },
  ...{ remainingTests: 0, skippedTests: 1, todoTests: 0 },
};

/** @param {object[]} events */
async function tallyOf(...events) {
  return tally(/** @type {any} */ (events));
}

test("the last statistics of a run are its tally", async (t) => {
  t.deepEqual(
    await tallyOf(
      { type: "stats", stats: { ...stats, passedTests: 1 } },
      { type: "stats", stats },
      { type: "end" },
    ),
    { passed: 3, failed: 0, skipped: 1, silentSkips: [] },
  );
});

for (const kind of ["failedTests", "failedHooks", "remainingTests", "todoTests", "passedKnownFailingTests"]) {
  test(`${kind} count as failed`, async (t) => {
    t.is((await tallyOf({ type: "stats", stats: { ...stats, [kind]: 2 } })).failed, 2);
  });
}

test("a skip that gives no reason is named", async (t) => {
  const skipped = { type: "selected-test", skip: true };
  const { silentSkips } = await tallyOf(
    { ...skipped, title: "limits › out of memory # skipped: needs cgroup-v2" },
    { ...skipped, title: "limits › fork bomb" },
  );
  t.deepEqual(silentSkips, ["limits › fork bomb"]);
});
