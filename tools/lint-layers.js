import path from "node:path";

/**
 * Imports in src go one way: a layer sees only itself and the layers before it. `result` holds nothing but
 * types, so every layer may name them.
 */
const layers = [
  "errors",
  "encoder",
  "package-root",
  "policy",
  "skill",
  "seccomp",
  "host",
  "plan",
  "native",
  "egress",
  "audit",
  "result",
  "sandbox",
  "library",
  "adapters",
  "scan",
  "index",
  "cli",
];

/** @type {import("eslint").Rule.RuleModule} */
export const importsGoOneWay = {
  meta: {
    type: "problem",
    docs: { description: `Allow imports only in this order: ${layers.join(" < ")}` },
    messages: {
      upward: "{{from}} must not import {{to}}: imports go one way ({{order}}).",
      outside: "src must not import {{to}}, which lies outside src.",
      unknown:
        "{{layer}} is not one of the layers of src ({{order}}): give it a place in tools/lint-layers.js.",
    },
    schema: [{ type: "string" }],
  },
  create(context) {
    const sourceRoot = String(context.options[0]);
    const from = layerOf(sourceRoot, context.filename);
    const order = layers.join(" < ");

    /** @param {any} node */
    function check(node) {
      const specifier = node.source?.value;
      if (typeof specifier !== "string" || !specifier.startsWith(".")) return;
      const to = layerOf(sourceRoot, path.resolve(path.dirname(context.filename), specifier));
      if (to === undefined) {
        context.report({ node: node.source, messageId: "outside", data: { to: specifier } });
      } else if (!layers.includes(to)) {
        context.report({ node: node.source, messageId: "unknown", data: { layer: to, order } });
      } else if (from !== undefined && to !== "result" && layers.indexOf(to) > layers.indexOf(from)) {
        context.report({ node: node.source, messageId: "upward", data: { from, to, order } });
      }
    }

    return {
      Program(node) {
        if (from !== undefined && !layers.includes(from)) {
          context.report({ node, messageId: "unknown", data: { layer: from, order } });
        }
      },
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      TSImportType: check,
    };
  },
};

/**
 * "src/policy/schema.ts" is in `policy`, "src/index.ts" in `index`; undefined outside src.
 *
 * @param {string} sourceRoot
 * @param {string} file
 * @returns {string | undefined}
 */
function layerOf(sourceRoot, file) {
  const relative = path.relative(sourceRoot, file);
  if (relative.startsWith("..")) return undefined;
  return relative.split(path.sep)[0]?.replace(/\.[cm]?[jt]s$/, "");
}
