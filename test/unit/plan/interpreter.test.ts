import { spawnSync } from "node:child_process";
import test from "ava";
import {
  type HostFiles,
  type Interpreter,
  type InterpreterProblem,
  type InterpreterRequest,
  findInterpreter,
  hostFiles,
} from "../../../src/plan/interpreter.js";
import { requires } from "../../helpers/requires.js";

/** A file system as a table: "exe" and "" are files with and without x, "-> x" is a link, "#!" makes text executable. */
type Tree = Readonly<Record<string, string>>;

const system: Tree = {
  "/bin": "-> usr/bin",
  "/usr/bin/env": "exe",
  "/usr/bin/sh": "exe",
  "/usr/bin/bash": "exe",
  "/usr/bin/python3": "exe",
  "/usr/local/bin/tool": "exe",
};

function fakeFiles(tree: Tree): HostFiles {
  const entries = new Map(Object.entries({ ...system, ...tree }));
  const isDirectory = (path: string) =>
    path === "/" || [...entries.keys()].some((key) => key.startsWith(`${path}/`));
  const linkText = (path: string) => /^-> (.*)$/.exec(entries.get(path) ?? "")?.[1];
  /** Written apart from the code under test: one component at a time, from the left, by recursion. */
  const real = (path: string, budget = 60): string | undefined => {
    if (budget === 0) return undefined;
    let done = "";
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    for (const [index, name] of names.entries()) {
      if (name === "..") {
        done = done.slice(0, Math.max(done.lastIndexOf("/"), 0));
        continue;
      }
      const text = linkText(`${done}/${name}`);
      if (text === undefined) done = `${done}/${name}`;
      else {
        const base = text.startsWith("/") ? text : `${done}/${text}`;
        return real([base, ...names.slice(index + 1)].join("/"), budget - 1);
      }
    }
    return done === "" ? "/" : done;
  };
  return {
    readlink: linkText,
    stat(path) {
      const place = real(path);
      if (place === undefined) return undefined;
      const text = entries.get(place);
      if (text !== undefined) return { kind: "file", executable: text === "exe" || text.startsWith("#!") };
      return isDirectory(place) ? { kind: "directory", executable: true } : undefined;
    },
    readStart: (path, limit) => entries.get(real(path) ?? "")?.slice(0, limit),
    readdir(path) {
      const start = `${real(path) ?? ""}/`;
      const below = [...entries.keys()].filter((key) => key.startsWith(start));
      return [...new Set(below.map((key) => key.slice(start.length).split("/")[0] ?? ""))].sort();
    },
  };
}

interface Case {
  readonly title: string;
  readonly tree: Tree;
  readonly argv0: string;
  readonly path?: string;
  readonly environment?: Record<string, string>;
  readonly grants?: readonly string[];
  readonly view?: readonly string[];
}

interface Found extends Case {
  readonly program: string;
  /** "source" or "source as target". */
  readonly prefixes: readonly string[];
  readonly environmentPath?: readonly string[];
}

interface Refused extends Case {
  readonly problem: InterpreterProblem["problem"];
  readonly message: RegExp;
}

function find({
  tree,
  argv0,
  path = "/usr/bin:/bin",
  environment = {},
  ...rest
}: Case): Interpreter | InterpreterProblem {
  const request: InterpreterRequest = {
    argv0,
    path,
    cwd: "/ws",
    home: "/home/u",
    environment,
    view: rest.view ?? ["/usr", "/bin", "/sbin", "/lib"],
    grants: rest.grants ?? ["/ws"],
    files: fakeFiles(tree),
  };
  return findInterpreter(request);
}

