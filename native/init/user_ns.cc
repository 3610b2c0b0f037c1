#include "user_ns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../sys/syscalls.h"

namespace skillbox {

namespace {

Status write_proc_file(pid_t pid, const char* name, const char* text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  const Fd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file) return failure("user_ns", "open", name);
  // The kernel takes a map in one write or not at all (user_namespaces(7)).
  if (write(file.get(), text, strlen(text)) < 0) return failure("user_ns", "write", name);
  return success();
}

Status write_map(pid_t pid, const char* name, uint32_t inside, uint32_t outside) {
  char line[64];
  snprintf(line, sizeof line, "%u %u 1\n", inside, outside);
  return write_proc_file(pid, name, line);
}

}  // namespace

OutsideIdentity outside_identity(const LaunchPlan& plan, pid_t pid_of_init) {
  if (!plan.root_caller) return {plan.outside_uid, plan.outside_gid};
  // No two live sandboxes share a pid, so no two share a uid.
  const uint32_t id = plan.run_uid_base + static_cast<uint32_t>(pid_of_init);
  return {id, id};
}

Status write_id_maps(pid_t pid, const LaunchPlan& plan, OutsideIdentity outside) {
  // Without CAP_SETGID outside, a gid map is only accepted after setgroups(2) is given up for good.
  if (!plan.root_caller) SKILLBOX_TRY(write_proc_file(pid, "setgroups", "deny"));
  SKILLBOX_TRY(write_map(pid, "uid_map", plan.inside_uid, outside.uid));
  return write_map(pid, "gid_map", plan.inside_gid, outside.gid);
}

Status make_idmap_namespace(uint32_t owner_uid, uint32_t owner_gid, OutsideIdentity outside, Fd* namespace_fd) {
  // A namespace needs a process to be born in. It waits to be killed and shares nothing that matters.
  clone_args arguments = {};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  const pid_t parent = getpid();
  const pid_t holder = sys::clone3(arguments);
  if (holder < 0) return failure("user_ns", "clone3", "idmap holder");
  if (holder == 0) {
    // It must not outlive us, whatever ends us.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    for (;;) pause();
  }
  Status status = write_map(holder, "uid_map", owner_uid, outside.uid);
  if (status.ok()) status = write_map(holder, "gid_map", owner_gid, outside.gid);
  if (status.ok()) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", holder);
    namespace_fd->reset(open(path, O_RDONLY | O_CLOEXEC));
    if (!*namespace_fd) status = failure("user_ns", "open", "ns/user");
  }
  // The namespace lives on with its descriptor. To wait for the death here would hold the launch up for a millisecond.
  if (kill(holder, SIGKILL) != 0 && status.ok()) status = failure("user_ns", "kill", "idmap holder");
  return status;
}

void reap_holders() {
  while (waitpid(-1, nullptr, 0) >= 0 || errno == EINTR) {
  }
}

}  // namespace skillbox
