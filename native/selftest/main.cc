// skillbox-selftest: run inside a sandbox by `skillbox selftest`, tries to get out of it, and says how far it came.
//
//     skillbox-selftest NAME=VALUE…     what the host has that is not to be had: home=, pid=, port=, socket=, abstract=, secret=
//
// One line a probe: layer, probe, "held" or "open", and what was seen, separated by tabs. A static program of our own, since a
// host may have neither a compiler nor Python. Its probes open and do not write, ask and do not change; all the same it
// does nothing unless it is in a sandbox, where a fork bomb meets a limit.
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "../sys/fd.h"

namespace skillbox {

namespace {

char** arguments;

// "" where the caller told none.
const char* given(const char* name) {
  const size_t length = strlen(name);
  for (char** each = arguments; *each != nullptr; each++) {
    if (strncmp(*each, name, length) == 0 && (*each)[length] == '=') return *each + length + 1;
  }
  return "";
}

struct Outcome {
  bool held;
  const char* seen;
};

const char* name_of(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? "unknown" : name;
}

// What must fail, by its result as a system call has it.
Outcome refused(long result) { return result < 0 ? Outcome{true, name_of(errno)} : Outcome{false, "it was allowed"}; }

Outcome opened(const char* path, int flags) {
  const Fd file(open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  return refused(file.get());
}

// ---- files

Outcome home() {
  char path[4096];
  snprintf(path, sizeof path, "%s/.ssh", given("home"));
  return opened(path, O_RDONLY | O_DIRECTORY);
}
Outcome shadow() { return opened("/etc/shadow", O_RDONLY); }
Outcome root_home() { return opened("/root", O_RDONLY | O_DIRECTORY); }
Outcome system_file() { return opened("/etc/passwd", O_WRONLY); }
Outcome system_directory() { return opened("/usr", O_TMPFILE | O_WRONLY); }
Outcome work_directory() { return opened(".", O_TMPFILE | O_WRONLY); }
Outcome remount() { return refused(mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr)); }
Outcome new_mount() {
  const Fd context(static_cast<int>(syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */)));
  return refused(context.get());
}
Outcome unmount() { return refused(umount2("/proc/kcore", MNT_DETACH)); }
Outcome tree() { return refused(syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */)); }
Outcome device() {
  const int result = mknod("/tmp/.selftest-device", S_IFBLK | 0600, makedev(8, 0));
  const Outcome outcome = refused(result);
  if (result == 0) unlink("/tmp/.selftest-device");
  return outcome;
}
Outcome handle() {
  alignas(8) unsigned char bytes[64] = {8};
  return refused(syscall(SYS_open_by_handle_at, AT_FDCWD, bytes, O_RDONLY));
}
Outcome change_root() { return refused(chroot("/")); }
Outcome core_pattern() { return opened("/proc/sys/kernel/core_pattern", O_WRONLY); }
Outcome sysrq() { return opened("/proc/sysrq-trigger", O_WRONLY); }
Outcome kernel_memory() {
  const Fd file(open("/proc/kcore", O_RDONLY | O_CLOEXEC));
  char byte;
  return refused(file ? read(file.get(), &byte, 1) - 1 : -1);
}
Outcome sys() { return opened("/sys/kernel", O_RDONLY | O_DIRECTORY); }
Outcome above() {
  // The root's parent is the root.
  struct stat root;
  struct stat parent;
  if (stat("/", &root) != 0 || stat("/../..", &parent) != 0) return {false, "stat failed"};
  return {root.st_ino == parent.st_ino && root.st_dev == parent.st_dev, "the same directory"};
}

// ---- identity

Outcome no_capabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return {false, "capget failed"};
  const bool none = (data[0].effective | data[0].permitted | data[0].inheritable | data[1].effective |
                     data[1].permitted | data[1].inheritable) == 0;
  return {none, none ? "none" : "some"};
}
Outcome no_bounding_set() {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
    if (prctl(PR_CAPBSET_READ, capability) == 1) return {false, "some"};
  }
  return {true, "none"};
}
Outcome no_new_privileges() { return {prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs"}; }
Outcome become_root() { return refused(syscall(SYS_setresuid, 0, 0, 0)); }
Outcome not_root() { return {getuid() != 0 && geteuid() != 0, "an ordinary user"}; }

// ---- processes

Outcome own_pids() { return {getppid() == 1, "its parent is PID 1"}; }
Outcome host_process() { return refused(kill(atoi(given("pid")), 0)); }
Outcome trace_init() { return refused(ptrace(PTRACE_SEIZE, 1, nullptr, nullptr)); }
Outcome init_memory() {
  char byte;
  iovec local = {&byte, 1};
  iovec remote = {reinterpret_cast<void*>(0x1000), 1};
  const ssize_t result = process_vm_readv(1, &local, 1, &remote, 1, 0);
  return refused(result < 0 && errno == EFAULT ? 0 : result);
}
Outcome init_environment() { return opened("/proc/1/environ", O_RDONLY); }
Outcome init_root() { return opened("/proc/1/root/etc", O_RDONLY | O_DIRECTORY); }
Outcome init_program() { return opened("/proc/1/exe", O_RDONLY); }
Outcome init_descriptors() {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, 1, 0));
  if (pidfd < 0) return refused(-1);
  const Fd holder(pidfd);
  return refused(syscall(SYS_pidfd_getfd, pidfd, 3, 0));
}
Outcome leaked_descriptors() {
  for (int fd = 3; fd < 1024; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) return {false, "one is open"};
  }
  return {true, "none above 2"};
}
Outcome environment() {
  const char* value = getenv("SKILLBOX_SELFTEST_SECRET");
  return {value == nullptr, value == nullptr ? "not there" : "it was inherited"};
}
Outcome terminal() {
  char byte = '\n';
  return refused(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, &byte));
}