const home = "/home/u";
const pyenv: Tree = {
  [`${home}/.pyenv/libexec/pyenv`]: "exe",
  [`${home}/.pyenv/shims/python3`]: "#!/usr/bin/env bash\nexec pyenv exec",
  [`${home}/.pyenv/shims/black`]: "#!/usr/bin/env bash\nexec pyenv exec",
  [`${home}/.pyenv/version`]: "# chosen by hand\n3.11.7\n",
  [`${home}/.pyenv/versions/3.11.7/bin/python3`]: "-> python3.11",
  [`${home}/.pyenv/versions/3.11.7/bin/python3.11`]: "exe",
  [`${home}/.pyenv/versions/3.12.9/bin/python3`]: "exe",
  [`${home}/.pyenv/versions/3.12.10/bin/python3`]: "exe",
  [`${home}/.pyenv/versions/3.12.10/bin/black`]: `#!${home}/.pyenv/versions/3.12.10/bin/python3`,
  [`${home}/.pyenv/versions/3.13.0rc1/bin/python3`]: "exe",
};
const pyenvPath = `${home}/.pyenv/shims:/usr/local/bin:/usr/bin:/bin`;
const nvm: Tree = {
  [`${home}/.nvm/versions/node/v20.1.0/bin/node`]: "exe",
  [`${home}/.nvm/versions/node/v20.1.0/bin/npm`]: "-> ../lib/node_modules/npm/bin/npm-cli.js",
  [`${home}/.nvm/versions/node/v20.1.0/lib/node_modules/npm/bin/npm-cli.js`]: "#!/usr/bin/env node\n",
};
const nvmPath = `${home}/.nvm/versions/node/v20.1.0/bin:/usr/bin`;
const uvPython = `${home}/.local/share/uv/python`;
const uv: Tree = {
  [`${uvPython}/cpython-3.12.7-linux/bin/python3.12`]: "exe",
  [`${uvPython}/cpython-3.12.7-linux/lib/os.py`]: "",
  [`${uvPython}/cpython-3.12-linux`]: "-> cpython-3.12.7-linux",
  [`${home}/.local/bin/python3.12`]: `-> ${uvPython}/cpython-3.12.7-linux/bin/python3.12`,
  [`${home}/.local/lib/x`]: "",
};
const uvPath = `${home}/.local/bin:/usr/bin:/bin`;
/** A venv as `uv venv` makes it in a working directory. */
const workspaceVenv: Tree = {
  "/ws/.venv/pyvenv.cfg": `home = ${uvPython}/cpython-3.12-linux/bin\n`,
  "/ws/.venv/bin/python": `-> ${uvPython}/cpython-3.12-linux/bin/python3.12`,
};

