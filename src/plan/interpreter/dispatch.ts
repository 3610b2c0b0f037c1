import { posix } from "node:path";
import { isComponent, installedVersion, parseMiseTools, parseToolVersions } from "./versions.js";
import { places } from "./layouts.js";
import { type Scope, isHostile, isProgram, readTrusted } from "./scope.js";

/**
 * Version managers put a dispatcher in PATH under every program's name; it picks the version when it runs, from files
 * in the working directory first. Inside, the dispatcher's own files are not there, and those files are a skill's. So
 * the version is picked here, from what the operator set for all directories: the variable, then the global file.
 */
export type Dispatch =
  | { readonly kind: "program"; readonly program: string; readonly note: string }
  /** The manager would look further along PATH. */
  | { readonly kind: "pass" }
  | { readonly kind: "unknown"; readonly manager: string; readonly cure: string };

const configBytes = 64 * 1024;

/** What a dispatcher (link-free directory plus name) stands for; undefined if it is not one. */
export function dispatch(scope: Scope, location: string): Dispatch | undefined {
  // A dispatcher inside a grant is visible as it is, and its files decide nothing out here.
  if (isHostile(scope, location)) return undefined;
  const directory = posix.dirname(location);
  const name = posix.basename(location);
  if (posix.basename(directory) === "shims") {
    const root = posix.dirname(directory);
    return envFamily(scope, root, name) ?? asdf(scope, root, location) ?? mise(scope, root, name);
  }
  return volta(scope, location) ?? rustup(scope, location);
}

/** pyenv and the managers modelled on rbenv: shims/ and versions/ under one root. */
function envFamily(scope: Scope, root: string, name: string): Dispatch | undefined {
  const manager = ["pyenv", "rbenv", "nodenv", "goenv"].find(
    (tool) => isProgram(scope.files, `${root}/libexec/${tool}`) || posix.basename(root) === `.${tool}`,
  );
  if (manager === undefined) return undefined;
  const variable = `${manager.toUpperCase()}_VERSION`;
  const chosen = setVariable(scope, variable);
  const versions = chosen?.split(":") ?? globalVersions(readTrusted(scope, `${root}/version`, configBytes));
  for (const wanted of versions) {
    if (wanted === "system") return { kind: "pass" };
    const version =
      pathLike(scope, root, wanted) ??
      installedVersion(scope, `${root}/versions`, wanted) ??
      installedVersion(scope, `${root}/versions`, wanted.replace(/^[a-z]+-/, ""));
    const program = `${root}/versions/${version}/bin/${name}`;
    if (version === undefined || !isProgram(scope.files, program)) continue;
    const origin = chosen === undefined ? `${root}/version` : `$${variable}`;
    return { kind: "program", program, note: `${name} is ${manager}'s ${version}, as ${origin} says` };
  }
  return { kind: "pass" };
}

/** pyenv-virtualenv names its environments "3.11.7/envs/work". */
function pathLike(scope: Scope, root: string, wanted: string): string | undefined {
  const parts = wanted.split("/");
  const isEnvironment = parts.length === 3 && parts[1] === "envs" && parts.every(isComponent);
  return isEnvironment && scope.files.stat(`${root}/versions/${wanted}`)?.kind === "directory"
    ? wanted
    : undefined;
}

/** The first word of each line, as pyenv-version-file-read takes them. */
function globalVersions(file: string | undefined): readonly string[] {
  return (file ?? "system")
    .split("\n")
    .map((line) => line.trim().split(/\s+/, 1)[0] ?? "")
    .filter((word) => word !== "" && !word.startsWith("#"));
}

