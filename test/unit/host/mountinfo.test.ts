import test from "ava";
import { isProcMasked } from "../../../src/host/facts.js";
import { parseMountinfo } from "../../../src/host/mountinfo.js";

const text = String.raw`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw,nosuid - proc proc rw
24 22 0:30 /a\040b /mnt/with\040space\134 ro,nosuid master:1 propagate_from:2 - cgroup cgroup rw,cpu,cpuacct
25 23 0:40 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw,fd=29
short line
`;

test("fields before and after the optional ones, with octal escapes undone", (t) => {
  const [root, proc, odd] = parseMountinfo(text);
  t.is(root?.mountPoint, "/");
  t.is(root?.fsType, "ext4");
  t.is(proc?.fsType, "proc");
  t.like(odd, { root: "/a b", mountPoint: "/mnt/with space\\", fsType: "cgroup" });
  t.deepEqual(odd?.options, ["ro", "nosuid"]);
  t.deepEqual(odd?.superOptions, ["rw", "cpu", "cpuacct"]);
});

test("binfmt_misc does not mask /proc, what a container engine mounts does", (t) => {
  t.false(isProcMasked(parseMountinfo(text)));
  t.true(isProcMasked(parseMountinfo(`${text}26 23 0:41 / /proc/kcore rw - tmpfs tmpfs rw`)));
});
