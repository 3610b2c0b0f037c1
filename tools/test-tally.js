import { writeSync } from "node:fs";

/**
 * What one run of ava came to.
 *
 * @typedef {object} Tally
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string[]} silentSkips  Titles of skipped tests that do not say why.
 */

/** The descriptor that tools/test.js reads the tally from; ava's own output stays as it is. */
export const tallyDescriptor = 3;
export const tallyVariable = "SKILLBOX_TEST_TALLY";

/**
 * ava calls this (from ava.config.js) at the start of a run.
 *
 * @param {{ events: AsyncIterable<import("ava/internal").Event> }} run
 */
export async function observeRun({ events }) {
  if (process.env[tallyVariable] === undefined) return;
  writeSync(tallyDescriptor, JSON.stringify(await tally(events)));
}

/**
 * @param {AsyncIterable<import("ava/internal").Event>} events
 * @returns {Promise<Tally>}
 */
export async function tally(events) {
  const result = { passed: 0, failed: 0, skipped: 0, silentSkips: /** @type {string[]} */ ([]) };
  for await (const event of events) {
    if (event.type === "selected-test" && event.skip && !event.title.includes(" # skipped: ")) {
      result.silentSkips.push(event.title);
    } else if (event.type === "stats") {
      const { stats } = event;
      result.passed = stats.passedTests;
      result.skipped = stats.skippedTests;
      // A test that was expected to fail, is still to be written, or never came to run, has not passed.
      result.failed =
        stats.failedTests +
        stats.failedHooks +
        stats.remainingTests +
        stats.todoTests +
        stats.passedKnownFailingTests;
    }
  }
  return result;
}
