import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { SkillboxError } from "../errors.js";
import type { Binding, OverlayCommit } from "../native/binding.js";
import type { LaunchPlan } from "../plan/launch-plan.js";
import type { CommitResult, OverlayChange } from "../result/run-result.js";
import type { Sandbox } from "./sandbox.js";

interface OverlayMount {
  /** In the plan's operations. */
  readonly index: number;
  readonly target: string;
  /** The directory of the host, held open from before the launch: a path may come to name another. */
  readonly lower: number;
}

/** The overlays of one run: what the program changed in them, and how it gets to the host if it is to. */
export class Overlays {
  readonly #binding: Binding;
  readonly #mounts: OverlayMount[] = [];

  private constructor(binding: Binding) {
    this.#binding = binding;
  }

  static open(binding: Binding, plan: LaunchPlan): Overlays {
    const overlays = new Overlays(binding);
    try {
      overlays.#open(plan);
    } catch (error) {
      overlays.close();
      throw error;
    }
    return overlays;
  }

  #open(plan: LaunchPlan): void {
    for (const [index, operation] of plan.operations.entries()) {
      if (operation.type !== "overlay-write") continue;
      const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
      const lower = openSync(operation.source.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      this.#mounts.push({ index, target: operation.target, lower });
    }
  }

  /** What the program changed, sorted by path. To be called when everything inside is dead. */
  async changes(sandbox: Sandbox): Promise<readonly OverlayChange[]> {
    const all: OverlayChange[] = [];
    for (const mount of this.#mounts) {
      const { entries, truncated, tooDeep } = await this.#binding.overlayChanges(
        upperOf(sandbox, mount),
        mount.lower,
      );
      for (const { path, kind, type, size } of entries) {
        const whole = `${mount.target}/${decodePath(path)}`;
        all.push(type === "file" ? { path: whole, kind, type, size } : { path: whole, kind, type });
      }
      if (truncated || tooDeep > 0)
        all.push({ path: mount.target, kind: "modified", type: "directory", incomplete: true });
    }
    return all;
  }

  /** Applies the changes to the host's directories. Throws ERR_LAUNCH, stage "commit", where it had to stop. */
  async commit(sandbox: Sandbox): Promise<CommitResult> {
    const refused: { path: string; reason: string }[] = [];
    const result = { written: 0, directories: 0, deleted: 0, modes: 0, bytes: 0, refused };
    for (const mount of this.#mounts) {
      const done = await this.#commitOne(sandbox, mount);
      result.written += done.written;
      result.directories += done.directories;
      result.deleted += done.deleted;
      result.modes += done.modes;
      result.bytes += done.bytes;
      refused.push(
        ...done.refused.map(({ path, reason }) => ({ path: `${mount.target}/${decodePath(path)}`, reason })),
      );
    }
    return result;
  }

  close(): void {
    for (const { lower } of this.#mounts.splice(0)) closeSync(lower);
  }

  async #commitOne(sandbox: Sandbox, mount: OverlayMount): Promise<OverlayCommit> {
    // A root caller's program wrote as its run's uid; on the host the files belong to whoever owns the directory.
    const { uid, gid } = process.geteuid?.() === 0 ? fstatSync(mount.lower) : { uid: -1, gid: -1 };
    try {
      return await this.#binding.overlayCommit(upperOf(sandbox, mount), mount.lower, uid, gid);
    } catch (cause) {
      throw new SkillboxError(
        "ERR_LAUNCH",
        `the changes below ${mount.target} were applied only in part: ${String(cause)}`,
        {
          stage: "commit",
          hint: "what was applied stays; mend the cause and run again",
          cause,
        },
      );
    }
  }
}

function upperOf(sandbox: Sandbox, { index, target }: OverlayMount): number {
  const fd = sandbox.uppers.get(index);
  if (fd === undefined)
    throw new SkillboxError("ERR_INTERNAL", `the upper directory of ${target} did not arrive`);
  return fd;
}

/** Bytes that are no UTF-8 become lone surrogates, as in the audit record (Python's surrogateescape). */
function decodePath(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd") || Buffer.from(text).equals(bytes)) return text;
  return [...bytes].map((byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("");
}
