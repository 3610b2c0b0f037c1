#include "probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <span>
#include <utility>

#include "../sys/fd.h"
#include "../sys/syscalls.h"
#include "launch_plan.h"
#include "net_ns.h"
#include "privileges.h"
#include "user_ns.h"

namespace skillbox {

namespace {

// Missing from the headers of Linux 6.1 and older.
constexpr unsigned kWaitKillableRecv = 1 << 5;                    // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 5.19
constexpr unsigned long kNotifSetFlags = _IOW('!', 4, uint64_t);  // SECCOMP_IOCTL_NOTIF_SET_FLAGS, 6.6
constexpr unsigned kNotifSyncWakeUp = 1;                          // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
constexpr int kSysLandlockCreateRuleset = 444;
constexpr unsigned kLandlockVersion = 1;

constexpr int kPatienceSeconds = 10;
constexpr uint32_t kInsideId = 1000;
constexpr uint32_t kRunUidBase = 0x70000000;

// Only the fields that the id maps need.
LaunchPlan plan;

using Attempt = Status (*)();

// ---- children -------------------------------------------------------------------------------------------------------

// Runs in a child: the attempt's Status, whose literals are at the same addresses in the parent, goes into the pipe.
[[noreturn]] void tell_and_exit(int pipe_end, Status status) {
  _exit(write(pipe_end, &status, sizeof status) == sizeof status ? 0 : 1);
}

Status await(pid_t child, Fd pipe_end) {
  Status status;
  pollfd readable = {pipe_end.get(), POLLIN, 0};
  const int ready = poll(&readable, 1, kPatienceSeconds * 1000);
  const bool told = ready > 0 && read(pipe_end.get(), &status, sizeof status) == sizeof status;
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  if (told) return status;
  return failure_with(ready == 0 ? ETIMEDOUT : ECHILD, "probe", ready == 0 ? "no answer" : "the child died");
}

struct Pipe {
  Fd reading;
  Fd writing;
};

Status open_pipe(Pipe* both) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failure("probe", "pipe2");
  both->reading.reset(ends[0]);
  both->writing.reset(ends[1]);
  return success();
}

// What an attempt changes (filters, mounts, flags) ends with its process.
Status in_child(Attempt attempt) {
  Pipe answer;
  SKILLBOX_TRY(open_pipe(&answer));
  const pid_t child = fork();
  if (child < 0) return failure("probe", "fork");
  if (child == 0) {
    alarm(kPatienceSeconds);
    tell_and_exit(answer.writing.get(), attempt());
  }
  answer.writing.reset();
  return await(child, std::move(answer.reading));
}

// The clone, the maps and the identity of a launch, then the attempt as a process that is alone in its namespaces.
Status in_namespaces(uint64_t namespaces, Attempt attempt, Fd cgroup = Fd()) {
  Pipe answer;
  Pipe gate;
  SKILLBOX_TRY(open_pipe(&answer));
  SKILLBOX_TRY(open_pipe(&gate));
  clone_args arguments = {};
  arguments.flags = CLONE_NEWUSER | namespaces;
  arguments.exit_signal = SIGCHLD;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  const pid_t child = sys::clone3(arguments);
  if (child < 0) return failure("clone", "clone3");
  if (child == 0) {
    // Its parent may be killed for being late; nothing else would end this one.
    alarm(kPatienceSeconds);
    gate.writing.reset();
    char byte;
    if (read(gate.reading.get(), &byte, 1) != 1) _exit(1);
    const Status status = take_identity(plan);
    tell_and_exit(answer.writing.get(), status.ok() ? attempt() : status);
  }
  answer.writing.reset();
  const Status mapped = write_id_maps(child, plan, outside_identity(plan, child));
  if (mapped.ok() && write(gate.writing.get(), "", 1) != 1) kill(child, SIGKILL);
  if (!mapped.ok()) {
    kill(child, SIGKILL);
    (void)await(child, std::move(answer.reading));
    return mapped;
  }
  return await(child, std::move(answer.reading));
}

// ---- mounts ---------------------------------------------------------------------------------------------------------

// A detached file system; `options` alternate key and value.
Status make_filesystem(const char* type, std::span<const char* const> options, Fd* mount) {
  const Fd filesystem(sys::fsopen(type));
  if (!filesystem) return failure("mount", "fsopen");
  for (size_t i = 0; i + 1 < options.size(); i += 2) {
    const int result = options[i + 1] == nullptr ? sys::fsconfig_flag(filesystem.get(), options[i])
                                                 : sys::fsconfig_string(filesystem.get(), options[i], options[i + 1]);
    if (result != 0) return failure("mount", options[i]);
  }
  if (sys::fsconfig_create(filesystem.get()) != 0) return failure("mount", "fsconfig create");
  mount->reset(sys::fsmount(filesystem.get(), sys::MOUNT_ATTR_NOSUID_ | sys::MOUNT_ATTR_NODEV_));
  if (!*mount) return failure("mount", "fsmount");
  return success();
}

Status attach(const Fd& mount, const char* target) {
  if (sys::move_mount(mount.get(), "", AT_FDCWD, target, sys::MOVE_MOUNT_F_EMPTY_PATH_) != 0) {
    return failure("mount", "move_mount");
  }
  return success();
}

// A tmpfs over the root of the new mount namespace, as working directory.
Status enter_skeleton() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failure("mount", "make private");
  constexpr const char* kOptions[] = {"size", "1m", "mode", "0755"};
  Fd skeleton;
  SKILLBOX_TRY(make_filesystem("tmpfs", kOptions, &skeleton));
  SKILLBOX_TRY(attach(skeleton, "/"));
  if (fchdir(skeleton.get()) != 0) return failure("mount", "fchdir");
  for (const char* name : {"lower", "lower/directory", "empty", "upper", "work", "merged", "place"}) {
    if (mkdir(name, 0755) != 0) return failure("mount", "mkdir in tmpfs");
  }
  return success();
}

