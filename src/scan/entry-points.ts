import { basename, dirname, extname } from "node:path";
import type { Skill } from "../skill/skill.js";
import type { Inventory, SkillFile } from "./inventory.js";
import type { Phase } from "./scan-report.js";

/** Something of a skill that can be run. */
export interface EntryPoint {
  readonly phase: Phase;
  readonly file: string;
  readonly line?: number;
  readonly name?: string;
  readonly language: "python" | "node" | "shell";
  /** What the harness gets behind the phase: a file and its arguments, or `-c` and a text. */
  readonly target: readonly string[];
}

/** Each is tried alone, and all together. */
const mostArguments = 4;

/** What there is to exercise, in the order of the phases. */
export function findEntryPoints(skill: Skill, { files }: Inventory): readonly EntryPoint[] {
  const found = [
    ...files.flatMap(packageScripts),
    ...files.flatMap(scripts),
    ...files.flatMap(makeTargets),
    ...documentedCommands(skill),
  ];
  return found.toSorted((a, b) => order.indexOf(a.phase) - order.indexOf(b.phase));
}

const order: readonly Phase[] = ["install", "main", "import", "function", "command"];

function scripts({ path, text }: SkillFile): readonly EntryPoint[] {
  const language = text === undefined ? undefined : languageOf(path, text);
  if (language === undefined || text === undefined) return [];
  const main: EntryPoint = { phase: "main", file: path, language, target: [path] };
  const triggers = triggerArguments(text);
  const withArguments = [...triggers.map((word) => [word]), ...(triggers.length > 1 ? [triggers] : [])].map(
    (words): EntryPoint => ({ ...main, name: `with ${words.join(" ")}`, target: [path, ...words] }),
  );
  if (language === "shell") return [main, ...withArguments];
  const hasFunctions = /^\s*(?:async\s+)?(?:def|class)\s/m.test(text) || /\bexport\b|\bexports\b/.test(text);
  return [
    main,
    ...withArguments,
    { phase: "import", file: path, language, target: [path] },
    ...(hasFunctions ? [{ phase: "function", file: path, language, target: [path] } as const] : []),
  ];
}

function languageOf(path: string, text: string): EntryPoint["language"] | undefined {
  const extension = extname(path);
  if (extension === ".py") return "python";
  if ([".js", ".mjs", ".cjs"].includes(extension)) return "node";
  if ([".sh", ".bash"].includes(extension)) return "shell";
  const [first = ""] = text.split("\n", 1);
  if (!first.startsWith("#!")) return undefined;
  if (first.includes("python")) return "python";
  if (first.includes("node")) return "node";
  return /\b(?:ba|da|z)?sh\b/.test(first) ? "shell" : undefined;
}

/** Words that a script compares with: what waits for one of them gets them all. */
function triggerArguments(text: string): readonly string[] {
  if (!/argv|argparse|\$[1@*]|\$\{[1@*]/.test(text)) return [];
  const words = [
    ...text.matchAll(/(?:==|===|\bin\b)\s*\[?\(?\s*["']([\w.:@/-]{1,40})["']/g),
    ...text.matchAll(/["'](--?[\w-]{1,30})["']/g),
    ...text.matchAll(/^\s*([\w.-]{1,30})\)\s/gm),
  ].flatMap(([, word]) => (word === undefined || word === "__main__" ? [] : [word]));
  return [...new Set(words)].slice(0, mostArguments);
}

const hooks = ["preinstall", "install", "postinstall", "prepare"];

function packageScripts({ path, text }: SkillFile): readonly EntryPoint[] {
  if (basename(path) !== "package.json" || text === undefined) return [];
  const found: EntryPoint[] = [];
  for (const [name, command] of Object.entries(scriptsOf(text))) {
    if (typeof command !== "string") continue;
    const line = text.split("\n").findIndex((each) => each.includes(`"${name}"`)) + 1;
    const phase = hooks.includes(name) ? "install" : "command";
    const folder = path === "package.json" ? "." : path.slice(0, -"/package.json".length);
    const target = ["-c", folder === "." ? command : `cd ${quotedWord(folder)} && ${command}`];
    found.push({ phase, file: path, ...(line > 0 ? { line } : {}), name, language: "shell", target });
  }
  return found;
}

/** More are not tried. */
const mostTargets = 8;

/** What `make` would do, with a target and without. */
function makeTargets({ path, text }: SkillFile): readonly EntryPoint[] {
  if (!/^(GNUm|m|M)akefile$/.test(basename(path)) || text === undefined) return [];
  const targets = [...text.matchAll(/^([A-Za-z0-9][\w-]*)[ \t]*:(?!=)/gm)].flatMap(([, name]) => name ?? []);
  return [...new Set(targets)].slice(0, mostTargets).map((name) => {
    const line = text.split("\n").findIndex((each) => each.startsWith(name)) + 1;
    const target = ["-c", `make -f ${quotedWord(basename(path))} -C ${quotedWord(dirname(path))} ${name}`];
    return { phase: "command", file: path, line, name: `make ${name}`, language: "shell", target };
  });
}

function quotedWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function scriptsOf(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && "scripts" in value;
    return isObject && typeof value.scripts === "object" ? (value.scripts ?? {}) : {};
  } catch {
    return {};
  }
}

/** The code blocks of SKILL.md that a shell can read. */
function documentedCommands({ body, bodyLine }: Skill): readonly EntryPoint[] {
  const found: EntryPoint[] = [];
  let block: { readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, line] of body.split("\n").entries()) {
    if (block === undefined) {
      if (/^\s*(?:```|~~~)\s*(?:bash|sh|shell|console)\s*$/.test(line))
        block = { line: bodyLine + index + 1, lines: [] };
    } else if (/^\s*(?:```|~~~)\s*$/.test(line)) {
      const text = block.lines.map((each) => each.replace(/^\s*\$ /, "")).join("\n");
      if (text.trim() !== "")
        found.push({
          phase: "command",
          file: "SKILL.md",
          line: block.line,
          name: text.trim().split("\n")[0]?.slice(0, 80) ?? "",
          language: "shell",
          target: ["-c", text],
        });
      block = undefined;
    } else block.lines.push(line);
  }
  return found;
}
