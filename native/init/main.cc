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
//   supervisor ──plan──▶ control (SEQPACKET) ──spawned──▶ supervisor               while the outer half lives
//   supervisor ──exec/signal──▶ control ──ready/listener/exited/error──▶ supervisor
//   outer ──plan, detached mounts──▶ gate (SEQPACKET) ──▶ inner
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
#include "gate.h"
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
constexpr int kAnnounce = 4;

LaunchPlan plan;

Status read_plan(const Fd& memfd) {
  struct stat found;
  if (fstat(memfd.get(), &found) != 0) return failure("plan", "fstat");
  const size_t size = static_cast<size_t>(found.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, memfd.get(), 0);
  if (bytes == MAP_FAILED) return failure("plan", "mmap");
  return decode_launch_plan({static_cast<const uint8_t*>(bytes), size}, &plan);
}

// ---- the inner half -------------------------------------------------------------------------------------------------

Status pass_gate(int gate) {
  Fd memfd;
  SKILLBOX_TRY(receive_plan(gate, &memfd));
  return read_plan(memfd);
}

// The kernel kills us when the launch thread ends; what ended before this line shows as a closed socket.
Status follow_supervisor() {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failure("init", "PR_SET_PDEATHSIG");
  pollfd control = {kControl, POLLRDHUP, 0};
  int ready;
  do {
    ready = poll(&control, 1, 0);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return failure("init", "poll");
  if (ready > 0) return failure_with(ECONNRESET, "init", "supervisor is gone");
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
// capabilities, the proof last. What needs no plan comes first, since there may be none yet.
Status set_up(int gate, ReportWriter* ready) {
  SKILLBOX_TRY(bring_loopback_up());
  SKILLBOX_TRY(pass_gate(gate));
  SKILLBOX_TRY(take_identity(plan));
  SKILLBOX_TRY(refuse_inspection());
  SKILLBOX_TRY(follow_supervisor());
  SKILLBOX_TRY(name_host());
  Fd root;
  TreeReceiver trees(gate);
  SKILLBOX_TRY(mount_skeleton(&root));
  SKILLBOX_TRY(assemble_root(plan, root.get(), &trees, kControl));
  if (plan.root_caller) SKILLBOX_TRY(trees.take_rest(plan.source_count));
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
  if (!ready.send(kControl)) {
    report_error(kControl, failure("init", "send ready"));
    _exit(1);
  }
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

Status clone_inner_half(bool in_cgroup, pid_t* pid, Fd* pidfd) {
  clone_args arguments = {};
  int pidfd_number = -1;
  arguments.flags = CLONE_PARENT | CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd_number);
  Fd cgroup;
  if (in_cgroup && plan.cgroup_directory[0] != '\0') {
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

Status report_spawned(pid_t pid, int pidfd, OutsideIdentity outside) {
  ReportWriter report(Report::spawned);
  report.u32(static_cast<uint32_t>(pid));
  report.u32(outside.uid);
  const int fds[] = {pidfd};
  if (!report.send(kControl, fds)) return failure("spawn", "send pidfd");
  return success();
}

// The supervisor may have thought better of it: then there is no plan, and nothing to tell.
Status await_plan(Fd* memfd, bool* given_up) {
  uint8_t bytes[4];
  int fd = -1;
  const ReceivedMessage message = receive_message(kControl, bytes, {&fd, 1});
  memfd->reset(fd);
  *given_up = message.length == 0;
  if (*given_up) return success();
  if (message.length < 0) return failure("plan", "receive");
  if (message.truncated) return failure_with(EMFILE, "plan", "receive descriptor");
  if (!*memfd) return failure_with(EBADMSG, "plan", "receive");
  return read_plan(*memfd);
}

Status hand_over(pid_t pid, const Fd& pidfd, const Fd& memfd, int gate) {
  const OutsideIdentity outside = outside_identity(plan, pid);
  SKILLBOX_TRY(report_spawned(pid, pidfd.get(), outside));
  SKILLBOX_TRY(write_id_maps(pid, plan, outside));
  SKILLBOX_TRY(send_plan(gate, memfd.get()));
  if (!plan.root_caller) return success();
  TreeSender trees(gate);
  return send_all_sources(plan, outside, &trees);
}

// `outer_gate` outlives a failure until that is told: PID 1 takes a closed gate for a failure of its own.
Status outer_half(bool in_cgroup, Fd& outer_gate) {
  // A caller's groups open doors that its uid does not: /etc/shadow is readable to the group shadow.
  if (geteuid() == 0 && setgroups(0, nullptr) != 0) return failure("identity", "setgroups");
  Fd memfd;
  bool given_up = false;
  if (in_cgroup) {
    SKILLBOX_TRY(await_plan(&memfd, &given_up));
    if (given_up) return success();
    SKILLBOX_TRY(enter_cgroups());
  }
  int gate[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) != 0) return failure("gate", "socketpair");
  outer_gate.reset(gate[0]);
  Fd inner_gate(gate[1]);

  pid_t pid;
  Fd pidfd;
  SKILLBOX_TRY(clone_inner_half(in_cgroup, &pid, &pidfd));
  if (pid == 0) {
    outer_gate.reset();
    close(kAnnounce);
    inner_half(inner_gate.release());
  }
  inner_gate.reset();

  // From here on a failure closes the gate, and PID 1 ends of itself.
  if (write(kAnnounce, &pid, sizeof pid) != sizeof pid) return failure("spawn", "announce");
  if (!in_cgroup) SKILLBOX_TRY(await_plan(&memfd, &given_up));
  return given_up ? success() : hand_over(pid, pidfd, memfd, outer_gate.get());
}

Status keep_own_descriptors() {
  for (int fd : {kControl, kAnnounce}) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return failure("init", "FD_CLOEXEC");
  }
  // Whatever else the caller leaked to us must not be there when the first byte of the program runs.
  if (sys::close_range(kAnnounce + 1, ~0U, 0) != 0) return failure("init", "close_range");
  return success();
}

int main_program(bool in_cgroup) {
  Status status = keep_own_descriptors();
  Fd outer_gate;
  if (status.ok()) status = outer_half(in_cgroup, outer_gate);
  if (status.ok()) return 0;
  report_error(kControl, status);
  return 1;
}

}  // namespace

}  // namespace skillbox

int main(int argc, char** argv) {
  if (argc >= 2 && strcmp(argv[1], "--probe") == 0) return skillbox::probe_main(argc, argv);
  return skillbox::main_program(argc >= 2 && strcmp(argv[1], "--cgroup") == 0);
}