Status try_tree() {
  SKILLBOX_TRY(enter_skeleton());
  const Fd tree(sys::open_tree(AT_FDCWD, "/usr", sys::OPEN_TREE_CLONE_ | sys::AT_RECURSIVE_ | O_CLOEXEC));
  if (!tree) return failure("mount", "open_tree");
  sys::mount_attr_ attributes = {};
  attributes.attr_set = sys::MOUNT_ATTR_RDONLY_ | sys::MOUNT_ATTR_NOSUID_ | sys::MOUNT_ATTR_NODEV_;
  if (sys::mount_setattr(tree.get(), "", AT_EMPTY_PATH | sys::AT_RECURSIVE_, attributes) != 0) {
    return failure("mount", "mount_setattr");
  }
  return attach(tree, "place");
}

Status try_pivot_root() {
  SKILLBOX_TRY(enter_skeleton());
  if (sys::pivot_root(".", ".") != 0) return failure("mount", "pivot_root");
  if (umount2(".", MNT_DETACH) != 0) return failure("mount", "umount old root");
  return success();
}

Status try_proc() {
  SKILLBOX_TRY(enter_skeleton());
  Fd proc;
  SKILLBOX_TRY(make_filesystem("proc", {}, &proc));
  return attach(proc, "place");
}

// A program that can make user namespaces has capabilities in them, and with these the larger half of the kernel.
Status try_no_more_user_namespaces() {
  SKILLBOX_TRY(enter_skeleton());
  Fd proc;
  SKILLBOX_TRY(make_filesystem("proc", {}, &proc));
  SKILLBOX_TRY(forbid_user_namespaces(proc.get()));
  if (unshare(CLONE_NEWUSER) == 0) return failure_with(EPERM, "privileges", "max_user_namespaces has no effect");
  return success();
}

Status try_devpts() {
  SKILLBOX_TRY(enter_skeleton());
  constexpr const char* kOptions[] = {"ptmxmode", "0666"};
  Fd devpts;
  SKILLBOX_TRY(make_filesystem("devpts", kOptions, &devpts));
  return attach(devpts, "place");
}

Status mount_overlay(std::span<const char* const> options) {
  Fd overlay;
  SKILLBOX_TRY(make_filesystem("overlay", options, &overlay));
  return attach(overlay, "merged");
}

constexpr const char* kReadOnlyLayers[] = {"lowerdir", "/usr:empty", "userxattr", nullptr};
constexpr const char* kWritableLayers[] = {"lowerdir", "lower", "upperdir",  "upper",
                                           "workdir",  "work",  "userxattr", nullptr};

