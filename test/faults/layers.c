// Looks, from inside, for every layer of a sandbox, and prints a line for each that is missing. Last line: "layers held".
//
//     layers KEY=VALUE…
//
//   namespaces=mnt:[…],net:[…]  of the host           uid=N            the caller's own
//   read=DIR deny=FILE write=DIR overlay=DIR          grants of the policy that are there
//   nproc=N nofile=N tmp=BYTES                        its limits       secret=NAME of a variable that is not passed
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **arguments;
static bool all_held = true;

static const char *given(const char *key) {
  const size_t length = strlen(key);
  for (char **each = arguments; *each != NULL; each++)
    if (strncmp(*each, key, length) == 0 && (*each)[length] == '=') return *each + length + 1;
  return NULL;
}

static void expect(bool holds, const char *layer, ...) {
  if (holds) return;
  const int error = errno;
  all_held = false;
  va_list list;
  va_start(list, layer);
  printf("missing: ");
  vprintf(layer, list);
  printf(" (%s)\n", strerror(error));
  va_end(list);
}

static bool refused(long result, int error) { return result < 0 && errno == error; }

static bool cannot_write(const char *path, int error) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  return refused(fd, error);
}

static char *joined(const char *directory, const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void files(void) {
  expect(cannot_write("/.layers", EROFS), "read-only root");
  expect(cannot_write("/etc/passwd", EROFS) || errno == EACCES, "read-only /etc");
  expect(access("/root", F_OK) != 0 && access("/var/log", F_OK) != 0 && access("/boot", F_OK) != 0, "own root");
  const char *path = given("read");
  if (path != NULL) expect(cannot_write(joined(path, "new"), EROFS), "read-only grant");
  if (path != NULL) expect(access(joined(path, "shown"), R_OK) == 0, "read grant");
  if ((path = given("deny")) != NULL) {
    char byte;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    expect(fd < 0 || read(fd, &byte, 1) <= 0, "denied file");
  }
  if ((path = given("write")) != NULL) expect(access(path, W_OK) == 0, "write grant");
  if ((path = given("overlay")) != NULL) {
    const int fd = open(joined(path, "inside"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    expect(fd >= 0, "overlay");
    close(fd);
  }
  struct statvfs tmp;
  expect(statvfs("/tmp", &tmp) == 0 && (tmp.f_flag & (ST_NOSUID | ST_NODEV)) == (ST_NOSUID | ST_NODEV), "flags of /tmp");
  if (given("tmp") != NULL)
    expect(tmp.f_blocks * tmp.f_frsize == strtoull(given("tmp"), NULL, 10), "size of /tmp");
  struct statvfs dev;
  expect(statvfs("/usr", &dev) == 0 && (dev.f_flag & (ST_NOSUID | ST_NODEV | ST_RDONLY)) ==
                                           (ST_NOSUID | ST_NODEV | ST_RDONLY), "flags of /usr");
  char byte;
  const int kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
  expect(kcore < 0 || read(kcore, &byte, 1) <= 0, "masked /proc/kcore");
  expect(cannot_write("/proc/sys/kernel/core_pattern", EROFS) || errno == EACCES, "read-only /proc/sys");
  expect(refused(open("/.scaffold", O_PATH | O_CLOEXEC), ENOENT) && refused(open("/.upper", O_PATH | O_CLOEXEC), ENOENT),
         "what the root is assembled from is gone");
}

static void status_fields(void) {
  FILE *file = fopen("/proc/self/status", "re");
  expect(file != NULL, "own /proc");
  char line[256];
  unsigned seen = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "Cap", 3) == 0) expect(strstr(line, "\t0000000000000000") != NULL, "no capabilities: %s", line);
    if (strncmp(line, "Seccomp:", 8) == 0) expect(strcmp(line, "Seccomp:\t2") == 0, "%s", line);
    if (strncmp(line, "NoNewPrivs:", 11) == 0) expect(strcmp(line, "NoNewPrivs:\t1") == 0, "%s", line);
    if (strncmp(line, "SigBlk:", 7) == 0) expect(strtoull(line + 8, NULL, 16) == 0, "signals are not blocked: %s", line);
    if (strncmp(line, "SigIgn:", 7) == 0) expect(strtoull(line + 8, NULL, 16) == 0, "signals are not ignored: %s", line);
    if (strncmp(line, "NSpid:", 6) == 0) expect(strtol(line + 7, NULL, 10) == getpid(), "pid namespace: %s", line);
    seen += strncmp(line, "CapBnd:", 7) == 0 || strncmp(line, "Seccomp:", 8) == 0;
  }
  if (file != NULL) fclose(file);
  expect(seen == 2, "/proc/self/status");
}

