import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import type { CgroupHierarchy } from "../../../src/host/cgroup-hierarchies.js";
import { placeBelow } from "../../../src/host/cgroup-placement.js";
import { requires } from "../../helpers/requires.js";

/** Files of the shape of cgroupfs, to judge by: the kernel's own part is in test/live/cgroup.test.ts. */
interface Cgroup {
  readonly controllers?: string;
  readonly passedOn?: string;
  readonly members?: string;
  /** The hierarchy's root, which alone has no cgroup.type. */
  readonly root?: boolean;
}

const all = "cpu io memory pids";

/** The placement as the base's path below the mount, or undefined. */
function place(tree: Readonly<Record<string, Cgroup>>, own: string, partial = false) {
  const mountPoint = mkdtempSync(join(tmpdir(), "placement-"));
  try {
    for (const [path, { controllers = all, passedOn = "", members = "", root = false }] of Object.entries(
      tree,
    )) {
      const directory = join(mountPoint, path);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, "cgroup.controllers"), `${controllers}\n`);
      writeFileSync(join(directory, "cgroup.subtree_control"), `${passedOn}\n`);
      writeFileSync(join(directory, "cgroup.procs"), members);
      if (!root) writeFileSync(join(directory, "cgroup.type"), "domain\n");
    }
    const hierarchy: CgroupHierarchy = {
      version: 2,
      controllers: [],
      mountPoint,
      own: own === "" ? mountPoint : join(mountPoint, own),
      readOnly: false,
      partial,
    };
    const placement = placeBelow(hierarchy, ["memory", "pids"], process.pid);
    if (placement === undefined) return undefined;
    return { base: placement.base.slice(mountPoint.length), evacuate: placement.evacuate };
  } finally {
    rmSync(mountPoint, { recursive: true });
  }
}

const foreign = "1\n";
const ours = `${process.pid}\n`;

test("a delegated parent that already passes the controllers on", (t) => {
  const tree = { "": { root: true }, user: { passedOn: all }, "user/session": { members: foreign } };
  t.deepEqual(place(tree, "user/session"), { base: "/user", evacuate: false });
});

test("an empty parent is switched on rather than the caller's own cgroup emptied", (t) => {
  const tree = { "": { root: true, controllers: "" }, user: {}, "user/session": { members: ours } };
  t.deepEqual(place(tree, "user/session"), { base: "/user", evacuate: false });
});

test("the own cgroup is emptied into a leaf where everything in it is ours", (t) => {
  const tree = { "": { root: true, controllers: "" }, box: { members: ours } };
  t.deepEqual(place(tree, "box"), { base: "/box", evacuate: true });
});

test("and left alone where somebody else is in it", (t) => {
  const tree = { "": { root: true, controllers: "" }, box: { members: foreign } };
  t.is(place(tree, "box"), undefined);
});

test("the root of a container's own cgroup namespace is emptied, PID 1 and all", (t) => {
  t.deepEqual(place({ "": { members: foreign } }, "", true), { base: "", evacuate: true });
});

test("a controller that is not in cgroup.controllers cannot be had", (t) => {
  const tree = { "": { root: true, controllers: "cpu" }, user: { controllers: "cpu" } };
  t.is(place(tree, "user"), undefined);
});

const session = "user.slice/user-1000.slice/session-1.scope";

test("a login session's scope is systemd's, also where its files can be written", (t) => {
  const tree = {
    "": { controllers: "" },
    [dirname(session)]: { passedOn: all },
    [session]: { members: ours },
  };
  t.is(place(tree, session), undefined);
});

requires(test, "root")("root on a systemd host gets a directory beside the slices", (t) => {
  const tree = { "": { root: true }, [session]: { members: ours } };
  t.deepEqual(place(tree, session), { base: "/skillbox", evacuate: false });
});

const app = "user.slice/user-1000.slice/user@1000.service/app.slice";

test("a terminal's scope below the user manager is not ours, though it belongs to the user", (t) => {
  const tree = {
    "": { controllers: "" },
    [app]: { passedOn: all },
    [`${app}/term-1.scope`]: { members: ours },
  };
  t.is(place(tree, `${app}/term-1.scope`), undefined);
});

test("the scope that we asked for is", (t) => {
  const scope = `${app}/skillbox-7-1234.scope`;
  t.deepEqual(place({ "": { controllers: "" }, [scope]: { members: ours } }, scope), {
    base: `/${scope}`,
    evacuate: true,
  });
});

test("and it stays the base once we are in its leaf", (t) => {
  const scope = `${app}/skillbox-7-1234.scope`;
  const tree = {
    "": { controllers: "" },
    [scope]: { passedOn: all },
    [`${scope}/supervisor`]: { members: ours, controllers: "" },
  };
  t.deepEqual(place(tree, `${scope}/supervisor`), { base: `/${scope}`, evacuate: false });
});

test("a service's own subgroup shows that the service was delegated", (t) => {
  const service = "system.slice/agent.service";
  const tree = {
    "": { controllers: "" },
    "system.slice": { passedOn: all },
    [service]: { passedOn: all },
    [`${service}/main`]: { members: ours },
  };
  t.deepEqual(place(tree, `${service}/main`), { base: `/${service}`, evacuate: false });
});