// The host's root stays reachable by name: the skeleton lies over it, and paths start below what lies over.
Status try_overlay_read() {
  SKILLBOX_TRY(enter_skeleton());
  return mount_overlay(kReadOnlyLayers);
}

Status try_overlay_write() {
  SKILLBOX_TRY(enter_skeleton());
  SKILLBOX_TRY(mount_overlay(kWritableLayers));
  const Fd file(open("merged/file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return failure("overlay", "create");
  return success();
}

// A directory made in the place of a lower one needs the attribute user.overlay.opaque in the upper layer, and mounting
// says nothing about it.
Status try_overlay_replace() {
  SKILLBOX_TRY(enter_skeleton());
  SKILLBOX_TRY(mount_overlay(kWritableLayers));
  if (rmdir("merged/directory") != 0) return failure("overlay", "rmdir of a lower directory");
  if (mkdir("merged/directory", 0755) != 0) return failure("overlay", "mkdir in its place");
  return success();
}

// ---- namespaces -----------------------------------------------------------------------------------------------------

Status nothing() { return success(); }

Status try_user_ns() { return in_namespaces(0, nothing); }
Status try_mount_ns() { return in_namespaces(CLONE_NEWNS, nothing); }
Status try_pid_ns() { return in_namespaces(CLONE_NEWPID, nothing); }
Status try_net_ns() { return in_namespaces(CLONE_NEWNET, bring_loopback_up); }
Status try_ipc_ns() { return in_namespaces(CLONE_NEWIPC, nothing); }
Status try_uts_ns() { return in_namespaces(CLONE_NEWUTS, nothing); }
Status try_cgroup_ns() { return in_namespaces(CLONE_NEWCGROUP, nothing); }

constexpr uint64_t kMountAndPid = CLONE_NEWNS | CLONE_NEWPID;

template <Attempt attempt>
Status in_sandbox() {
  return in_namespaces(kMountAndPid, attempt);
}

// With the module missing or ipv6.disable=1 there is no such socket; with disable_ipv6=1, no such address.
Status bind_ipv6_loopback() {
  SKILLBOX_TRY(bring_loopback_up());
  const Fd socket_fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return failure("network", "socket AF_INET6");
  sockaddr_in6 loopback = {};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  if (bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&loopback), sizeof loopback) != 0) {
    return failure("network", "bind ::1");
  }
  return success();
}

Status try_ipv6() { return in_namespaces(CLONE_NEWNET, bind_ipv6_loopback); }

// ---- descriptors and processes --------------------------------------------------------------------------------------

Status try_openat2() {
  const Fd file(sys::openat2(AT_FDCWD, "/usr", O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
  if (!file) return failure("files", "openat2");
  return success();
}

Status try_close_range() {
  if (sys::close_range(~0U, ~0U, 0) != 0) return failure("files", "close_range");
  return success();
}

// A child that stands still in a user namespace of its own, as programs do; killed with its owner.
struct Sitter {
  pid_t pid = -1;
  Fd pidfd;

  Status start() {
    int number = -1;
    clone_args arguments = {};
    arguments.flags = CLONE_NEWUSER | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<uint64_t>(&number);
    arguments.exit_signal = SIGCHLD;
    pid = sys::clone3(arguments);
    if (pid < 0) return failure("clone", "clone3");
    if (pid == 0) {
      alarm(kPatienceSeconds);
      for (;;) pause();
    }
    pidfd.reset(number);
    return success();
  }
  ~Sitter() {
    if (pid <= 0) return;
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
};

Status try_pidfd() {
  Sitter sitter;
  SKILLBOX_TRY(sitter.start());
  const Fd opened(static_cast<int>(syscall(SYS_pidfd_open, sitter.pid, 0)));
  if (!opened) return failure("processes", "pidfd_open");
  if (syscall(SYS_pidfd_send_signal, opened.get(), 0, nullptr, 0) != 0) {
    return failure("processes", "pidfd_send_signal");
  }
  return success();
}

Status try_pidfd_getfd() {
  Sitter sitter;
  SKILLBOX_TRY(sitter.start());
  const Fd copy(static_cast<int>(syscall(SYS_pidfd_getfd, sitter.pidfd.get(), STDOUT_FILENO, 0)));
  if (!copy) return failure("processes", "pidfd_getfd");
  return success();
}

Status try_process_vm_readv() {
  static volatile int value = 17;
  Sitter sitter;
  SKILLBOX_TRY(sitter.start());
  int copy = 0;
  const iovec here = {&copy, sizeof copy};
  const iovec there = {const_cast<int*>(&value), sizeof value};
  if (process_vm_readv(sitter.pid, &here, 1, &there, 1, 0) != sizeof copy) {
    return failure("processes", "process_vm_readv");
  }
  return success();
}

// ---- seccomp --------------------------------------------------------------------------------------------------------

Status install_filter(unsigned flags, uint32_t action, Fd* listener) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("seccomp", "PR_SET_NO_NEW_PRIVS");
  // One call that nobody makes here meets the action.
  sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof instructions / sizeof instructions[0], instructions};
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0) return failure("seccomp", "SECCOMP_SET_MODE_FILTER");
  if (listener != nullptr) listener->reset(static_cast<int>(result));
  return success();
}

