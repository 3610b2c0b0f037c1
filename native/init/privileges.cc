#include "privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "../sys/fd.h"
#include "../sys/syscalls.h"

namespace skillbox {

namespace {

constexpr unsigned kSecureBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

struct Capabilities {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
};

Status not_confirmed(const char* layer) { return failure_with(EPERM, "confirm", "layer does not hold", layer); }

Status confirm_capabilities() {
  Capabilities now;
  if (syscall(SYS_capget, &now.header, now.data) != 0) return failure("confirm", "capget");
  for (const auto& half : now.data) {
    if (half.effective != 0 || half.permitted != 0 || half.inheritable != 0) return not_confirmed("capabilities");
  }
  if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0) return not_confirmed("bounding set");
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return not_confirmed("no_new_privs");
  return success();
}

Status confirm_identity(const LaunchPlan& plan) {
  if (getuid() != plan.inside_uid || geteuid() != plan.inside_uid) return not_confirmed("uid");
  if (getgid() != plan.inside_gid || getegid() != plan.inside_gid) return not_confirmed("gid");
  const int groups = plan.root_caller ? getgroups(0, nullptr) : 0;
  if (groups < 0) return failure("confirm", "getgroups");
  if (groups > 0) return not_confirmed("supplementary groups");
  return success();
}

Status confirm_pid_namespace() {
  if (getpid() != 1 || getppid() != 0) return not_confirmed("pid namespace");
  return success();
}

// By trying: the skeleton is ours, so a writable one would be silently writable.
Status confirm_read_only_root() {
  const int fd = open("/.skillbox-probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EROFS) return success();
  if (fd < 0) return failure("confirm", "open", "read-only root");
  close(fd);
  return not_confirmed("read-only root");
}

// Only `lo` may be there: its index is always 1, and nothing has another.
Status confirm_network() {
  struct if_nameindex* interfaces = if_nameindex();
  if (interfaces == nullptr) return failure("confirm", "if_nameindex");
  bool alone = true;
  for (const auto* i = interfaces; i->if_index != 0; i++) alone = alone && strcmp(i->if_name, "lo") == 0;
  if_freenameindex(interfaces);
  return alone ? success() : not_confirmed("network namespace");
}

Status confirm_no_user_namespaces() {
  if (unshare(CLONE_NEWUSER) == 0) return not_confirmed("user namespaces");
  // ENOSPC: max_user_namespaces is reached. Another refusal would prove nothing.
  return errno == ENOSPC ? success() : failure("confirm", "unshare");
}

}  // namespace

Status take_identity(const LaunchPlan& plan) {
  if (!plan.root_caller) return success();  // the only uid that is mapped is already its own
  if (setresgid(plan.inside_gid, plan.inside_gid, plan.inside_gid) != 0) return failure("identity", "setresgid");
  // From a uid that is not mapped to one that is not 0: the kernel leaves the capabilities alone (capabilities(7),
  // "Effect of user ID changes").
  if (setresuid(plan.inside_uid, plan.inside_uid, plan.inside_uid) != 0) return failure("identity", "setresuid");
  return success();
}

Status forbid_user_namespaces(int proc) {
  const Fd file(openat(proc, "sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC));
  if (!file) return failure("privileges", "open", "max_user_namespaces");
  if (write(file.get(), "0", 1) != 1) return failure("privileges", "write", "max_user_namespaces");
  return success();
}

Status leave_inotify_to_others(int proc) {
  constexpr struct {
    const char* host;
    const char* own;
  } kCounts[] = {{"sys/fs/inotify/max_user_instances", "sys/user/max_inotify_instances"},
                 {"sys/fs/inotify/max_user_watches", "sys/user/max_inotify_watches"}};
  for (const auto& count : kCounts) {
    const Fd host(openat(proc, count.host, O_RDONLY | O_CLOEXEC));
    if (!host && errno == ENOENT) continue;  // a kernel without inotify
    char text[24] = {};
    if (!host || read(host.get(), text, sizeof text - 1) <= 0) return failure("privileges", "read", count.host);
    const int length = snprintf(text, sizeof text, "%lu", strtoul(text, nullptr, 10) / 4);
    const Fd own(openat(proc, count.own, O_WRONLY | O_CLOEXEC));
    if (!own || write(own.get(), text, static_cast<size_t>(length)) != length) {
      return failure("privileges", "write", count.own);
    }
  }
  return success();
}

Status drop_privileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("privileges", "PR_SET_NO_NEW_PRIVS");
  if (prctl(PR_SET_SECUREBITS, kSecureBits, 0, 0, 0) != 0) return failure("privileges", "PR_SET_SECUREBITS");
  for (int capability = 0; capability < 64; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) break;  // past the last one that this kernel knows
      return failure("privileges", "PR_CAPBSET_DROP");
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failure("privileges", "PR_CAP_AMBIENT");
  Capabilities none;
  if (syscall(SYS_capset, &none.header, none.data) != 0) return failure("privileges", "capset");
  return success();
}

Status confirm_layers(const LaunchPlan& plan, ReportWriter* report) {
  const struct {
    const char* name;
    Status status;
  } layers[] = {
      {"user", confirm_identity(plan)}, {"capabilities", confirm_capabilities()},
      {"pid", confirm_pid_namespace()}, {"mount", confirm_read_only_root()},
      {"network", confirm_network()},   {"no-user-namespaces", confirm_no_user_namespaces()},
  };
  for (const auto& layer : layers) SKILLBOX_TRY(layer.status);
  report->u32(sizeof layers / sizeof layers[0]);
  for (const auto& layer : layers) report->string(layer.name);
  return success();
}

}  // namespace skillbox