const found: readonly Found[] = [
  {
    title: "a program in the view needs nothing",
    tree: {},
    argv0: "bash",
    program: "/usr/bin/bash",
    prefixes: [],
  },
  {
    title: "PATH keeps the operator's order and gains the standard directories",
    tree: {},
    argv0: "tool",
    path: "/usr/local/bin:/home/u/nothing:.:",
    program: "/usr/local/bin/tool",
    prefixes: [],
    environmentPath: ["/usr/local/bin", "/usr/bin", "/bin"],
  },
  {
    title: "a program in a grant needs nothing",
    tree: { "/ws/run": "exe" },
    argv0: "./run",
    program: "/ws/run",
    prefixes: [],
  },
  {
    title: "pyenv: the shim stands for the version in the global file",
    tree: pyenv,
    argv0: "python3",
    path: pyenvPath,
    program: `${home}/.pyenv/versions/3.11.7/bin/python3`,
    prefixes: [`${home}/.pyenv/versions/3.11.7`],
    environmentPath: [`${home}/.pyenv/versions/3.11.7/bin`, "/usr/local/bin", "/usr/bin", "/bin"],
  },
  {
    title: "pyenv: PYENV_VERSION wins, and a prefix finds the newest release",
    tree: pyenv,
    argv0: "python3",
    path: pyenvPath,
    environment: { PYENV_VERSION: "3.12" },
    program: `${home}/.pyenv/versions/3.12.10/bin/python3`,
    prefixes: [`${home}/.pyenv/versions/3.12.10`],
  },
  {
    title: "pyenv: the first of several versions that has the program; its shebang adds nothing new",
    tree: pyenv,
    argv0: "black",
    path: pyenvPath,
    environment: { PYENV_VERSION: "3.11.7:3.12" },
    program: `${home}/.pyenv/versions/3.12.10/bin/black`,
    prefixes: [`${home}/.pyenv/versions/3.12.10`],
  },
  {
    title: "pyenv: system means further along PATH",
    tree: { ...pyenv, [`${home}/.pyenv/version`]: "system\n" },
    argv0: "python3",
    path: pyenvPath,
    program: "/usr/bin/python3",
    prefixes: [],
  },
  {
    title: "pyenv: a .python-version in the working directory is not read",
    tree: { ...pyenv, "/ws/.python-version": "3.12.9\n" },
    argv0: "python3",
    path: pyenvPath,
    program: `${home}/.pyenv/versions/3.11.7/bin/python3`,
    prefixes: [`${home}/.pyenv/versions/3.11.7`],
  },
  {
    title: "pyenv: PYENV_ROOT anywhere, by its real name",
    tree: {
      "/data/pyenv/shims/python3": "#!/usr/bin/env bash",
      "/data/pyenv/libexec/pyenv": "exe",
      "/data/pyenv/version": "3.9.1",
      "/data/pyenv/versions/3.9.1/bin/python3": "exe",
      [`${home}/py`]: "-> /data/pyenv",
    },
    argv0: "python3",
    path: `${home}/py/shims:/usr/bin`,
    environment: { PYENV_ROOT: `${home}/py` },
    program: "/data/pyenv/versions/3.9.1/bin/python3",
    prefixes: ["/data/pyenv/versions/3.9.1"],
  },
  {
    title: "pyenv-virtualenv: an environment below a version",
    tree: {
      ...pyenv,
      [`${home}/.pyenv/versions/work`]: `-> ${home}/.pyenv/versions/3.11.7/envs/work`,
      [`${home}/.pyenv/versions/3.11.7/envs/work/bin/python3`]: `-> ${home}/.pyenv/versions/3.11.7/bin/python3`,
      [`${home}/.pyenv/versions/3.11.7/envs/work/pyvenv.cfg`]: `home = ${home}/.pyenv/versions/3.11.7/bin`,
    },
    argv0: "python3",
    path: pyenvPath,
    environment: { PYENV_VERSION: "work" },
    program: `${home}/.pyenv/versions/3.11.7/envs/work/bin/python3`,
    prefixes: [`${home}/.pyenv/versions/3.11.7`],
  },
  {
    title: "nvm: node",
    tree: nvm,
    argv0: "node",
    path: nvmPath,
    program: `${home}/.nvm/versions/node/v20.1.0/bin/node`,
    prefixes: [`${home}/.nvm/versions/node/v20.1.0`],
  },
  {
    title: "nvm: npm is a link to a script of env node",
    tree: nvm,
    argv0: "npm",
    path: nvmPath,
    program: `${home}/.nvm/versions/node/v20.1.0/bin/npm`,
    prefixes: [`${home}/.nvm/versions/node/v20.1.0`],
    environmentPath: [`${home}/.nvm/versions/node/v20.1.0/bin`, "/usr/bin", "/usr/local/bin", "/bin"],
  },
  {
    title: "fnm: a multishell link in /run leads to the version",
    tree: {
      [`${home}/.local/share/fnm/node-versions/v22.0.0/installation/bin/node`]: "exe",
      "/run/user/1000/fnm_multishells/1_2": `-> ${home}/.local/share/fnm/node-versions/v22.0.0/installation`,
    },
    argv0: "node",
    path: "/run/user/1000/fnm_multishells/1_2/bin:/usr/bin",
    program: `${home}/.local/share/fnm/node-versions/v22.0.0/installation/bin/node`,
    prefixes: [`${home}/.local/share/fnm/node-versions/v22.0.0/installation`],
    environmentPath: [
      `${home}/.local/share/fnm/node-versions/v22.0.0/installation/bin`,
      "/usr/bin",
      "/usr/local/bin",
      "/bin",
    ],
  },
  {
    title: "Volta: the default platform, and a package with its node",
    tree: {
      [`${home}/.volta/bin/node`]: "-> volta-shim",
      [`${home}/.volta/bin/tsc`]: "-> volta-shim",
      [`${home}/.volta/bin/volta-shim`]: "exe",
      [`${home}/.volta/tools/user/platform.json`]: `{"node":{"runtime":"20.9.0","npm":null},"yarn":null}`,
      [`${home}/.volta/tools/user/bins/tsc.json`]: `{"name":"tsc","package":"typescript"}`,
      [`${home}/.volta/tools/image/node/20.9.0/bin/node`]: "exe",
      [`${home}/.volta/tools/image/packages/typescript/bin/tsc`]: "#!/usr/bin/env node\n",
    },
    argv0: "tsc",
    path: `${home}/.volta/bin:/usr/bin`,
    program: `${home}/.volta/tools/image/packages/typescript/bin/tsc`,
    prefixes: [`${home}/.volta/tools/image/node/20.9.0`, `${home}/.volta/tools/image/packages/typescript`],
  },
  {
    title: "asdf: the shim says the plugin, the home's .tool-versions the version",
    tree: {
      [`${home}/.asdf/shims/node`]:
        '#!/usr/bin/env bash\n# asdf-plugin: nodejs 20.1.0\nexec asdf exec "node" "$@"',
      [`${home}/.tool-versions`]: "nodejs 18.2.0 system\n",
      "/ws/.tool-versions": "nodejs 20.1.0\n",
      [`${home}/.asdf/installs/nodejs/18.2.0/bin/node`]: "exe",
      [`${home}/.asdf/installs/nodejs/20.1.0/bin/node`]: "exe",
    },
    argv0: "node",
    path: `${home}/.asdf/shims:/usr/bin`,
    program: `${home}/.asdf/installs/nodejs/18.2.0/bin/node`,
    prefixes: [`${home}/.asdf/installs/nodejs/18.2.0`],
  },
  {
    title: "mise: shims, version from the global configuration, through its alias link",
    tree: {
      [`${home}/.local/bin/mise`]: "exe",
      [`${home}/.local/share/mise/shims/python3`]: `-> ${home}/.local/bin/mise`,
      [`${home}/.config/mise/config.toml`]: '[settings]\nnode = "9"\n[tools]\npython = ["3.12", "3.11"]\n',
      [`${home}/.local/share/mise/installs/python/3.12`]: "-> ./3.12.4",
      [`${home}/.local/share/mise/installs/python/3.12.4/bin/python3`]: "exe",
    },
    argv0: "python3",
    path: `${home}/.local/share/mise/shims:/usr/bin`,
    program: `${home}/.local/share/mise/installs/python/3.12.4/bin/python3`,
    prefixes: [
      `${home}/.local/share/mise/installs/python/3.12.4 as ${home}/.local/share/mise/installs/python/3.12`,
      `${home}/.local/share/mise/installs/python/3.12.4`,
    ],
  },
  {
    title: "uv: the link in ~/.local/bin leads to the installation",
    tree: uv,
    argv0: "python3.12",
    path: uvPath,
    program: `${uvPython}/cpython-3.12.7-linux/bin/python3.12`,
    prefixes: [`${uvPython}/cpython-3.12.7-linux`],
    environmentPath: [`${uvPython}/cpython-3.12.7-linux/bin`, "/usr/bin", "/bin", "/usr/local/bin"],
  },
  {
    title: "uv tool: its environment, and the Python under the name that pyvenv.cfg uses",
    tree: {
      ...uv,
      [`${home}/.local/bin/ruff`]: `-> ${home}/.local/share/uv/tools/ruff/bin/ruff`,
      [`${home}/.local/share/uv/tools/ruff/bin/ruff`]: `#!${home}/.local/share/uv/tools/ruff/bin/python\n`,
      [`${home}/.local/share/uv/tools/ruff/bin/python`]: `-> ${uvPython}/cpython-3.12-linux/bin/python3.12`,
      [`${home}/.local/share/uv/tools/ruff/pyvenv.cfg`]: `home = ${uvPython}/cpython-3.12-linux/bin\n`,
    },
    argv0: "ruff",
    path: uvPath,
    program: `${home}/.local/share/uv/tools/ruff/bin/ruff`,
    prefixes: [
      `${uvPython}/cpython-3.12.7-linux as ${uvPython}/cpython-3.12-linux`,
      `${uvPython}/cpython-3.12.7-linux`,
      `${home}/.local/share/uv/tools/ruff`,
    ],
  },
  {
    title: "conda: base and environments are known by conda-meta",
    tree: {
      [`${home}/miniconda3/conda-meta/history`]: "",
      [`${home}/miniconda3/envs/ml/conda-meta/history`]: "",
      [`${home}/miniconda3/envs/ml/bin/python`]: "exe",
      [`${home}/miniconda3/envs/ml/lib/x`]: "",
    },
    argv0: "python",
    path: `${home}/miniconda3/envs/ml/bin:${home}/miniconda3/bin:/usr/bin`,
    program: `${home}/miniconda3/envs/ml/bin/python`,
    prefixes: [`${home}/miniconda3/envs/ml`],
  },
  {
    title: "Homebrew: everything but its data",
    tree: {
      "/home/linuxbrew/.linuxbrew/bin/python3": "-> ../Cellar/python@3.12/3.12.1/bin/python3",
      "/home/linuxbrew/.linuxbrew/Cellar/python@3.12/3.12.1/bin/python3": "exe",
      "/home/linuxbrew/.linuxbrew/var/postgres/secret": "",
      "/home/linuxbrew/.linuxbrew/etc/openssl@3/cert.pem": "",
    },
    argv0: "python3",
    path: "/home/linuxbrew/.linuxbrew/bin:/usr/bin",
    program: "/home/linuxbrew/.linuxbrew/bin/python3",
    prefixes: [
      "/home/linuxbrew/.linuxbrew/Cellar",
      "/home/linuxbrew/.linuxbrew/bin",
      "/home/linuxbrew/.linuxbrew/etc/openssl@3",
    ],
  },
  {
    title: "Nix: a profile's links end in the store",
    tree: {
      [`${home}/.nix-profile`]: "-> /nix/var/nix/profiles/p",
      "/nix/var/nix/profiles/p": "-> /nix/store/aaa-env",
      "/nix/store/aaa-env/bin": "-> /nix/store/bbb-node/bin",
      "/nix/store/bbb-node/bin/node": "exe",
    },
    argv0: "node",
    path: `${home}/.nix-profile/bin:/usr/bin`,
    program: "/nix/store/bbb-node/bin/node",
    prefixes: ["/nix/store"],
  },
  {
    title: "cargo: one binary is one file",
    tree: { [`${home}/.cargo/bin/rg`]: "exe", [`${home}/.cargo/credentials.toml`]: "" },
    argv0: "rg",
    path: `${home}/.cargo/bin:/usr/bin`,
    program: `${home}/.cargo/bin/rg`,
    prefixes: [`${home}/.cargo/bin/rg`],
    environmentPath: [`${home}/.cargo/bin`, "/usr/bin", "/usr/local/bin", "/bin"],
  },
  {
    title: "rustup: cargo is the default toolchain's",
    tree: {
      [`${home}/.cargo/bin/rustup`]: "exe",
      [`${home}/.cargo/bin/cargo`]: "-> rustup",
      [`${home}/.rustup/settings.toml`]: 'default_toolchain = "stable-x86_64-unknown-linux-gnu"\n',
      [`${home}/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/cargo`]: "exe",
    },
    argv0: "cargo",
    path: `${home}/.cargo/bin:/usr/bin`,
    program: `${home}/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/cargo`,
    prefixes: [`${home}/.rustup/toolchains/stable-x86_64-unknown-linux-gnu`],
  },
  {
    title: "~/.local/bin: a script is one file, with its interpreter",
    tree: {
      ...nvm,
      [`${home}/.local/bin/foo`]: "#!/usr/bin/env -S FOO=1 node --flag\n",
      [`${home}/.local/lib/x`]: "",
    },
    argv0: "foo",
    path: `${home}/.local/bin:${nvmPath}`,
    program: `${home}/.local/bin/foo`,
    prefixes: [`${home}/.local/bin/foo`, `${home}/.nvm/versions/node/v20.1.0`],
    environmentPath: [
      `${home}/.local/bin`,
      `${home}/.nvm/versions/node/v20.1.0/bin`,
      "/usr/bin",
      "/usr/local/bin",
      "/bin",
    ],
  },
  {
    title: "/opt/vendor/product/bin: the product",
    tree: { "/opt/vendor/product/bin/x": "exe", "/opt/vendor/product/lib/y": "" },
    argv0: "/opt/vendor/product/bin/x",
    program: "/opt/vendor/product/bin/x",
    prefixes: ["/opt/vendor/product"],
  },
  {
    title: "SDKMAN: current is a link to the candidate",
    tree: {
      [`${home}/.sdkman/candidates/java/current`]: "-> 21.0.1-tem",
      [`${home}/.sdkman/candidates/java/21.0.1-tem/bin/java`]: "exe",
    },
    argv0: "java",
    path: `${home}/.sdkman/candidates/java/current/bin:/usr/bin`,
    program: `${home}/.sdkman/candidates/java/21.0.1-tem/bin/java`,
    prefixes: [
      `${home}/.sdkman/candidates/java/21.0.1-tem`,
      `${home}/.sdkman/candidates/java/21.0.1-tem as ${home}/.sdkman/candidates/java/current`,
    ],
  },
  {
    title: "deno and bun: one file",
    tree: {
      [`${home}/.bun/bin/bunx`]: "-> bun",
      [`${home}/.bun/bin/bun`]: "exe",
      [`${home}/.bun/lib/x`]: "",
    },
    argv0: "bunx",
    path: `${home}/.bun/bin:/usr/bin`,
    program: `${home}/.bun/bin/bun`,
    prefixes: [`${home}/.bun/bin/bun`],
  },
  {
    title: "venv outside every grant: itself and its base",
    tree: {
      ...pyenv,
      [`${home}/venvs/a/pyvenv.cfg`]: `home = ${home}/.pyenv/versions/3.11.7/bin\n`,
      [`${home}/venvs/a/bin/python`]: "-> python3",
      [`${home}/venvs/a/bin/python3`]: `-> ${home}/.pyenv/versions/3.11.7/bin/python3`,
    },
    argv0: `${home}/venvs/a/bin/python`,
    program: `${home}/venvs/a/bin/python`,
    prefixes: [`${home}/.pyenv/versions/3.11.7`, `${home}/venvs/a`],
  },
  {
    title: "venv in a grant over the system's Python",
    tree: { "/ws/.venv/bin/python": "-> /usr/bin/python3", "/ws/.venv/pyvenv.cfg": "home = /usr/bin" },
    argv0: ".venv/bin/python",
    program: "/ws/.venv/bin/python",
    prefixes: [],
  },
  {
    title:
      "venv in a grant: its base is added when the operator's PATH leads to the same one, alias included",
    tree: { ...uv, ...workspaceVenv },
    argv0: ".venv/bin/python",
    path: uvPath,
    program: "/ws/.venv/bin/python",
    prefixes: [
      `${uvPython}/cpython-3.12.7-linux as ${uvPython}/cpython-3.12-linux`,
      `${uvPython}/cpython-3.12.7-linux`,
    ],
  },
  {
    title: "an activated venv in a grant stays in PATH; the base comes from the rest of PATH",
    tree: {
      ...pyenv,
      "/ws/.venv/bin/python3": `-> ${home}/.pyenv/versions/3.11.7/bin/python3`,
      "/ws/.venv/pyvenv.cfg": "home = /nowhere",
    },
    argv0: "python3",
    path: `/ws/.venv/bin:${pyenvPath}`,
    program: "/ws/.venv/bin/python3",
    prefixes: [`${home}/.pyenv/versions/3.11.7`],
    environmentPath: ["/ws/.venv/bin", "/usr/local/bin", "/usr/bin", "/bin"],
  },
  {
    title: "script in a grant with env: the operator's PATH decides",
    tree: { ...nvm, "/ws/skill": "#!/usr/bin/env node\n" },
    argv0: "./skill",
    path: nvmPath,
    program: "/ws/skill",
    prefixes: [`${home}/.nvm/versions/node/v20.1.0`],
  },
  {
    title: "script in the view, interpreter in the view, through a link in /bin",
    tree: { "/usr/bin/script": "#! /bin/sh -e\n" },
    argv0: "script",
    program: "/usr/bin/script",
    prefixes: [],
  },
  {
    title: "/etc/alternatives is skipped over when it is not in view",
    tree: {
      "/usr/bin/java": "-> /etc/alternatives/java",
      "/etc/alternatives/java": "-> /usr/lib/jvm/j/bin/java",
      "/usr/lib/jvm/j/bin/java": "exe",
    },
    argv0: "java",
    program: "/usr/lib/jvm/j/bin/java",
    prefixes: [],
  },
];

