// Makes one system call of a launch fail, kills a part of it at one, or lists them all:
//
//     inject list LOG PROGRAM ARG…
//     inject ROLE NUMBER COUNT ERRNO LOG PROGRAM ARG…
//     inject ROLE NUMBER COUNT VICTIM LOG PROGRAM ARG…
//
// ROLE's COUNT-th call of that NUMBER is not made and returns the errno, or the process of another role, the victim, is killed
// when the call is about to be made. strace(1) counts the calls of each task by itself, and
// of all tasks alike; the same call of Node's own start would fail long before that of PID 1. A role is a part of the launch:
//
//   main    Node's main thread, from the moment that it opens the addon
//   launch  the launch thread        notify  the notify thread
//   spawn   what posix_spawn(3) does before the exec of skillbox-init
//   outer   skillbox-init's outer half             holder  the process that the namespace of idmapped mounts is born in
//   init    PID 1                                  child   what PID 1 clones, until it executes the program
//
// LOG gets "root PID", "failed …" or "call …" with what the call is about, and where the program's cgroups are. What outlives PROGRAM
// by three seconds is "left", and the status 98; else it is PROGRAM's (128 + n by signal). All that is traced dies with this process.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <elf.h>
#endif

enum role { ROLE_NONE, ROLE_MAIN, ROLE_LAUNCH, ROLE_NOTIFY, ROLE_SPAWN, ROLE_OUTER, ROLE_HOLDER, ROLE_INIT, ROLE_CHILD,
            ROLE_PROGRAM, ROLES };
static const char *const role_names[ROLES] = {"none", "main", "launch", "notify", "spawn", "outer", "holder", "init",
                                              "child", "program"};

enum { MOST_TASKS = 4096, MOST_CALLS = 600 };

struct task {
  pid_t tid;
  enum role role;
  bool failing;  // between the entry and the exit of the call that is to fail
};

static struct task tasks[MOST_TASKS];
static size_t task_count;
static unsigned counts[ROLES][MOST_CALLS];
static pid_t root;
static bool main_has_begun;
static FILE *output;

static bool listing;
static enum role wanted_role;
static unsigned wanted_call, wanted_count;
static int wanted_errno;
static enum role victim;

static void die(const char *what) {
  fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
  exit(99);
}

static struct task *find(pid_t tid) {
  for (size_t i = 0; i < task_count; i++)
    if (tasks[i].tid == tid) return &tasks[i];
  return NULL;
}

static struct task *add(pid_t tid) {
  if (task_count == MOST_TASKS) die("too many tasks");
  tasks[task_count] = (struct task){.tid = tid};
  return &tasks[task_count++];
}

static long status_of(pid_t tid, const char *field) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  FILE *file = fopen(path, "re");
  long value = -1;
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, field, strlen(field)) == 0) value = atol(line + strlen(field));
  if (file != NULL) fclose(file);
  return value;
}

static void read_text(pid_t tid, uint64_t address, char *text, size_t size) {
  struct iovec local = {text, size - 1}, remote = {(void *)(uintptr_t)address, size - 1};
  ssize_t length = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  if (length < 0) {
    // The string may end where its page does.
    remote.iov_len = local.iov_len = 4096 - address % 4096 < size - 1 ? 4096 - address % 4096 : size - 1;
    length = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  }
  text[length < 0 ? 0 : length] = '\0';
  for (char *c = text; *c != '\0'; c++)
    if (*c < ' ' || *c > '~') *c = '?';
}

static void read_descriptor(pid_t tid, uint64_t fd, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, (int)fd);
  const ssize_t length = readlink(path, text, size - 1);
  text[length < 0 ? 0 : length] = '\0';
}

