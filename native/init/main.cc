// skillbox-init: becomes PID 1 of a sandbox.
//
// Theory of operation. The addon starts this program as an ordinary one (so that an AppArmor profile can name its path)
// with the control socket as descriptor 3, the launch plan, a sealed memfd, as descriptor 4, and a pipe as descriptor 5 on
// which the launch thread learns whom to reap. It splits in two:
//
//   outer half   still the caller, in the host's namespaces. Enters the cgroup, clones the inner half, writes its id
//                maps, makes a root caller's idmapped mounts, hands over pidfd and mounts, and exits.
//   inner half   PID 1 in namespaces of its own and, by CLONE_PARENT, a child of the addon's launch thread, whose death
//                is its death. Sets the sandbox up (the recipe in `set_up`), then starts programs for as long as the
//                control socket is open.
//
//   supervisor ──exec/signal──▶ control (SEQPACKET) ──ready/listener/exited/error──▶ supervisor
//   outer ──identity, detached mounts──▶ gate (SEQPACKET) ──▶ inner
//
// Two kinds of failure stay apart: `error` and `exec_failed` are the sandbox's, `exited` is the program's.
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../sys/fd.h"
#include "../sys/fd_passing.h"
#include "../sys/syscalls.h"
#include "launch_plan.h"
#include "net_ns.h"
#include "privileges.h"
#include "probe.h"
#include "reaper.h"
#include "report.h"
#include "rootfs.h"
#include "sources.h"
#include "user_ns.h"

