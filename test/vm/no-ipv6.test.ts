import { existsSync } from "node:fs";
import test from "ava";
import { callers, isOurMachine, meets, run } from "./host.js";

/** A machine started with ipv6.disable=1: there are no sockets of AF_INET6 in any namespace. */
if (isOurMachine) {
  for (const caller of callers) {
    test.serial(`all but ::1 works for ${caller} on a kernel without IPv6`, async (t) => {
      t.false(existsSync("/proc/net/if_inet6"));
      const memoryLimit = caller === "root" ? "works" : /is not delegated to uid 1000/;
      await meets(t, caller, { run: "works", memoryLimit, network: "works" });
      const { stdout } = await run(caller, ["doctor"]);
      t.regex(stdout, /ipv6 +missing[^]*IPv6 is switched off on this host/);
    });
  }
}
