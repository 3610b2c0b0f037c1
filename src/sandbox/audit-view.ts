import { Encoder } from "../encoder.js";
import type { LaunchPlan, RootOperation } from "../plan/launch-plan.js";

/**
 * What the program sees and may write, for telling in the record what the kernel will answer after us
 * (native/audit/view.h).
 */
export function encodeAuditView(plan: LaunchPlan): Uint8Array {
  const links = plan.operations.filter((operation) => operation.type === "symlink");
  const out = new Encoder();
  out.list(
    [{ target: "/", flags: flag.itselfOnly }, ...plan.operations.flatMap(placeOf)],
    ({ target, flags }) => {
      out.string(target);
      out.u8(flags);
    },
  );
  out.list(links, ({ target, linkTarget }) => {
    out.string(target);
    out.string(linkTarget);
  });
  return out.bytes();
}

const flag = { writable: 1, hidden: 2, itselfOnly: 4 } as const;

function placeOf(operation: RootOperation): readonly { readonly target: string; readonly flags: number }[] {
  const { target } = operation;
  switch (operation.type) {
    case "symlink":
      return [];
    case "directory":
    case "file":
      return [{ target, flags: flag.itselfOnly }];
    case "mask":
      return [{ target, flags: flag.hidden }];
    case "read-only":
      return [{ target, flags: 0 }];
    case "bind":
    case "tmpfs":
    case "proc":
    case "devpts":
    case "overlay-read":
    case "overlay-write":
      return [{ target, flags: operation.attributes.includes("ro") ? 0 : flag.writable }];
  }
}
