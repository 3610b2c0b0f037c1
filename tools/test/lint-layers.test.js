import test from "ava";
import { Linter } from "eslint";
import { importsGoOneWay } from "../lint-layers.js";

const linter = new Linter({ cwd: "/repo", configType: "flat" });

/**
 * @param {string} filename
 * @param {string} code
 */
function messages(filename, code) {
  return linter
    .verify(
      code,
      {
        plugins: { skillbox: { rules: { layers: importsGoOneWay } } },
        rules: { "skillbox/layers": ["error", "/repo/src"] },
      },
      `/repo/${filename}`,
    )
    .map(({ messageId }) => messageId);
}

test("a layer imports from itself and from the layers before it", (t) => {
  t.deepEqual(
    messages("src/plan/compile.js", 'import "./encode.js"; import "../policy/policy.js"; import "zod";'),
    [],
  );
  t.deepEqual(messages("src/cli/exec.js", 'const { sandbox } = await import("../index.js");'), []);
});

test("a layer does not import from a later one, however it is spelled", (t) => {
  for (const code of [
    'import "../sandbox/run.js";',
    'export * from "../sandbox/run.js";',
    'export { run } from "../sandbox/run.js";',
    'await import("../sandbox/run.js");',
  ]) {
    t.deepEqual(messages("src/plan/compile.js", code), ["upward"], code);
  }
});

test("result holds types that every layer may name", (t) => {
  t.deepEqual(messages("src/policy/load.js", 'import "../result/run-result.js";'), []);
});

test("src imports nothing from outside src, and every layer has a place", (t) => {
  t.deepEqual(messages("src/plan/compile.js", 'import "../../test/helpers/requires.js";'), ["outside"]);
  t.deepEqual(messages("src/common/utils.js", ""), ["unknown"]);
  t.deepEqual(messages("src/plan/compile.js", 'import "../common/utils.js";'), ["unknown"]);
});