Status try_filter() {
  SKILLBOX_TRY(install_filter(0, SECCOMP_RET_ERRNO | 99, nullptr));
  if (syscall(SYS_acct, nullptr) == 0 || errno != 99) return failure_with(EPERM, "seccomp", "the filter has no effect");
  return success();
}

// EBUSY: a filter that we run under (a container engine's, an outer skillbox's) has a listener already.
Status try_notify() {
  Fd listener;
  return install_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF, &listener);
}

Status try_wait_killable() {
  Fd listener;
  return install_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillableRecv, SECCOMP_RET_USER_NOTIF, &listener);
}

Status try_sync_wake_up() {
  Fd listener;
  SKILLBOX_TRY(install_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF, &listener));
  // The argument is the value itself, not a pointer to it (kernel/seccomp.c).
  if (ioctl(listener.get(), kNotifSetFlags, kNotifSyncWakeUp) != 0) {
    return failure("seccomp", "SECCOMP_IOCTL_NOTIF_SET_FLAGS");
  }
  return success();
}

// ---- cgroups, root callers, the rest --------------------------------------------------------------------------------

// The caller's own cgroup2 directory. mountinfo is the supervisor's business; these two places are where it is mounted.
Status open_own_cgroup(Fd* directory) {
  char line[4096] = {};
  const Fd file(open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC));
  if (!file || read(file.get(), line, sizeof line - 1) < 0) return failure("cgroup", "read /proc/self/cgroup");
  char* own = strstr(line, "0::/");
  if (own == nullptr) return failure_with(ENOENT, "cgroup", "cgroup2 is not mounted");
  own += 3;
  own[strcspn(own, "\n")] = '\0';
  for (const char* mount_point : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    char path[4400];
    snprintf(path, sizeof path, "%s%s", mount_point, own);
    directory->reset(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct statfs found;
    constexpr long kCgroup2Magic = 0x63677270;  // CGROUP2_SUPER_MAGIC
    if (*directory && fstatfs(directory->get(), &found) == 0 && found.f_type == kCgroup2Magic) return success();
  }
  return failure_with(ENOENT, "cgroup", "cgroup2 is not mounted");
}

Status try_clone_into_cgroup() {
  Fd cgroup;
  SKILLBOX_TRY(open_own_cgroup(&cgroup));
  return in_namespaces(0, nothing, std::move(cgroup));
}

Status try_cgroup_kill() {
  Fd cgroup;
  SKILLBOX_TRY(open_own_cgroup(&cgroup));
  if (faccessat(cgroup.get(), "cgroup.kill", F_OK, 0) == 0) return success();
  const Status missing = failure("cgroup", "cgroup.kill");
  // The root of the hierarchy has no cgroup.kill of its own, but any cgroup that was ever made below it does.
  if (faccessat(cgroup.get(), "cgroup.type", F_OK, 0) != 0)
    return failure_with(ENODATA, "cgroup", "in the root cgroup");
  return missing;
}

Fd idmapped_usr;

Status overlay_over_idmapped() {
  SKILLBOX_TRY(enter_skeleton());
  SKILLBOX_TRY(attach(idmapped_usr, "place"));
  constexpr const char* kOptions[] = {"lowerdir", "place:empty", "userxattr", nullptr};
  return mount_overlay(kOptions);
}