// What tells a call from others of its number: a path, or the first arguments.
static void describe(pid_t tid, const struct __ptrace_syscall_info *info, char *text, size_t size) {
  const __typeof__(info->entry.args[0]) *args = info->entry.args;
  switch (info->entry.nr) {
    case SYS_openat:
    case SYS_openat2:
    case SYS_mkdirat:
    case SYS_newfstatat:
    case SYS_unlinkat:
    case SYS_statx:
    case SYS_readlinkat:
    case SYS_open_tree:
    case SYS_fchownat:
      read_text(tid, args[1], text, size);
      // Of a descriptor (AT_EMPTY_PATH).
      if (text[0] == '\0') read_descriptor(tid, args[0], text, size);
      return;
    case SYS_fsopen:
    case SYS_memfd_create:
    case SYS_execve:
    case SYS_chdir:
    case SYS_umount2:
#if defined(SYS_access)
    case SYS_access:
    case SYS_readlink:
    case SYS_mkdir:
    case SYS_rmdir:
    case SYS_unlink:
#endif
      return read_text(tid, args[0], text, size);
    case SYS_symlinkat:
      return read_text(tid, args[2], text, size);
    case SYS_fsconfig:
      return args[2] == 0 ? (void)snprintf(text, size, "command %d", (int)args[1]) : read_text(tid, args[2], text, size);
    case SYS_prctl:
    case SYS_fcntl:
    case SYS_ioctl:
      snprintf(text, size, "%#llx %#llx", (unsigned long long)args[0], (unsigned long long)args[1]);
      return;
    case SYS_read:
    case SYS_write:
    case SYS_pread64:
    case SYS_fstat:
    case SYS_lseek:
    case SYS_getdents64:
    case SYS_sendmsg:
    case SYS_recvmsg:
    case SYS_mount_setattr:
    case SYS_fsmount:
      return read_descriptor(tid, args[0], text, size);
    default:
      snprintf(text, size, "%d", (int)args[0]);
  }
}

static void fail_entry(pid_t tid) {
#if defined(__x86_64__)
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, tid, 0, &registers) != 0) return;
  registers.orig_rax = (unsigned long long)-1;
  ptrace(PTRACE_SETREGS, tid, 0, &registers);
#else
  int number = -1;
  struct iovec part = {&number, sizeof number};
  ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &part);
#endif
}

static void fail_exit(pid_t tid) {
#if defined(__x86_64__)
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, tid, 0, &registers) != 0) return;
  registers.rax = (unsigned long long)-(long long)wanted_errno;
  ptrace(PTRACE_SETREGS, tid, 0, &registers);
#else
  struct user_regs_struct registers;
  struct iovec part = {&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &part) != 0) return;
  registers.regs[0] = (unsigned long long)-(long long)wanted_errno;
  ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &part);
#endif
}

static bool is_there(enum role role) {
  for (size_t i = 0; i < task_count; i++)
    if (tasks[i].role == role) return true;
  return role == ROLE_NONE;
}

static void at_syscall(struct task *task) {
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof info, &info) <= 0) return;
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    if (task->failing) fail_exit(task->tid);
    task->failing = false;
    return;
  }
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr >= MOST_CALLS) return;
  char text[256] = "";
  if (task->role == ROLE_NONE && info.entry.nr == SYS_prctl && info.entry.args[0] == PR_SET_NAME) {
    read_text(task->tid, info.entry.args[1], text, 16);
    if (strcmp(text, "skillbox-launch") == 0) task->role = ROLE_LAUNCH;
    if (strcmp(text, "skillbox-notify") == 0) task->role = ROLE_NOTIFY;
    return;
  }
  if (task->tid == root && !main_has_begun) {
    if (info.entry.nr != SYS_openat) return;
    read_text(task->tid, info.entry.args[1], text, sizeof text);
    if (strlen(text) < 14 || strcmp(text + strlen(text) - 14, "/skillbox.node") != 0) return;
    main_has_begun = true;
  }
  if (task->role == ROLE_NONE || task->role == ROLE_PROGRAM) return;
  const unsigned count = ++counts[task->role][info.entry.nr];
  const bool is_wanted =
      !listing && task->role == wanted_role && info.entry.nr == wanted_call && count == wanted_count && is_there(victim);
  if (!listing && !is_wanted) return;
  describe(task->tid, &info, text, sizeof text);
  fprintf(output, "%s %s %u %u %s\n", is_wanted ? "failed" : "call", role_names[task->role], (unsigned)info.entry.nr,
          count, text);
  fflush(output);
  if (!is_wanted) return;
  if (victim != ROLE_NONE) {
    for (size_t i = 0; i < task_count; i++)
      if (tasks[i].role == victim) kill(tasks[i].tid, SIGKILL);
    return;
  }
  task->failing = true;
  fail_entry(task->tid);
}

static enum role role_of_new(const struct task *parent, pid_t child) {
  const bool is_thread = status_of(child, "Tgid:") != child;
  if (is_thread) return parent->role == ROLE_PROGRAM ? ROLE_PROGRAM : ROLE_NONE;
  switch (parent->role) {
    case ROLE_LAUNCH:
      return ROLE_SPAWN;
    case ROLE_OUTER:
      // CLONE_PARENT: a child of Node's, not of the outer half's.
      return status_of(child, "PPid:") == root ? ROLE_INIT : ROLE_HOLDER;
    case ROLE_INIT:
      return ROLE_CHILD;
    case ROLE_CHILD:
    case ROLE_PROGRAM:
      return ROLE_PROGRAM;
    default:
      return ROLE_NONE;
  }
}