// ---- system calls

Outcome user_namespace() { return refused(unshare(CLONE_NEWUSER)); }
Outcome clone3() {
  const Outcome outcome = refused(syscall(SYS_clone3, nullptr, 0));
  // Its arguments are out of a filter's sight, so that nobody may get as far as having them looked at.
  return {outcome.held && errno == ENOSYS, outcome.seen};
}
Outcome bpf() { return refused(syscall(SYS_bpf, 0, nullptr, 0)); }
Outcome perf() { return refused(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }
Outcome page_faults() { return refused(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */)); }
Outcome keys() { return refused(syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3 /* session */, 0)); }
Outcome rings() {
  unsigned char parameters[120] = {};
  return refused(syscall(SYS_io_uring_setup, 1, parameters));
}
Outcome modules() { return refused(syscall(SYS_finit_module, -1, "", 0)); }
Outcome kexec() { return refused(syscall(SYS_kexec_load, 0, 0, nullptr, 0)); }
Outcome clock() { return refused(syscall(SYS_clock_settime, 0, nullptr)); }
Outcome listener() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  sock_fprog program = {1, &allow};
  return refused(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
#if defined(__x86_64__)
Outcome foreign_call(int (*call)()) {
  const pid_t child = fork();
  if (child < 0) return {false, "fork failed"};
  if (child == 0) _exit(call());
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFSIGNALED(status) != 0, WIFSIGNALED(status) ? "killed" : "it was answered"};
}
Outcome i386_call() {
  return foreign_call([] {
    long result = 20;  // getpid
    asm volatile("int $0x80" : "+a"(result) : : "memory");
    return 0;
  });
}
Outcome x32_call() {
  return foreign_call([] {
    syscall(0x40000000 | SYS_getpid);
    return 0;
  });
}
#endif

// ---- network

Outcome connect_to(const sockaddr* address, socklen_t length) {
  const Fd socket_fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return refused(-1);
  const timeval patience = {2, 0};
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return refused(connect(socket_fd.get(), address, length));
}
Outcome connect_inet(uint32_t host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return connect_to(reinterpret_cast<sockaddr*>(&address), sizeof address);
}
Outcome outside() { return connect_inet(0xc6336407 /* 198.51.100.7 (RFC 5737) */, 443); }
Outcome metadata() { return connect_inet(0xa9fea9fe /* 169.254.169.254 */, 80); }
Outcome host_loopback() { return connect_inet(INADDR_LOOPBACK, atoi(given("port"))); }
Outcome datagram() {
  const Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0xc6336407);
  address.sin_port = htons(53535);
  return refused(sendto(socket_fd.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address));
}
Outcome path_socket() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, given("socket"), sizeof address.sun_path - 1);
  return connect_to(reinterpret_cast<sockaddr*>(&address), sizeof address);
}
Outcome abstract_socket() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const char* name = given("abstract");
  const size_t length = strlen(name);
  if (length + 1 > sizeof address.sun_path) return {false, "the name is too long"};
  memcpy(address.sun_path + 1, name, length);
  return connect_to(reinterpret_cast<sockaddr*>(&address),
                    static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length));
}
Outcome open_socket(int family, int type, int protocol) {
  const Fd socket_fd(socket(family, type | SOCK_CLOEXEC, protocol));
  return refused(socket_fd.get());
}
Outcome raw_socket() { return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
Outcome packet_socket() { return open_socket(AF_PACKET, SOCK_RAW, 0); }
Outcome vsock() { return open_socket(AF_VSOCK, SOCK_STREAM, 0); }
Outcome algorithm_socket() { return open_socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0); }
Outcome multipath_socket() { return open_socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */); }

// ---- limits

