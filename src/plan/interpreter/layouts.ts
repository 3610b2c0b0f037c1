import { posix } from "node:path";
import type { Scope } from "./scope.js";
import { trustedPlace } from "./scope.js";
import { components, isWithin, join } from "./walk.js";

/** Where the people who package interpreters put them, and how much of it one installation is. */
interface Layout {
  readonly name: string;
  /** `$NAME` is the operator's variable, `~` the operator's home. */
  readonly roots: readonly string[];
  /** Below the root: the components of one installation, `*` for any one name. */
  readonly installation: string;
  /** What of it a program needs, where the rest holds data (Homebrew keeps databases in var). */
  readonly parts?: readonly string[];
}

const layouts: readonly Layout[] = [
  { name: "pyenv", roots: ["$PYENV_ROOT", "~/.pyenv"], installation: "versions/*" },
  { name: "rbenv", roots: ["$RBENV_ROOT", "~/.rbenv"], installation: "versions/*" },
  { name: "nodenv", roots: ["$NODENV_ROOT", "~/.nodenv"], installation: "versions/*" },
  { name: "goenv", roots: ["$GOENV_ROOT", "~/.goenv"], installation: "versions/*" },
  { name: "nvm", roots: ["$NVM_DIR", "~/.nvm", "~/.config/nvm"], installation: "versions/*/*" },
  {
    name: "fnm",
    roots: ["$FNM_DIR", "~/.local/share/fnm", "~/.fnm"],
    installation: "node-versions/*/installation",
  },
  { name: "volta", roots: ["$VOLTA_HOME", "~/.volta"], installation: "tools/image/*/*" },
  { name: "asdf", roots: ["$ASDF_DATA_DIR", "~/.asdf"], installation: "installs/*/*" },
  { name: "mise", roots: ["$MISE_DATA_DIR", "~/.local/share/mise"], installation: "installs/*/*" },
  { name: "uv", roots: ["$UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python"], installation: "*" },
  { name: "uv tool", roots: ["$UV_TOOL_DIR", "~/.local/share/uv/tools"], installation: "*" },
  { name: "pipx", roots: ["$PIPX_HOME", "~/.local/share/pipx", "~/.local/pipx"], installation: "venvs/*" },
  { name: "poetry", roots: ["$POETRY_HOME", "~/.local/share/pypoetry"], installation: "venv" },
  { name: "rye", roots: ["$RYE_HOME", "~/.rye"], installation: "py/*" },
  { name: "SDKMAN", roots: ["$SDKMAN_DIR", "~/.sdkman"], installation: "candidates/*/*" },
  { name: "rustup", roots: ["$RUSTUP_HOME", "~/.rustup"], installation: "toolchains/*" },
  { name: "bun", roots: ["$BUN_INSTALL", "~/.bun"], installation: "install/global" },
  {
    name: "npm",
    roots: ["$NPM_CONFIG_PREFIX", "~/.npm-global", "~/.npm-packages"],
    installation: "",
    parts: ["bin", "lib"],
  },
  { name: "pnpm", roots: ["$PNPM_HOME", "~/.local/share/pnpm"], installation: "" },
  {
    name: "Homebrew",
    roots: ["$HOMEBREW_PREFIX", "/home/linuxbrew/.linuxbrew", "~/.linuxbrew"],
    installation: "",
    parts: "bin sbin opt Cellar lib libexec share include etc/ca-certificates etc/openssl@3".split(" "),
  },
  { name: "Nix", roots: ["/nix/store"], installation: "" },
  { name: "Guix", roots: ["/gnu/store"], installation: "" },
];

/** Directories of programs that stand alone, one file each, although their parent may have a lib beside them. */
const looseFiles: readonly string[] = [
  "$CARGO_HOME/bin",
  "~/.cargo/bin",
  "$DENO_INSTALL/bin",
  "~/.deno/bin",
  "$BUN_INSTALL/bin",
  "~/.bun/bin",
  "$GOBIN",
  "$GOPATH/bin",
  "~/go/bin",
  "~/.local/bin",
  "~/bin",
];

export interface Installation {
  readonly layout: string;
  /** The directory as a whole. */
  readonly prefix: string;
  /** What of it to mount: itself, or its parts. */
  readonly directories: readonly string[];
}

/** The installation that holds a link-free location (or is it), if its layout is one that we know. */
export function recognise(scope: Scope, location: string): Installation | undefined {
  for (const layout of layouts) {
    for (const root of places(scope, layout.roots)) {
      const prefix = matchInstallation(root, layout.installation, location);
      if (prefix === undefined) continue;
      const directories = (layout.parts ?? []).map((part) => `${prefix}/${part}`).filter(isDirectory(scope));
      return {
        layout: layout.name,
        prefix,
        directories: layout.parts === undefined ? [prefix] : directories,
      };
    }
  }
  const prefix = condaPrefix(scope, location) ?? venvPrefix(scope, location);
  if (prefix !== undefined) return { layout: "environment", prefix, directories: [prefix] };
  const optional = optPrefix(location);
  return optional === undefined ? undefined : { layout: "/opt", prefix: optional, directories: [optional] };
}

export function isLooseFile(scope: Scope, location: string): boolean {
  return places(scope, looseFiles).includes(posix.dirname(location));
}

/** The link-free, trusted forms of `~/x`, `$NAME/x` and absolute paths; variables that are not set leave nothing. */
export function places(scope: Scope, written: readonly string[]): readonly string[] {
  return written.flatMap((path) => {
    const [head = "", ...rest] = path.split("/");
    const start = head === "~" ? scope.home : head.startsWith("$") ? scope.environment[head.slice(1)] : head;
    if (start === undefined || (head !== "" && !start.startsWith("/"))) return [];
    const place = trustedPlace(scope, [start, ...rest].join("/"));
    return place === undefined || place === "/" ? [] : [place];
  });
}

function matchInstallation(root: string, pattern: string, location: string): string | undefined {
  if (!isWithin(location, root)) return undefined;
  const below = components(location.slice(root.length));
  const wanted = components(pattern);
  if (below.length < wanted.length) return undefined;
  if (!wanted.every((name, index) => name === "*" || name === below[index])) return undefined;
  return [root, ...below.slice(0, wanted.length)].join("/");
}

/** conda writes this directory into every environment, the base one too, wherever it was installed. */
function condaPrefix(scope: Scope, location: string): string | undefined {
  for (let at = posix.dirname(location); at !== "/"; at = posix.dirname(at)) {
    if (scope.files.stat(`${at}/conda-meta`)?.kind === "directory") return trustedPlace(scope, at);
  }
  return undefined;
}

/** PEP 405: bin/python with pyvenv.cfg one directory up. */
function venvPrefix(scope: Scope, location: string): string | undefined {
  const prefix = posix.dirname(posix.dirname(location));
  if (scope.files.stat(join(prefix, "pyvenv.cfg"))?.kind !== "file") return undefined;
  return trustedPlace(scope, prefix);
}

/** /opt/X/bin/… is X's; so is /opt/X/anything, and in /opt/vendor/product/bin the product is enough. */
function optPrefix(location: string): string | undefined {
  const [top, first, ...rest] = components(location);
  if (top !== "opt" || first === undefined || first === "bin" || rest.length === 0) return undefined;
  const bin = rest.lastIndexOf("bin", rest.length - 2);
  return ["/opt", first, ...rest.slice(0, Math.max(bin, 0))].join("/");
}

function isDirectory(scope: Scope): (path: string) => boolean {
  return (path) => scope.files.stat(path)?.kind === "directory";
}