static void at_exec(struct task *task) {
  if (task->role == ROLE_SPAWN) task->role = ROLE_OUTER;
  if (task->role != ROLE_CHILD) return;
  task->role = ROLE_PROGRAM;
  // Where the limits of cgroups hold it, seen from outside.
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/cgroup", task->tid);
  FILE *file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) fprintf(output, "program %s", line);
  if (file != NULL) fclose(file);
  fflush(output);
}

static bool is_followed(const struct task *task) {
  // The threads of Node until they have a name; the processes that it starts for itself not at all.
  if (task->role == ROLE_PROGRAM) return false;
  return task->role != ROLE_NONE || status_of(task->tid, "Tgid:") == root;
}

static const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                            PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

static void go_on(struct task *task, int signal_number) {
  ptrace(is_followed(task) ? PTRACE_SYSCALL : PTRACE_CONT, task->tid, 0, signal_number);
}

static void at_alarm(int signal_number) { (void)signal_number; }

static int tell_left(void) {
  for (size_t i = 0; i < task_count; i++)
    fprintf(output, "left %d %s\n", tasks[i].tid, role_names[tasks[i].role]);
  return 98;
}

static int trace(void) {
  int status_of_root = -1;
  for (;;) {
    int status;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0) return errno == EINTR ? tell_left() : status_of_root;
    struct task *task = find(tid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (tid == root) {
        status_of_root = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        alarm(3);
      }
      if (task != NULL) *task = tasks[--task_count];
      continue;
    }
    if (!WIFSTOPPED(status)) continue;
    const int signal_number = WSTOPSIG(status);
    const int event = status >> 16;
    // A new task may stop before its parent tells of it: it waits for that.
    if (task == NULL) {
      add(tid)->failing = false;
      continue;
    }
    if (signal_number == (SIGTRAP | 0x80)) {
      at_syscall(task);
    } else if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
      unsigned long child = 0;
      ptrace(PTRACE_GETEVENTMSG, tid, 0, &child);
      const enum role parent_role = task->role;
      struct task *created = find((pid_t)child);
      const bool is_waiting = created != NULL;
      if (created == NULL) created = add((pid_t)child);
      created->role = role_of_new(&(struct task){.role = parent_role}, (pid_t)child);
      if (is_waiting) go_on(created, 0);
    } else if (event == PTRACE_EVENT_EXEC) {
      at_exec(task);
    } else if (event == PTRACE_EVENT_STOP) {
      // The first stop of a new task, or a group stop, in which a task stays until SIGCONT.
      const bool is_group_stop = signal_number == SIGSTOP || signal_number == SIGTSTP || signal_number == SIGTTIN ||
                                 signal_number == SIGTTOU;
      if (is_group_stop) {
        ptrace(PTRACE_LISTEN, tid, 0, 0);
        continue;
      }
    } else {
      go_on(find(tid), signal_number);
      continue;
    }
    go_on(find(tid), 0);
  }
}

static enum role role_named(const char *name) {
  for (int role = ROLE_MAIN; role < ROLES; role++)
    if (strcmp(role_names[role], name) == 0) return (enum role)role;
  return ROLE_NONE;
}

int main(int argc, char **argv) {
  listing = argc >= 4 && strcmp(argv[1], "list") == 0;
  char **program = argv + (listing ? 3 : 6);
  if (!listing) {
    if (argc < 7) return 99;
    wanted_role = role_named(argv[1]);
    victim = role_named(argv[4]);
    wanted_call = (unsigned)atoi(argv[2]);
    wanted_count = (unsigned)atoi(argv[3]);
    wanted_errno = atoi(argv[4]);
  }
  output = fopen(program[-1], "we");
  if (output == NULL) die(program[-1]);
  const struct sigaction action = {.sa_handler = at_alarm};
  sigaction(SIGALRM, &action, NULL);
  // What is orphaned comes to us.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  root = fork();
  if (root < 0) die("fork");
  if (root == 0) {
    raise(SIGSTOP);
    execvp(program[0], program);
    die(program[0]);
  }
  int status;
  waitpid(root, &status, WUNTRACED);
  if (ptrace(PTRACE_SEIZE, root, 0, options) != 0) die("PTRACE_SEIZE");
  add(root)->role = ROLE_MAIN;
  fprintf(output, "root %d\n", root);
  fflush(output);
  kill(root, SIGCONT);
  return trace();
}