namespace skillbox {

namespace {

constexpr int kControl = 3;
constexpr int kPlan = 4;
constexpr int kAnnounce = 5;
constexpr size_t kFdsPerGateMessage = 200;

LaunchPlan plan;
Fd trees[kMaxSources];

Status read_plan() {
  struct stat found;
  if (fstat(kPlan, &found) != 0) return failure("plan", "fstat");
  const size_t size = static_cast<size_t>(found.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, kPlan, 0);
  if (bytes == MAP_FAILED) return failure("plan", "mmap");
  close(kPlan);
  return decode_launch_plan({static_cast<const uint8_t*>(bytes), size}, &plan);
}

// ---- the inner half -------------------------------------------------------------------------------------------------

// Waits until the outer half has written the id maps, and takes the mounts that only it could make.
Status pass_gate(int gate) {
  size_t expected = plan.root_caller ? plan.source_count : 0;
  size_t taken = 0;
  do {
    uint8_t byte;
    int fds[kFdsPerGateMessage];
    const ReceivedMessage message = receive_message(gate, {&byte, 1}, fds);
    if (message.length != 1 || message.truncated) return failure_with(ECONNRESET, "gate", "receive");
    for (size_t i = 0; i < message.fd_count; i++) trees[taken++].reset(fds[i]);
  } while (taken < expected);
  return success();
}

// The kernel kills us when the launch thread ends; what ended before this line shows as a closed socket.
Status follow_supervisor() {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failure("init", "PR_SET_PDEATHSIG");
  pollfd control = {kControl, POLLRDHUP, 0};
  if (poll(&control, 1, 0) > 0) return failure_with(ECONNRESET, "init", "supervisor is gone");
  return success();
}

Status refuse_inspection() {
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return failure("init", "PR_SET_DUMPABLE");
  return success();
}

Status name_host() {
  if (sethostname(plan.hostname, strlen(plan.hostname)) != 0) return failure("init", "sethostname", plan.hostname);
  return success();
}

// The recipe. Its order is the security property: identity before any file, the filesystem while there are
// capabilities, the proof last.
Status set_up(int gate, ReportWriter* ready) {
  SKILLBOX_TRY(pass_gate(gate));
  SKILLBOX_TRY(take_identity(plan));
  SKILLBOX_TRY(refuse_inspection());
  SKILLBOX_TRY(follow_supervisor());
  SKILLBOX_TRY(name_host());
  SKILLBOX_TRY(bring_loopback_up());
  Fd root;
  SKILLBOX_TRY(mount_skeleton(&root));
  SKILLBOX_TRY(assemble_root(plan, root.get(), trees, kControl));
  SKILLBOX_TRY(enter_root(root.get()));
  if (plan.egress) SKILLBOX_TRY(send_resolver_sockets(kControl));
  SKILLBOX_TRY(drop_privileges());
  return confirm_layers(plan, ready);
}

[[noreturn]] void inner_half(int gate) {
  ReportWriter ready(Report::ready);
  const Status status = set_up(gate, &ready);
  if (!status.ok()) {
    report_error(kControl, status);
    _exit(1);
  }
  if (!ready.send(kControl)) _exit(1);
  close(gate);
  _exit(serve(plan, kControl));
}

// ---- the outer half -------------------------------------------------------------------------------------------------

Status enter_cgroups() {
  for (size_t i = 0; i < plan.cgroup_file_count; i++) {
    const Fd file(open(plan.cgroup_files[i], O_WRONLY | O_CLOEXEC));
    if (!file) return failure("cgroup", "open", plan.cgroup_files[i]);
    if (write(file.get(), "0", 1) != 1) return failure("cgroup", "write", plan.cgroup_files[i]);
  }
  return success();
}

Status clone_inner_half(pid_t* pid, Fd* pidfd) {
  clone_args arguments = {};
  int pidfd_number = -1;
  arguments.flags = CLONE_PARENT | CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd_number);
  Fd cgroup;
  if (plan.cgroup_directory[0] != '\0') {
    cgroup.reset(open(plan.cgroup_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup) return failure("cgroup", "open", plan.cgroup_directory);
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  *pid = sys::clone3(arguments);
  if (*pid < 0) return failure("clone", "clone3");
  pidfd->reset(pidfd_number);
  return success();
}

Status open_gate(int gate) {
  const size_t count = plan.root_caller ? plan.source_count : 0;
  size_t sent = 0;
  do {
    const size_t batch = count - sent < kFdsPerGateMessage ? count - sent : kFdsPerGateMessage;
    int fds[kFdsPerGateMessage];
    for (size_t i = 0; i < batch; i++) fds[i] = trees[sent + i].get();
    const uint8_t byte = 1;
    if (!send_message(gate, {&byte, 1}, {fds, batch})) return failure("gate", "send");
    sent += batch;
  } while (sent < count);
  return success();
}

Status report_spawned(pid_t pid, int pidfd, OutsideIdentity outside) {
  ReportWriter report(Report::spawned);
  report.u32(static_cast<uint32_t>(pid));
  report.u32(outside.uid);
  const int fds[] = {pidfd};
  if (!report.send(kControl, fds)) return failure("spawn", "send pidfd");
  return success();
}

// `outer_gate` outlives a failure until that is told: PID 1 takes a closed gate for a failure of its own.
Status outer_half(Fd& outer_gate) {
  SKILLBOX_TRY(read_plan());
  // A caller's groups open doors that its uid does not: /etc/shadow is readable to the group shadow.
  if (plan.root_caller && setgroups(0, nullptr) != 0) return failure("identity", "setgroups");
  SKILLBOX_TRY(enter_cgroups());
  int gate[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) != 0) return failure("gate", "socketpair");
  outer_gate.reset(gate[0]);
  Fd inner_gate(gate[1]);

  pid_t pid;
  Fd pidfd;
  SKILLBOX_TRY(clone_inner_half(&pid, &pidfd));
  if (pid == 0) {
    outer_gate.reset();
    close(kAnnounce);
    inner_half(inner_gate.release());
  }
  inner_gate.reset();

  // From here on a failure closes the gate, and PID 1 ends of itself.
  if (write(kAnnounce, &pid, sizeof pid) != sizeof pid) return failure("spawn", "announce");
  const OutsideIdentity outside = outside_identity(plan, pid);
  SKILLBOX_TRY(report_spawned(pid, pidfd.get(), outside));
  SKILLBOX_TRY(write_id_maps(pid, plan, outside));
  if (plan.root_caller) SKILLBOX_TRY(clone_all_sources(plan, outside, trees));
  return open_gate(outer_gate.get());
}

int main_program() {
  fcntl(kControl, F_SETFD, FD_CLOEXEC);
  fcntl(kPlan, F_SETFD, FD_CLOEXEC);
  fcntl(kAnnounce, F_SETFD, FD_CLOEXEC);
  // Whatever else the caller leaked to us must not be there when the first byte of the program runs.
  sys::close_range(kAnnounce + 1, ~0U, 0);
  Fd outer_gate;
  const Status status = outer_half(outer_gate);
  if (status.ok()) return 0;
  report_error(kControl, status);
  return 1;
}

}  // namespace

}  // namespace skillbox

int main(int argc, char** argv) {
  if (argc >= 2 && strcmp(argv[1], "--probe") == 0) return skillbox::probe_main(argc, argv);
  return skillbox::main_program();
}