Status make_idmapped_tree(const char* path, Fd* tree) {
  Fd idmap;
  SKILLBOX_TRY(make_idmap_namespace(0, 0, outside_identity(plan, getpid()), &idmap));
  tree->reset(sys::open_tree(AT_FDCWD, path, sys::OPEN_TREE_CLONE_ | O_CLOEXEC));
  if (!*tree) return failure("mount", "open_tree");
  sys::mount_attr_ attributes = {};
  attributes.attr_set = sys::MOUNT_ATTR_IDMAP_;
  attributes.userns_fd = static_cast<uint64_t>(idmap.get());
  if (sys::mount_setattr(tree->get(), "", AT_EMPTY_PATH, attributes) != 0) {
    return failure("mount", "mount_setattr MOUNT_ATTR_IDMAP");
  }
  return success();
}

Status try_idmapped_mount() { return make_idmapped_tree("/usr", &idmapped_usr); }

Status try_overlay_over_idmapped() {
  SKILLBOX_TRY(make_idmapped_tree("/usr", &idmapped_usr));
  return in_namespaces(kMountAndPid, overlay_over_idmapped);
}

Status try_idmapped_tmpfs() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failure("mount", "make private");
  if (mount("tmpfs", "/usr", "tmpfs", 0, "size=64k") != 0) return failure("mount", "tmpfs");
  Fd tree;
  return make_idmapped_tree("/usr", &tree);
}

Status try_idmapped_tmpfs_apart() {
  if (unshare(CLONE_NEWNS) != 0) return failure("mount", "unshare");
  return try_idmapped_tmpfs();
}

Status try_landlock() {
  if (syscall(kSysLandlockCreateRuleset, nullptr, 0, kLandlockVersion) < 0) {
    return failure("landlock", "landlock_create_ruleset");
  }
  return success();
}

// ---- the table ------------------------------------------------------------------------------------------------------

constexpr struct {
  const char* name;
  Attempt attempt;
} kFeatures[] = {
    {"user-ns", try_user_ns},
    {"mount-ns", try_mount_ns},
    {"pid-ns", try_pid_ns},
    {"net-ns", try_net_ns},
    {"ipc-ns", try_ipc_ns},
    {"uts-ns", try_uts_ns},
    {"cgroup-ns", try_cgroup_ns},
    {"tmpfs", in_sandbox<enter_skeleton>},
    {"mount-tree", in_sandbox<try_tree>},
    {"pivot-root", in_sandbox<try_pivot_root>},
    {"proc", in_sandbox<try_proc>},
    {"no-more-user-ns", in_sandbox<try_no_more_user_namespaces>},
    {"devpts", in_sandbox<try_devpts>},
    {"overlay-read", in_sandbox<try_overlay_read>},
    {"overlay-write", in_sandbox<try_overlay_write>},
    {"overlay-replace", in_sandbox<try_overlay_replace>},
    {"openat2", try_openat2},
    {"close-range", try_close_range},
    {"pidfd", try_pidfd},
    {"seccomp-filter", try_filter},
    {"seccomp-notify", try_notify},
    {"seccomp-wait-killable", try_wait_killable},
    {"seccomp-sync-wake-up", try_sync_wake_up},
    {"pidfd-getfd", try_pidfd_getfd},
    {"process-vm-readv", try_process_vm_readv},
    {"ipv6", try_ipv6},
    {"clone-into-cgroup", try_clone_into_cgroup},
    {"cgroup-kill", try_cgroup_kill},
    {"landlock", try_landlock},
    {"idmapped-mount", try_idmapped_mount},
    {"idmapped-tmpfs", try_idmapped_tmpfs_apart},
    {"overlay-idmapped", try_overlay_over_idmapped},
};

}  // namespace

int probe_main(int, char**) {
  plan.root_caller = geteuid() == 0;
  plan.inside_uid = plan.root_caller ? kInsideId : geteuid();
  plan.inside_gid = plan.root_caller ? kInsideId : getegid();
  plan.outside_uid = geteuid();
  plan.outside_gid = getegid();
  plan.run_uid_base = kRunUidBase;
  for (const auto& feature : kFeatures) {
    const Status status = in_child(feature.attempt);
    if (status.ok()) {
      printf("%s\tok\n", feature.name);
    } else {
      const char* name = strerrorname_np(status.error);
      printf("%s\t%s\t%s\n", feature.name, name == nullptr ? "EUNKNOWN" : name, status.op);
    }
    fflush(stdout);
  }
  return 0;
}

}  // namespace skillbox
