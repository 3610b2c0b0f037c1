import { join } from "node:path";
import type { CgroupHierarchy } from "./cgroup-hierarchies.js";
import { exists } from "./pseudo-files.js";

/** The systemd that runs for one user: the only way out of a login session's cgroup, which is not delegated. */
export interface UserManager {
  /** The cgroup of user@UID.service, whose cgroup.controllers bounds what its scopes can limit. */
  readonly directory: string;
  /** Environment with which busctl finds it, also where a cron job or `su` has lost it. */
  readonly environment: NodeJS.ProcessEnv;
}

/** undefined where none runs for this user or its bus cannot be reached. */
export function findUserManager(hierarchy: CgroupHierarchy): UserManager | undefined {
  const uid = process.geteuid?.() ?? 0;
  const directory = join(hierarchy.mountPoint, `user.slice/user-${uid}.slice/user@${uid}.service`);
  if (!exists(directory)) return undefined;
  const runtimeDirectory = process.env["XDG_RUNTIME_DIR"] ?? `/run/user/${uid}`;
  const address = process.env["DBUS_SESSION_BUS_ADDRESS"] ?? `unix:path=${runtimeDirectory}/bus`;
  const socket = /^unix:path=([^,;]+)/.exec(address)?.[1];
  if (socket !== undefined && !exists(socket)) return undefined;
  return {
    directory,
    environment: { ...process.env, XDG_RUNTIME_DIR: runtimeDirectory, DBUS_SESSION_BUS_ADDRESS: address },
  };
}