for (const expected of found) {
  test(expected.title, (t) => {
    const result = find(expected);
    if ("problem" in result) {
      t.fail(result.message);
      return;
    }
    t.is(result.program, expected.program);
    t.deepEqual(
      result.prefixes.map(({ source, target }) => (source === target ? source : `${source} as ${target}`)),
      expected.prefixes,
    );
    if (expected.environmentPath !== undefined) t.deepEqual(result.environmentPath, expected.environmentPath);
  });
}

const unrecognised = "prefix-not-recognised";
const refused: readonly Refused[] = [
  {
    title: "no such name",
    tree: {},
    argv0: "nothing",
    problem: "not-found",
    message: /nothing: not found in PATH/,
  },
  { title: "empty command", tree: {}, argv0: "", problem: "not-found", message: /empty/ },
  { title: "no such path", tree: {}, argv0: "./nothing", problem: "not-found", message: /no such file/ },
  {
    title: "a file as a directory",
    tree: {},
    argv0: "/usr/bin/python3/x",
    problem: "not-found",
    message: /no such file/,
  },
  {
    title: "a directory",
    tree: {},
    argv0: "/usr/bin",
    problem: "not-executable",
    message: /not an executable/,
  },
  {
    title: "no x bit",
    tree: { "/usr/bin/data": "" },
    argv0: "data",
    problem: "not-executable",
    message: /data/,
  },
  {
    title: "a loop of links",
    tree: { "/ws/a": "-> b", "/ws/b": "-> a" },
    argv0: "./a",
    problem: "not-found",
    message: /no such/,
  },
  {
    title: "a relative PATH entry is not searched",
    tree: { "/ws/evil": "exe" },
    argv0: "evil",
    path: ".::bin:/usr/bin",
    problem: "not-found",
    message: /not found/,
  },
  {
    title: "snap",
    tree: { "/snap/bin/x": "-> /usr/bin/snap", "/usr/bin/snap": "exe" },
    argv0: "x",
    path: "/snap/bin",
    problem: unrecognised,
    message: /is a snap/,
  },
  {
    title: "an installation of unknown layout",
    tree: { "/data/py/bin/python": "exe", "/data/py/lib/os.py": "" },
    argv0: "/data/py/bin/python",
    problem: unrecognised,
    message: /\/data\/py whose layout/,
  },
  {
    title: "a venv in a grant must not choose what is mounted",
    tree: { ...uv, ...workspaceVenv },
    argv0: ".venv/bin/python",
    path: "/usr/bin:/bin",
    problem: unrecognised,
    message: /chosen by a file inside a grant/,
  },
  {
    title: "a link in a grant to a key",
    tree: { "/ws/python3": `-> ${home}/.ssh/id`, [`${home}/.ssh/id`]: "exe" },
    argv0: "./python3",
    problem: unrecognised,
    message: /chosen by a file inside a grant/,
  },
  {
    title: "a link in a grant to another version than the operator's",
    tree: { ...pyenv, "/ws/python3": `-> ${home}/.pyenv/versions/3.12.9/bin/python3` },
    argv0: "./python3",
    path: pyenvPath,
    problem: unrecognised,
    message: /chosen by a file inside a grant/,
  },
  {
    title: "a PATH directory that a grant turned into a link",
    tree: { "/ws/bin": `-> ${home}/private/bin`, [`${home}/private/bin/run`]: "exe" },
    argv0: "run",
    path: "/ws/bin:/usr/bin",
    problem: unrecognised,
    message: /chosen by a file inside a grant/,
  },
  {
    title: "a script in a grant with an absolute interpreter outside the view",
    tree: { "/ws/skill": `#!${home}/secret/run\n`, [`${home}/secret/run`]: "exe" },
    argv0: "./skill",
    problem: unrecognised,
    message: /chosen by a file inside a grant/,
  },
  {
    title: "a script in a grant behind a script of the operator's",
    tree: {
      [`${home}/.local/bin/outer`]: "#!/ws/inner\n",
      "/ws/inner": `#!${home}/secret/run\n`,
      [`${home}/secret/run`]: "exe",
    },
    argv0: "outer",
    path: `${home}/.local/bin`,
    problem: unrecognised,
    message: /chosen by a file inside a grant/,
  },
  {
    title: "scripts that interpret one another for ever",
    tree: { "/ws/a": "#!/ws/b\n", "/ws/b": "#!/ws/a\n" },
    argv0: "./a",
    problem: "not-executable",
    message: /not an executable/,
  },
  {
    title: "a missing interpreter",
    tree: { "/ws/a": "#!/usr/bin/missing\n" },
    argv0: "./a",
    problem: "not-found",
    message: /its interpreter \/usr\/bin\/missing/,
  },
  {
    title: "an environment that is the home directory",
    tree: { [`${home}/pyvenv.cfg`]: "home = /usr/bin", [`${home}/tools/x`]: "exe" },
    argv0: `${home}/tools/x`,
    problem: unrecognised,
    message: /it is a home directory/,
  },
  {
    title: "a variable that names the directory above the home",
    tree: { "/home/u/node-versions/v1/x": "exe" },
    argv0: "/home/u/node-versions/v1/x",
    environment: { PNPM_HOME: "/home" },
    problem: unrecognised,
    message: /top-level/,
  },
  {
    title: "a variable that names a directory of keys",
    tree: { [`${home}/.ssh/x`]: "exe" },
    argv0: `${home}/.ssh/x`,
    environment: { PNPM_HOME: `${home}/.ssh` },
    problem: unrecognised,
    message: /overlaps ~\/\.ssh/,
  },
  {
    title: "a single file among the system's state",
    tree: { "/run/secrets/tool": "exe" },
    argv0: "/run/secrets/tool",
    problem: unrecognised,
    message: /lies in \/run/,
  },
  {
    title: "asdf without a version for all directories",
    tree: {
      [`${home}/.asdf/shims/node`]:
        '#!/usr/bin/env bash\n# asdf-plugin: nodejs 20.1.0\nexec asdf exec "node" "$@"',
      [`${home}/.asdf/installs/nodejs/20.1.0/bin/node`]: "exe",
      "/ws/.tool-versions": "nodejs 20.1.0\n",
    },
    argv0: "node",
    path: `${home}/.asdf/shims:/usr/bin`,
    problem: unrecognised,
    message: /shim of asdf/,
  },
  {
    title: "a version with a path in it",
    tree: { ...pyenv, [`${home}/evil/bin/python3`]: "exe" },
    argv0: "python3",
    path: `${home}/.pyenv/shims`,
    environment: { PYENV_VERSION: "../../evil" },
    problem: "not-found",
    message: /selected version has no python3/,
  },
];

