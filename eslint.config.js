import path from "node:path";
import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";
import { importsGoOneWay } from "./tools/lint-layers.js";

const root = import.meta.dirname;

/** A shell string is an injection waiting for its input: argv arrays only. */
const noShellStrings = {
  name: "node:child_process",
  importNames: ["exec", "execSync"],
  message: "Pass an argv array to spawn or execFile; no shell strings.",
};

export default defineConfig(
  globalIgnores([
    "build/",
    "build-dev/",
    "build-docs/",
    "dist/",
    "coverage/",
    "prebuilds/",
    "test/fixtures/",
  ]),
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
      "@typescript-eslint/consistent-indexed-object-style": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/no-shadow": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/prefer-readonly": "error",
      "@typescript-eslint/promise-function-async": ["error", { checkArrowFunctions: false }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/strict-boolean-expressions": ["error", { allowNullableBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { requireDefaultForNonUnion: true }],
      eqeqeq: "error",
      "max-lines": ["warn", 250],
      "no-restricted-imports": ["error", { paths: [noShellStrings] }],
    },
  },
  {
    files: ["src/**/*.ts"],
    plugins: { skillbox: { rules: { "imports-go-one-way": importsGoOneWay } } },
    rules: { "skillbox/imports-go-one-way": ["error", path.join(root, "src")] },
  },
  {
    // Library code neither logs nor prints: what it has to say is a result, an event or an error.
    files: ["src/**/*.ts"],
    ignores: ["src/cli/**"],
    rules: {
      "no-console": "error",
      "no-restricted-properties": [
        "error",
        { object: "process", property: "stdout", message: "Only the CLI writes to the standard streams." },
        { object: "process", property: "stderr", message: "Only the CLI writes to the standard streams." },
        { object: "process", property: "exit", message: "Only the CLI ends the process." },
      ],
    },
  },
  {
    // What the addon exports is untyped: this one file gives it its types.
    files: ["src/native/binding.ts"],
    rules: { "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "as" }] },
  },
  {
    files: ["test/**/*.ts"],
    ignores: ["test/helpers/requires.ts"],
    rules: {
      "max-lines": "off",
      "no-restricted-syntax": [
        "error",
        {
          selector: "MemberExpression[object.name=/[tT]est$/][property.name=/^(skip|only|todo|failing)$/]",
          message: "A test runs, or says what it needs: requires(test, ...) of test/helpers/requires.ts.",
        },
      ],
    },
  },
  {
    // Plain JavaScript (tools, bin, configuration) is type-checked by tools/tsconfig.json.
    files: ["**/*.js"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly" } },
    rules: { eqeqeq: "error", "no-restricted-imports": ["error", { paths: [noShellStrings] }] },
  },
  {
    // CommonJS, which starts faster.
    files: ["bin/*.js"],
    languageOptions: { sourceType: "commonjs", globals: { __dirname: "readonly" } },
  },
);