static void identity(void) {
  unsigned inside = 0, outside = 0, length = 0;
  FILE *file = fopen("/proc/self/uid_map", "re");
  expect(file != NULL && fscanf(file, "%u %u %u", &inside, &outside, &length) == 3 && length == 1, "uid map");
  if (file != NULL) fclose(file);
  expect(getuid() != 0 && geteuid() != 0 && inside == getuid(), "a uid of its own");
  // A root caller's program is nobody that the host knows, and in no group.
  if (given("uid") != NULL && atoi(given("uid")) == 0) expect(outside >= 1879048192 && getgroups(0, NULL) == 0, "outside uid");
  expect(getppid() == 1, "its parent is PID 1");
  expect(getsid(0) == getpid(), "a session of its own");
  expect(refused(open("/proc/1/environ", O_RDONLY | O_CLOEXEC), EACCES), "PID 1 is not to be looked into");
  for (int fd = 3; fd < 256; fd++) expect(fcntl(fd, F_GETFD) < 0, "descriptor %d is not there", fd);
  const mode_t before = umask(0);
  expect(before == 022, "umask");
  if (given("secret") != NULL) expect(getenv(given("secret")) == NULL, "the caller's environment stays outside");
  char name[64] = "";
  gethostname(name, sizeof name);
  expect(given("hostname") == NULL || strcmp(name, given("hostname")) != 0, "a host name of its own");
}

static void namespaces(void) {
  const char *host = given("namespaces");
  static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
  for (size_t i = 0; host != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
    expect(readlink(path, name, sizeof name - 1) > 0 && strstr(host, name) == NULL, "%s namespace", kinds[i]);
  }
}

static void network(void) {
  struct if_nameindex *interfaces = if_nameindex();
  expect(interfaces != NULL, "if_nameindex");
  for (struct if_nameindex *i = interfaces; i != NULL && i->if_index != 0; i++)
    expect(strcmp(i->if_name, "lo") == 0, "interface %s is not there", i->if_name);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A documentation address (RFC 5737): whoever is connected to it is not where it says.
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
  inet_pton(AF_INET, "198.51.100.7", &address.sin_addr);
  expect(fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0, "no way out");
  close(fd);
}

static void calls(void) {
  // ENOSYS: the supervisor has let go of it, and ends it.
  expect(refused(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */), EPERM) || errno == ENOSYS, "no user namespaces");
  expect(refused(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM) || errno == ENOSYS, "no mounts");
  expect(syscall(SYS_keyctl, 0, -3, 0) < 0, "no keyrings");
  expect(refused(syscall(SYS_clone3, NULL, 0), ENOSYS), "no clone3");
  struct rlimit limit;
  expect(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 1, "RLIMIT_CORE");
  if (given("nproc") != NULL)
    expect(getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_max <= strtoull(given("nproc"), NULL, 10), "RLIMIT_NPROC");
  if (given("nofile") != NULL)
    expect(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max <= strtoull(given("nofile"), NULL, 10), "RLIMIT_NOFILE");
}

int main(int argc, char **argv) {
  (void)argc;
  arguments = argv + 1;
  if (getppid() != 1 || getenv("SKILLBOX") == NULL) {
    fputs("layers: this is not a sandbox\n", stderr);
    return 2;
  }
  files();
  status_fields();
  identity();
  namespaces();
  network();
  calls();
  if (all_held) puts("layers held");
  fflush(stdout);
  return all_held ? 0 : 1;
}
