import test from "ava";
import { callers, exec, isOurMachine, meets, run, shell, type Expectations } from "./host.js";

/**
 * Hosts that are not as most are: what works there, and what one is told where something does not. Each is made of this one machine by
 * a line for a shell, and unmade again.
 */
interface Host {
  readonly made: string;
  readonly unmade: string;
  readonly root?: Partial<Expectations>;
  readonly dev?: Partial<Expectations>;
}

const all: Expectations = { run: "works", memoryLimit: "works", network: "works" };

const notDelegated =
  /resources\.memory: 64MiB cannot be enforced here: the cgroup \S+ is not delegated to uid 1000[^]*hint: .*Delegate=yes/;
const noHierarchy = /no cgroup hierarchy is mounted[^]*hint: sudo mount -t cgroup2 cgroup2 \/sys\/fs\/cgroup/;
const delegated =
  "/sys/fs/cgroup/user{,/cgroup.procs,/cgroup.subtree_control,/cgroup.threads,/session{,/cgroup.procs}}";

const noUserNamespaces = {
  debian: /kernel\.unprivileged_userns_clone is 0[^]*echo kernel\.unprivileged_userns_clone=1 \| sudo tee/,
  limit: /user\.max_user_namespaces is 0[^]*echo user\.max_user_namespaces=15000 \| sudo tee/,
};
const unreadable =
  /network rules cannot be enforced here: Yama [^]*ptrace_scope is 3[^]*hint: .*kernel\.yama\.ptrace_scope=1 .*reboot/;
const withoutMemory = { memoryLimit: notDelegated };

const hosts: Readonly<Record<string, Host>> = {
  "cgroup v2, delegated": { made: `chown dev ${delegated}`, unmade: `chown root ${delegated}` },
  "cgroup v2, not delegated": { made: "", unmade: "", dev: withoutMemory },
  "no cgroup hierarchy mounted": {
    made: "umount /sys/fs/cgroup",
    unmade: "mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup",
    root: { memoryLimit: noHierarchy },
    dev: { memoryLimit: noHierarchy },
  },
  "no /sys": {
    made: "umount -R /sys",
    unmade: "mount -t sysfs sysfs /sys && mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup",
    root: { memoryLimit: noHierarchy },
    dev: { memoryLimit: noHierarchy },
  },
  "kernel.unprivileged_userns_clone 0": {
    made: "sysctl -q kernel.unprivileged_userns_clone=0",
    unmade: "sysctl -q kernel.unprivileged_userns_clone=1",
    dev: { run: noUserNamespaces.debian, memoryLimit: notDelegated, network: noUserNamespaces.debian },
  },
  "user.max_user_namespaces 0": {
    made: "sysctl -q user.max_user_namespaces=0",
    unmade: "sysctl -q user.max_user_namespaces=10000",
    root: {
      run: noUserNamespaces.limit,
      memoryLimit: noUserNamespaces.limit,
      network: noUserNamespaces.limit,
    },
    dev: { run: noUserNamespaces.limit, memoryLimit: notDelegated, network: noUserNamespaces.limit },
  },
  "/proc mounted with hidepid=2": {
    made: "mount -o remount,hidepid=2 /proc",
    unmade: "mount -o remount,hidepid=0 /proc",
    dev: withoutMemory,
  },
  "IPv6 switched off by sysctl": {
    made: "sysctl -q net.ipv6.conf.{all,default}.disable_ipv6=1",
    unmade: "sysctl -q net.ipv6.conf.{all,default}.disable_ipv6=0",
    dev: withoutMemory,
  },
  "a root file system that is read-only": {
    made: "mount -o remount,ro /",
    unmade: "mount -o remount,rw /",
    dev: withoutMemory,
  },
  "Yama 0": { made: "sysctl -q kernel.yama.ptrace_scope=0", unmade: "", dev: withoutMemory },
  "Yama 1": { made: "sysctl -q kernel.yama.ptrace_scope=1", unmade: "", dev: withoutMemory },
  "Yama 2": { made: "sysctl -q kernel.yama.ptrace_scope=2", unmade: "", dev: withoutMemory },
  // The last one: 3 stays until a reboot.
  "Yama 3": {
    made: "sysctl -q kernel.yama.ptrace_scope=3",
    unmade: "",
    root: { network: unreadable },
    dev: { ...withoutMemory, network: unreadable },
  },
};

if (isOurMachine) {
  test.serial("what a sandbox is made of holds on this kernel, for both callers", async (t) => {
    for (const caller of callers) {
      const { stdout, status } = await run(caller, ["selftest"]);
      t.regex(stdout, /^All \d+ probes held/m);
      t.is(status, 0);
    }
  });

  test.serial("AppArmor is on, and confines nobody here", async (t) => {
    const { stdout } = await exec("dev", [], ["cat", "/proc/self/attr/current"]);
    t.regex(stdout, /^unconfined/);
  });

  for (const [name, { made, unmade, ...expected }] of Object.entries(hosts)) {
    test.serial(name, async (t) => {
      await shell(made);
      try {
        for (const caller of callers) await meets(t, caller, { ...all, ...expected[caller] });
      } finally {
        await shell(unmade);
      }
    });
  }
}