for (const expected of refused) {
  test(`refused: ${expected.title}`, (t) => {
    const result = find(expected);
    if (!("problem" in result)) {
      t.fail(`${result.program} with ${JSON.stringify(result.prefixes)}`);
      return;
    }
    t.is(result.problem, expected.problem);
    t.regex(result.message, expected.message);
    t.not(result.hint, "");
  });
}

test("a version file inside a grant decides nothing", (t) => {
  const result = find({
    title: "",
    tree: { ...pyenv, [`${home}/.pyenv/version`]: "-> /ws/version", "/ws/version": "3.12.9\n" },
    argv0: "python3",
    path: pyenvPath,
  });
  t.is("problem" in result ? result.message : result.program, "/usr/bin/python3");
});

test("no layout ever yields a home directory, the root, or keys", (t) => {
  const forbidden = ["/", "/home", home, `${home}/.ssh`];
  for (const variable of [
    "PYENV_ROOT",
    "NVM_DIR",
    "NPM_CONFIG_PREFIX",
    "PNPM_HOME",
    "UV_TOOL_DIR",
    "HOMEBREW_PREFIX",
  ]) {
    for (const value of forbidden) {
      const result = find({
        title: "",
        tree: { [`${home}/.ssh/bin/x`]: "exe", [`${home}/a/b/c/x`]: "exe" },
        argv0: value === `${home}/.ssh` ? `${home}/.ssh/bin/x` : `${home}/a/b/c/x`,
        environment: { [variable]: value },
      });
      if ("problem" in result) t.is(result.problem, unrecognised);
      else
        for (const { source } of result.prefixes)
          t.false(forbidden.includes(source), `${variable}=${value}: ${source}`);
    }
  }
});

requires(test, "program:pyenv")("pyenv's python3 is the one that pyenv itself picks", (t) => {
  const asked = spawnSync("python3", ["-c", "import sys; print(sys.prefix)"], {
    cwd: "/",
    encoding: "utf8",
  });
  const result = findInterpreter({
    argv0: "python3",
    path: process.env["PATH"] ?? "",
    cwd: "/",
    home: process.env["HOME"] ?? "/root",
    environment: process.env,
    view: ["/usr", "/bin", "/sbin", "/lib", "/lib64"],
    grants: [],
    files: hostFiles(),
  });
  if ("problem" in result) t.fail(result.message);
  else {
    t.deepEqual(
      result.prefixes.map(({ source }) => source),
      [asked.stdout.trim()],
    );
    t.is(result.program, `${asked.stdout.trim()}/bin/python3`);
  }
});
