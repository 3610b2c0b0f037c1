import type { Refusal } from "./narrow.js";
import type { EnvironmentPolicy } from "./policy.js";

/**
 * Variables that make the operator's trusted programs (the loader, an interpreter, git, a pager) load or run what the
 * variable names, or find another program under a name. A skill has no business with them unless the operator sets them.
 * A name ending in `*` stands for every name that starts so.
 */
const steering: readonly string[] = [
  // ld.so(8), libc
  ..."LD_* GLIBC_TUNABLES GCONV_PATH LOCPATH NLSPATH HOSTALIASES LOCALDOMAIN RES_OPTIONS".split(" "),
  // what is found, and where configuration is looked for
  ..."PATH CDPATH HOME XDG_*".split(" "),
  // shells
  ..."BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS ENV IFS PS4 PROMPT_COMMAND ZDOTDIR FPATH SHELL".split(" "),
  // interpreters and virtual machines
  ..."PYTHON* PERL5* PERLLIB PERLIO* RUBYOPT RUBYLIB RUBYSHELL GEM_* BUNDLE_* LUA_* PHPRC PHP_INI_SCAN_DIR".split(
    " ",
  ),
  ..."NODE_OPTIONS NODE_PATH NODE_REPL_* NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED NODE_V8_COVERAGE".split(
    " ",
  ),
  ..."JAVA_TOOL_OPTIONS JAVA_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH JAVA_HOME MAVEN_OPTS GRADLE_OPTS".split(
    " ",
  ),
  ..."DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE CORECLR_* COR_* ERL_* TCLLIBPATH".split(
    " ",
  ),
  ..."R_PROFILE* R_ENVIRON* R_LIBS* R_HOME JULIA_* GOFLAGS GOENV RUSTC* RUSTDOC* CARGO_*".split(" "),
  // package managers
  ..."npm_config_* PIP_* UV_INDEX* UV_PYTHON* UV_CONFIG_FILE UV_DEFAULT_INDEX".split(" "),
  // git(1), and the programs that it and others start
  ..."GIT_SSH* GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_ASKPASS GIT_PROXY_COMMAND".split(
    " ",
  ),
  ..."GIT_EXEC_PATH GIT_TEMPLATE_DIR GIT_CONFIG* GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE".split(" "),
  ..."PAGER MANPAGER EDITOR VISUAL BROWSER LESS LESSOPEN LESSCLOSE SSH_ASKPASS SUDO_ASKPASS".split(" "),
  // build tools
  ..."MAKEFLAGS GNUMAKEFLAGS MAKEFILES CC CXX LD GCC_EXEC_PREFIX COMPILER_PATH".split(" "),
  // libraries that load modules
  ..."OPENSSL_* GTK_* GIO_* QT_* GST_* KRB5_CONFIG TERMINFO TERMINFO_DIRS TERMCAP".split(" "),
];

/**
 * `pass`: the names of both. `set`: the request's, but for the names above and those that the ceiling sets itself; what the
 * ceiling sets is always set, to its own value.
 */
export function narrowEnvironment(
  ceiling: EnvironmentPolicy,
  request: EnvironmentPolicy,
  refused: Refusal[],
): EnvironmentPolicy {
  const nobodysLine = { askedAt: undefined, decidedBy: undefined };
  const pass = request.pass.filter((name) => {
    const passed = ceiling.pass.includes(name);
    if (!passed)
      refused.push({
        subject: "environment.pass",
        asked: name,
        given: undefined,
        reason: "the ceiling does not pass this variable",
        ...nobodysLine,
      });
    return passed;
  });
  const set = new Map<string, string>();
  for (const [name, value] of Object.entries(request.set)) {
    const own = Object.hasOwn(ceiling.set, name) ? ceiling.set[name] : undefined;
    if (own === undefined && !isSteering(name)) set.set(name, value);
    else if (own !== value)
      refused.push({
        subject: "environment.set",
        asked: `${name}=${value}`,
        given: own === undefined ? undefined : `${name}=${own}`,
        reason:
          own === undefined
            ? "this variable can make programs run other code"
            : "the ceiling sets this variable itself",
        ...nobodysLine,
      });
  }
  for (const [name, value] of Object.entries(ceiling.set)) set.set(name, value);
  return { pass, set: Object.fromEntries(set) };
}

/** Case is ignored: npm and some others read their variables in any case. */
export function isSteering(name: string): boolean {
  const upper = name.toUpperCase();
  return steering.some((entry) => {
    const pattern = entry.toUpperCase();
    return pattern.endsWith("*") ? upper.startsWith(pattern.slice(0, -1)) : upper === pattern;
  });
}
