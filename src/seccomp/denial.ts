import { action } from "./actions.js";
import type { ArgCondition, SeccompRule } from "./profile.js";

/** asm-generic/errno.h, the same on x86-64 and arm64. */
export const errno = {
  EPERM: 1,
  ENOSYS: 38,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
} as const;

/** A rule of the base denials: space-separated names, an errno (0: the call returns 0 and does nothing), what it stops. */
export function refuse(
  names: string,
  value: number,
  comment: string,
  ...args: readonly ArgCondition[]
): SeccompRule {
  return { names: names.split(" "), action: action.errno(value), args, comment };
}
