import { readFileSync } from "node:fs";

/** A random UUID, the kernel's (random(4)): to load node:crypto for one costs a start 3 ms. */
export function newRunId(): string {
  return readFileSync("/proc/sys/kernel/random/uuid", "latin1").trim();
}