Outcome core_files() {
  rlimit limit = {};
  getrlimit(RLIMIT_CORE, &limit);
  return {limit.rlim_max == 1, limit.rlim_max == 1 ? "RLIMIT_CORE 1" : "a core handler of the host's may run"};
}
Outcome fork_bomb() {
  static pid_t children[8192];
  size_t count = 0;
  int error = 0;
  while (count < 8192) {
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (child < 0) {
      error = errno;
      break;
    }
    children[count++] = child;
  }
  for (size_t i = 0; i < count; i++) kill(children[i], SIGKILL);
  for (size_t i = 0; i < count; i++) waitpid(children[i], nullptr, 0);
  return {error == EAGAIN, error == 0 ? "8192 processes" : name_of(error)};
}
Outcome fill_tmp() {
  const Fd file(open("/tmp/.selftest-fill", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return {false, "nothing can be written there at all"};
  unlink("/tmp/.selftest-fill");
  // Taken without being written: what does not fit is refused at once.
  return refused(fallocate(file.get(), 0, 0, 1LL << 40));
}
Outcome raise_limits() {
  rlimit limit = {};
  getrlimit(RLIMIT_NPROC, &limit);
  limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
  return refused(setrlimit(RLIMIT_NPROC, &limit));
}

struct Probe {
  const char* layer;
  const char* name;
  Outcome (*attempt)();
  // Asked only where the caller tells of something to look for.
  const char* needs = nullptr;
};

const Probe probes[] = {
    {"files", "read the caller's ~/.ssh", home, "home"},
    {"files", "read /etc/shadow", shadow},
    {"files", "read /root", root_home},
    {"files", "write /etc/passwd", system_file},
    {"files", "create a file in /usr", system_directory},
    {"files", "create a file in the working directory", work_directory},
    {"files", "go above the root", above},
    {"mounts", "remount / writable", remount},
    {"mounts", "mount a file system", new_mount},
    {"mounts", "unmount a mask", unmount},
    {"mounts", "copy the mount tree", tree},
    {"mounts", "change the root", change_root},
    {"mounts", "make a disk's device node", device},
    {"mounts", "open a file by its handle", handle},
    {"kernel files", "write core_pattern", core_pattern},
    {"kernel files", "write sysrq-trigger", sysrq},
    {"kernel files", "read kernel memory", kernel_memory},
    {"kernel files", "look into /sys", sys},
    {"identity", "capabilities", no_capabilities},
    {"identity", "capabilities to be gained", no_bounding_set},
    {"identity", "set-id programs", no_new_privileges},
    {"identity", "become root", become_root},
    {"identity", "be root", not_root},
    {"processes", "see the host's processes", own_pids},
    {"processes", "signal the caller", host_process, "pid"},
    {"processes", "trace PID 1", trace_init},
    {"processes", "read PID 1's memory", init_memory},
    {"processes", "read PID 1's environment", init_environment},
    {"processes", "enter PID 1's root", init_root},
    {"processes", "open PID 1's program", init_program},
    {"processes", "take PID 1's descriptors", init_descriptors},
    {"processes", "find descriptors of the caller's", leaked_descriptors},
    {"processes", "find secrets in the environment", environment, "secret"},
    {"processes", "type into the caller's terminal", terminal},
    {"system calls", "make a user namespace", user_namespace},
    {"system calls", "clone3", clone3},
    {"system calls", "bpf", bpf},
    {"system calls", "perf_event_open", perf},
    {"system calls", "userfaultfd", page_faults},
    {"system calls", "keyctl", keys},
    {"system calls", "io_uring_setup", rings},
    {"system calls", "finit_module", modules},
    {"system calls", "kexec_load", kexec},
    {"system calls", "clock_settime", clock},
    {"system calls", "answer for a filter of its own", listener},
#if defined(__x86_64__)
    {"system calls", "a call of i386", i386_call},
    {"system calls", "a call of x32", x32_call},
#endif
    {"network", "connect to an address outside", outside},
    {"network", "connect to the metadata service", metadata},
    {"network", "connect to the host's loopback", host_loopback, "port"},
    {"network", "send a datagram", datagram},
    {"network", "connect to a Unix socket in a read grant", path_socket, "socket"},
    {"network", "connect to an abstract Unix socket", abstract_socket, "abstract"},
    {"network", "raw socket", raw_socket},
    {"network", "packet socket", packet_socket},
    {"network", "vsock", vsock},
    {"network", "AF_ALG", algorithm_socket},
    {"network", "MPTCP", multipath_socket},
    {"limits", "make the host's core handler run", core_files},
    {"limits", "fork without end", fork_bomb},
    {"limits", "fill /tmp with a terabyte", fill_tmp},
    {"limits", "raise a limit", raise_limits},
};

int run() {
  bool all_held = true;
  for (const Probe& probe : probes) {
    if (probe.needs != nullptr && given(probe.needs)[0] == '\0') continue;
    const Outcome outcome = probe.attempt();
    all_held = all_held && outcome.held;
    printf("%s\t%s\t%s\t%s\n", probe.layer, probe.name, outcome.held ? "held" : "open", outcome.seen);
    fflush(stdout);
  }
  return all_held ? 0 : 1;
}

}  // namespace

}  // namespace skillbox

int main(int, char** argv) {
  if (getppid() != 1 || getenv("SKILLBOX") == nullptr) {
    fputs("skillbox-selftest: this is not a sandbox: run `skillbox selftest`\n", stderr);
    return 2;
  }
  skillbox::arguments = argv + 1;
  return skillbox::run();
}
