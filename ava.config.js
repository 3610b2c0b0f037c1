import { observeRun } from "./tools/test-tally.js";

/** Tests are compiled by tsc first; the tools' own tests are plain JavaScript. */
export default {
  files: ["dist/test/**/*.test.js", "tools/test/**/*.test.js"],
  // A test that forks, changes rlimits or kills its supervisor must own its process.
  workerThreads: false,
  concurrency: 2,
  timeout: "5m",
  nodeArguments: ["--enable-source-maps"],
  nonSemVerExperiments: { observeRunsFromConfig: true },
  observeRun,
};
