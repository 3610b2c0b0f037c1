/**
 * What a filter returns: the SECCOMP_RET_* values of linux/seccomp.h, as unsigned 32-bit numbers. The low 16 bits are data:
 * an errno for RET_ERRNO, a message for RET_TRACE.
 */
export const action = {
  killProcess: 0x8000_0000,
  killThread: 0x0000_0000,
  trap: 0x0003_0000,
  /** The call returns -errno and does nothing; with 0 it returns 0 and does nothing. */
  errno: (errno: number): number => 0x0005_0000 + errno,
  notify: 0x7fc0_0000,
  trace: (message: number): number => 0x7ff0_0000 + message,
  log: 0x7ffc_0000,
  allow: 0x7fff_0000,
} as const;

/** The kernel caps the data of RET_ERRNO at MAX_ERRNO (include/linux/err.h). */
export const maxErrno = 4095;

const kinds = [
  [action.killProcess, "KILL_PROCESS"],
  [action.killThread, "KILL_THREAD"],
  [action.trap, "TRAP"],
  [action.errno(0), "ERRNO"],
  [action.notify, "USER_NOTIF"],
  [action.trace(0), "TRACE"],
  [action.log, "LOG"],
  [action.allow, "ALLOW"],
] as const;

/** The action without its data, unsigned (SECCOMP_RET_ACTION_FULL). */
export function actionKind(value: number): number {
  return (value & 0xffff_0000) >>> 0;
}

export function actionData(value: number): number {
  return value & 0xffff;
}

/** The name as in SECCOMP_RET_*, without the prefix; undefined for a value the kernel would take for a kill. */
export function actionKindName(value: number): string | undefined {
  return kinds.find(([kind]) => kind === actionKind(value))?.[1];
}

/**
 * Rank by the kernel's own order (the signed comparison in seccomp_run_filters): of several filters the lowest value
 * wins, so that a lower number here is a stricter action.
 */
export function strictness(value: number): number {
  return actionKind(value) | 0;
}

export function isErrno(value: number): boolean {
  return actionKind(value) === action.errno(0);
}
