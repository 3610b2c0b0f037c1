import { basename, join, relative } from "node:path";
import { pathContains } from "../../policy/paths.js";
import type { Exercise } from "../exercise.js";
import type { Inventory } from "../inventory.js";
import type { Acts } from "./acts.js";
import { placeOf, type Sighting } from "./sighting.js";

const startFiles =
  /^\.(bashrc|bash_profile|bash_login|bash_logout|bash_aliases|profile|zshrc|zprofile|zshenv|zlogin|xprofile|login|inputrc|vimrc|pam_environment)$|^\.local\/bin\/|\/site-packages\/(\w+\.pth|sitecustomize\.py|usercustomize\.py)$|\/profile_default\/startup\/|^\.config\/(autostart|systemd|fish)\/|^\.ssh\/(authorized_keys|rc|config)$|^\.local\/share\/systemd\/|^\.gitconfig$/;
const systemStart =
  /^\/(etc\/(cron|init|systemd|profile|ld\.so\.preload|rc)|var\/spool\/cron|lib\/systemd|usr\/lib\/systemd)/;
const agentFiles =
  /(^|\/)(\.claude|\.codex|\.cursor|\.gemini|\.continue|\.windsurf)(\/|$)|(^|\/)\.claude\.json$|(^|\/)(CLAUDE|AGENTS|GEMINI)\.md$|(^|\/)\.?mcp\.json$|claude_desktop_config\.json$/;
/** What programs read by themselves on their way to the network; harmless until it leaves. */
const readByTools = /\/\.(netrc|npmrc|git-credentials)$/;
const changes = ["write", "create", "delete", "rename"];
const manyLists = 6;

/** Decoys read, things changed that are not the skill's, start files, itself. */
export function judgeFiles(exercise: Exercise, acts: Acts, inventory: Inventory): readonly Sighting[] {
  const { bait, cwd } = exercise;
  const found: Sighting[] = [];
  const shipped = new Set(inventory.files.map(({ path }) => join(cwd, path)));
  const decoys = new Map(
    bait.decoys.flatMap((decoy) => (decoy.path === undefined ? [] : [[decoy.path, decoy]])),
  );
  const made = new Set<string>();
  const listed = new Set<string>();
  for (const { event, access, path, target } of acts.files) {
    const opened = (more: Readonly<Record<string, unknown>>): boolean => more["path"] === path;
    const place = placeOf(exercise, "open", opened);
    const inHome = pathContains(bait.home, path) ? relative(bait.home, path) : undefined;
    const decoy = decoys.get(path);
    if (decoy !== undefined && access !== "attributes") {
      const severity = readByTools.test(path) && access === "read" ? "MEDIUM" : undefined;
      const what = `${access === "read" ? "opened" : `${access}: `} ${decoy.name}`;
      found.push({ rule: "SBX201", subject: [decoy.name], what, event, place, severity });
    }
    if (/^\/proc\/(\d+|self|thread-self)\/environ$/.test(path))
      found.push({ rule: "SBX202", subject: ["/proc/environ"], what: `read ${path}`, event, place });
    if (/^\/proc\/\d+\/(mem|maps)$/.test(path))
      found.push({ rule: "SBX403", subject: ["/proc/mem"], what: `opened ${path}`, event, place });
    if (
      inHome === undefined &&
      /^\/etc\/(shadow|sudoers)|^\/(root|home\/[^/]+)\/\.(ssh|aws|netrc|kube)\b/.test(path) &&
      access === "read"
    )
      found.push({ rule: "SBX201", subject: [path], what: `tried to read ${path}`, event, place });
    if (access === "list" && inHome !== undefined) listed.add(inHome);
    if (changes.includes(access) || access === "link") {
      const isStart = (inHome !== undefined && startFiles.test(inHome)) || systemStart.test(path);
      if (isStart || path.includes("/.git/hooks/"))
        found.push({
          rule: "SBX401",
          subject: [inHome === undefined ? path : `~/${inHome}`],
          what: `${access} ${inHome === undefined ? path : `~/${inHome}`}`,
          event,
          place,
        });
      if (agentFiles.test(inHome ?? (pathContains(cwd, path) ? relative(cwd, path) : path)))
        found.push({ rule: "SBX405", subject: [basename(path)], what: `${access} ${path}`, event, place });
      const own = pathContains(cwd, path) ? relative(cwd, path) : undefined;
      if (own !== undefined && (shipped.has(path) || own === "SKILL.md"))
        found.push({ rule: "SBX402", subject: [own], what: `${access} ${own}`, event, place });
      if (
        (access === "delete" || access === "rename") &&
        inHome !== undefined &&
        !made.has(path) &&
        /^(Documents|\.)/.test(inHome)
      )
        found.push({ rule: "SBX407", subject: [`~/${inHome}`], what: `${access} ~/${inHome}`, event, place });
      if (
        access === "link" &&
        target?.startsWith("/") === true &&
        !pathContains(cwd, target) &&
        own !== undefined
      )
        found.push({ rule: "SBX406", subject: [own], what: `linked ${own} to ${target}`, event, place });
      if (access === "create") made.add(path);
    }
  }
  const looksAtAll = acts.files.some(({ path }) => /^\/proc\/[2-9]\d*\//.test(path));
  for (const { path, event } of acts.files) {
    // Who goes through all processes, as ps does, comes by the first as well.
    if (path.startsWith("/proc/1/") && !looksAtAll)
      found.push({ rule: "SBX410", subject: ["/proc/1"], what: `looked at ${path}`, event });
    if (/^\/sys\/(class|devices\/virtual)\/dmi\//.test(path))
      found.push({ rule: "SBX410", subject: ["dmi"], what: `looked at ${path}`, event, severity: "MEDIUM" });
  }
  if (listed.size >= manyLists) {
    const what = `listed ${listed.size} folders of the home directory`;
    found.push({ rule: "SBX203", subject: ["~"], what });
  }
  return found;
}
