import { defaultPass } from "./default.js";
import type { PolicyInput } from "./schema.js";

export const presetNames = ["none", "default", "python", "node", "build"] as const;
export type PresetName = (typeof presetNames)[number];

export function isPresetName(text: string): text is PresetName {
  return presetNames.some((name) => name === text);
}

/**
 * The built-in policies that `extends:` can name. They set how a kind of program is made to behave in a sandbox (where it
 * keeps caches, what it asks at start) and how many processes and files it takes; none opens a path or the network.
 */
export const presets: Readonly<Record<PresetName, PolicyInput>> = {
  /** For a program that computes and prints: as little of everything as most interpreters start with. */
  none: {
    version: 1,
    filesystem: { tmp: "16MiB" },
    resources: { pids: 64, openFiles: 256 },
  },

  /** What holds with no policy at all, but for the working directory. */
  default: {
    version: 1,
    environment: { pass: [...defaultPass] },
  },

  python: {
    version: 1,
    environment: {
      pass: [...defaultPass],
      set: {
        // Grants are read-only as a rule: compiled files could only fail to be written.
        PYTHONDONTWRITEBYTECODE: "1",
        // The last lines before a kill by a limit must not be lost in a buffer.
        PYTHONUNBUFFERED: "1",
        PYTHONUTF8: "1",
        // User site-packages lie in a HOME that is not there.
        PYTHONNOUSERSITE: "1",
        PIP_DISABLE_PIP_VERSION_CHECK: "1",
        PIP_NO_INPUT: "1",
      },
    },
  },

  node: {
    version: 1,
    // V8 and libuv start a dozen threads a process, and RLIMIT_NPROC counts threads.
    resources: { pids: 512, openFiles: 4096 },
    environment: {
      pass: [...defaultPass],
      set: {
        npm_config_audit: "false",
        npm_config_fund: "false",
        npm_config_update_notifier: "false",
        npm_config_cache: "/tmp/.npm",
        COREPACK_ENABLE_DOWNLOAD_PROMPT: "0",
        NEXT_TELEMETRY_DISABLED: "1",
      },
    },
  },

  /** Compilers and their drivers: many short processes, big temporary files. */
  build: {
    version: 1,
    filesystem: { tmp: "2GiB" },
    resources: { pids: 2048, openFiles: 16384 },
    environment: {
      pass: [...defaultPass, "SOURCE_DATE_EPOCH", "MAKEFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS"],
      set: {
        npm_config_update_notifier: "false",
        npm_config_cache: "/tmp/.npm",
        PIP_DISABLE_PIP_VERSION_CHECK: "1",
        CCACHE_DISABLE: "1",
        GIT_TERMINAL_PROMPT: "0",
      },
    },
  },
};