function asdf(scope: Scope, root: string, location: string): Dispatch | undefined {
  const shim = readTrusted(scope, location, configBytes);
  if (shim === undefined || !/\basdf\b.* exec /.test(shim)) return undefined;
  const name = posix.basename(location);
  const plugins = [...shim.matchAll(/^# asdf-plugin: (\S+) /gm)].map((match) => match[1] ?? "");
  for (const plugin of new Set(plugins)) {
    const variable = `ASDF_${plugin.toUpperCase().replaceAll("-", "_")}_VERSION`;
    const versions = setVariable(scope, variable)?.split(/\s+/) ?? toolVersions(scope).get(plugin) ?? [];
    for (const version of versions) {
      if (version === "system") return { kind: "pass" };
      const program = installed(scope, `${root}/installs/${plugin}`, version.replace(":", "-"), name);
      if (program !== undefined)
        return { kind: "program", program, note: `${name} is asdf's ${plugin} ${version}` };
    }
  }
  const [plugin = "name"] = plugins;
  return { kind: "unknown", manager: "asdf", cure: `set a version for ${plugin} in ~/.tool-versions` };
}

function mise(scope: Scope, root: string, name: string): Dispatch | undefined {
  if (!places(scope, ["$MISE_DATA_DIR", "~/.local/share/mise"]).includes(root)) return undefined;
  const [config] = places(scope, [
    "$MISE_GLOBAL_CONFIG_FILE",
    "$XDG_CONFIG_HOME/mise/config.toml",
    "~/.config/mise/config.toml",
  ]);
  const tools = new Map([
    ...toolVersions(scope),
    ...parseMiseTools((config === undefined ? undefined : readTrusted(scope, config, configBytes)) ?? ""),
  ]);
  for (const variable of Object.keys(scope.environment)) {
    const tool = /^MISE_(\w+)_VERSION$/.exec(variable)?.[1];
    const value = setVariable(scope, variable);
    if (tool !== undefined && value !== undefined) tools.set(tool.toLowerCase(), value.split(/\s+/));
  }
  for (const [tool, versions] of tools) {
    const directory = tool
      .replace(/^core:/, "")
      .replace(/[:/]+/g, "-")
      .replaceAll("@", "");
    for (const version of versions) {
      const program = installed(scope, `${root}/installs/${directory}`, version, name);
      if (program !== undefined)
        return { kind: "program", program, note: `${name} is mise's ${tool} ${version}` };
    }
  }
  return { kind: "unknown", manager: "mise", cure: "mise use --global TOOL@VERSION" };
}

/** Plugins differ in where below an installation they keep programs. */
function installed(scope: Scope, directory: string, wanted: string, name: string): string | undefined {
  const version = installedVersion(scope, directory, wanted);
  if (version === undefined) return undefined;
  return ["bin", "go/bin", "packages/bin", ".npm/bin", "."]
    .map((bin) => posix.join(directory, version, bin, name))
    .find((program) => isProgram(scope.files, program));
}

function toolVersions(scope: Scope): ReadonlyMap<string, readonly string[]> {
  const name = scope.environment["ASDF_DEFAULT_TOOL_VERSIONS_FILENAME"] ?? ".tool-versions";
  return parseToolVersions(readTrusted(scope, posix.resolve(scope.home, name), configBytes) ?? "");
}

function volta(scope: Scope, location: string): Dispatch | undefined {
  const root = places(scope, ["$VOLTA_HOME", "~/.volta"]).find(
    (place) => posix.dirname(location) === `${place}/bin`,
  );
  const name = posix.basename(location);
  if (root === undefined || name.startsWith("volta")) return undefined;
  const image = `${root}/tools/image`;
  const platform = json(readTrusted(scope, `${root}/tools/user/platform.json`, configBytes));
  const node = text(field(field(platform, "node"), "runtime"));
  const version = (tool: string) =>
    text(tool === "npm" ? field(field(platform, "node"), "npm") : field(platform, tool));
  const tool = name === "npx" ? "npm" : name;
  const owner = text(
    field(json(readTrusted(scope, `${root}/tools/user/bins/${name}.json`, configBytes)), "package"),
  );
  const candidates = [
    ...(name === "node" ? [] : [`${image}/${tool}/${version(tool)}/bin/${name}`]),
    ...(owner === undefined ? [] : [`${image}/packages/${owner}/bin/${name}`]),
    `${image}/node/${node}/bin/${name}`,
  ];
  const program = candidates.find((path) => isProgram(scope.files, path));
  if (program === undefined) return { kind: "unknown", manager: "Volta", cure: `volta install ${name}` };
  return { kind: "program", program, note: `${name} is Volta's ${posix.relative(image, program)}` };
}

/** cargo, rustc and the rest are one binary, rustup, under other names. */
function rustup(scope: Scope, location: string): Dispatch | undefined {
  const name = posix.basename(location);
  const target = scope.files.readlink(location);
  const isProxy = target !== undefined && posix.basename(target) === "rustup" && name !== "rustup";
  if (!isProxy || !places(scope, ["$CARGO_HOME/bin", "~/.cargo/bin"]).includes(posix.dirname(location)))
    return undefined;
  for (const root of places(scope, ["$RUSTUP_HOME", "~/.rustup"])) {
    const settings = readTrusted(scope, `${root}/settings.toml`, configBytes) ?? "";
    const wanted =
      setVariable(scope, "RUSTUP_TOOLCHAIN") ?? /^default_toolchain\s*=\s*"([^"]*)"/m.exec(settings)?.[1];
    const toolchain =
      wanted === undefined ? undefined : installedVersion(scope, `${root}/toolchains`, wanted);
    const program = `${root}/toolchains/${toolchain}/bin/${name}`;
    if (toolchain !== undefined && isProgram(scope.files, program)) {
      return { kind: "program", program, note: `${name} is rustup's ${toolchain}` };
    }
  }
  return { kind: "unknown", manager: "rustup", cure: "rustup default stable" };
}

/** All of these managers take an empty variable for one that is not set. */
function setVariable(scope: Scope, variable: string): string | undefined {
  const value = scope.environment[variable];
  return value === "" ? undefined : value;
}

function json(source: string | undefined): unknown {
  try {
    return source === undefined ? undefined : JSON.parse(source);
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

/** Versions and package names end up in a path: `@scope/name` is the only separator that may occur. */
function text(value: unknown): string | undefined {
  return typeof value === "string" && value.split("/").every(isComponent) ? value : undefined;
}
