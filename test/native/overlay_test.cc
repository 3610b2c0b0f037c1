// Lists and commits what shell scripts did in real overlay mounts. Each mount lives in a user and mount namespace that
// is gone, upper tmpfs and all but for one descriptor, before it is looked at: the state that the supervisor finds.
//
//   overlay_test DIRECTORY [MEMORY]     empty directories, written by the caller alone; MEMORY is on a tmpfs, for the
//                                       case whose ten thousands of directories take a disk a minute
//
// Prints one line a case; the exit status is the number of cases that failed.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../../native/overlay/changes.h"
#include "../../native/overlay/commit.h"

namespace {

using namespace skillbox;
using namespace skillbox::overlay;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

void must(bool ok, const char* what) {
  if (!ok) die(what);
}

std::string quote(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    char escaped[8];
    const auto byte = static_cast<unsigned char>(c);
    std::snprintf(escaped, sizeof escaped, byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
    text += escaped;
  }
  return text;
}

std::string read_all(const std::string& path) {
  std::string text;
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  must(static_cast<bool>(file), path.c_str());
  char buffer[4096];
  for (ssize_t count; (count = ::read(file.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  return text;
}

void write_all(const std::string& path, const std::string& text) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  must(file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()), path.c_str());
}

// In `directory`, with `set -e`; the script comes as an argument, so that it may hold anything.
void shell(const std::string& directory, const std::string& script) {
  const pid_t pid = ::fork();
  must(pid >= 0, "fork");
  if (pid == 0) {
    must(::chdir(directory.c_str()) == 0, "chdir");
    ::umask(022);
    const std::string text = "set -e\n" + script;
    ::execl("/bin/bash", "bash", "-c", text.c_str(), static_cast<char*>(nullptr));
    die("execl");
  }
  int status = 0;
  must(::waitpid(pid, &status, 0) == pid, "waitpid");
  if (status != 0) {
    std::fprintf(stderr, "failed in %s:\n%s\n", directory.c_str(), script.c_str());
    std::abort();
  }
}

// Names, types, modes, times, link texts and contents: what a commit has to carry over.
constexpr const char* kSnapshot =
    "(find . -mindepth 1 -type f -printf '%P|f|%m|%s|%T@\\0' -o -mindepth 1 -type d -printf '%P|d|%m|%T@\\0' -o "
    "-type l -printf '%P|l|%l|%T@\\0'; find . -type f -exec sha1sum -z {} +) | LC_ALL=C sort -z";

void send_descriptor(int socket, int descriptor) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  must(::sendmsg(socket, &message, 0) == 1, "sendmsg");
}

Fd receive_descriptor(int socket) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  must(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  return Fd(descriptor);
}

// Runs the script in an overlay over base/lower and returns the upper directory.
Fd run_in_overlay(const std::string& base, const std::string& script, const char* snapshot = "true") {
  int sockets[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
  const Fd ours(sockets[0]);
  Fd theirs(sockets[1]);
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  const pid_t pid = ::fork();
  must(pid >= 0, "fork");
  if (pid == 0) {
    must(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
    write_all("/proc/self/setgroups", "deny");
    write_all("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1");
    write_all("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1");
    must(::mount("tmpfs", (base + "/layers").c_str(), "tmpfs", 0, "mode=0700") == 0, "mount tmpfs");
    must(::mkdir((base + "/layers/upper").c_str(), 0755) == 0, "mkdir upper");
    must(::mkdir((base + "/layers/work").c_str(), 0700) == 0, "mkdir work");
    // userxattr implies redirect_dir=off and metacopy=off.
    const std::string data =
        "userxattr,lowerdir=" + base + "/lower,upperdir=" + base + "/layers/upper,workdir=" + base + "/layers/work";
    must(::mount("overlay", (base + "/merged").c_str(), "overlay", 0, data.c_str()) == 0, "mount overlay");
    shell(base + "/merged", script);
    shell(base + "/merged", std::string(snapshot) + " > ../expected");
    const Fd upper(::open((base + "/layers/upper").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    send_descriptor(theirs.get(), upper.get());
    ::_exit(0);
  }
  theirs.reset();
  Fd upper = receive_descriptor(ours.get());
  int status = 0;
  must(::waitpid(pid, &status, 0) == pid && status == 0, "the namespace");
  return upper;
}

const char* text(ChangeKind kind) {
  constexpr const char* kNames[] = {"created", "modified", "deleted", "mode"};
  return kNames[static_cast<int>(kind)];
}

const char* text(FileType type) {
  constexpr const char* kNames[] = {"none", "file", "directory", "symlink", "fifo", "socket", "device"};
  return kNames[static_cast<int>(type)];
}

const char* text(Refusal reason) {
  constexpr const char* kNames[] = {"special_file", "symlink_target", "target_symlink", "target_changed",
                                    "mount_point",  "too_deep",       "failed"};
  return kNames[static_cast<int>(reason)];
}

std::string describe(const Changes& changes) {
  std::string lines;
  for (const Change& change : changes.entries) {
    char line[128];
    std::snprintf(line, sizeof line, "%s %s %o", text(change.kind), text(change.type), change.mode);
    lines += line;
    if (change.type == FileType::file && change.kind != ChangeKind::deleted) lines += " " + std::to_string(change.size);
    if (change.lower_type != FileType::none && change.lower_type != change.type)
      lines += std::string(" was ") + text(change.lower_type);
    lines += " " + quote(change.path) + "\n";
  }
  return lines;
}

std::string describe(const CommitReport& report) {
  std::string lines;
  for (const Refused& refused : report.refused)
    lines += std::string(text(refused.reason)) + " " + quote(refused.path) + "\n";
  return lines;
}

struct Case {
  const char* title;
  // Builds the host's directory.
  const char* lower;
  // Inside.
  const char* program;
  const char* changes;
  const char* refused = "";
  // What the host does to its directory between run and commit.
  const char* meanwhile = "";
  // Run in the host's directory after the commit; replaces the comparison with the view inside.
  const char* check = nullptr;
};

const Case kCases[] = {
    {"nothing", "echo 1 > a", "cat a >/dev/null", ""},
    {"create, modify, append, chmod, delete", "echo 1 > a; echo 1 > b; echo 1 > c; echo 1 > d; mkdir e; echo 1 > e/f",
     "echo 22 > a; echo 2 >> b; chmod 600 c; rm d; echo new > g; echo 3 > e/f; mkdir -p h/i; echo x > h/i/j",
     "modified file 644 3 a\nmodified file 644 4 b\nmode file 600 2 c\ndeleted file 644 d\nmodified file 644 2 e/f\n"
     "created file 644 4 g\ncreated directory 755 h\ncreated directory 755 h/i\ncreated file 644 2 h/i/j\n"},
    {"copied up without a change", "echo 1 > a; mkdir d; echo 1 > d/f", "touch -r a a; exec 3<>d/f", "", "", "",
     "test $(cat a d/f | wc -l) = 2"},
    {"same size, other bytes at the end", "head -c 300000 /dev/zero > a",
     "printf x | dd of=a bs=1 seek=299999 conv=notrunc 2>/dev/null", "modified file 644 300000 a\n"},
    {"rename of a file", "mkdir d e; echo 1 > d/a", "mv d/a e/b", "deleted file 644 d/a\ncreated file 644 2 e/b\n"},
    {"a lower directory is moved by copying (EXDEV)", "mkdir -p d/e; echo 1 > d/e/a",
     "perl -e 'exit(rename(q(d),q(n)) ? 1 : $!{EXDEV} ? 0 : 2)'; mv d n",
     "deleted directory 755 d\ncreated directory 755 n\ncreated directory 755 n/e\ncreated file 644 2 n/e/a\n"},
    {"removed and made again: opaque, also further down",
     "mkdir -p d/s d/t; echo 1 > d/a; echo 1 > d/b; echo 1 > d/s/c; echo 1 > d/s/k; touch -d 2001-01-01 d/b d/s/k",
     "rm -rf d; mkdir -p d/s; echo 1 > d/b; echo 2 > d/s/n; echo 1 > d/s/k; touch -d 2001-01-01 d/b d/s/k",
     "deleted file 644 d/a\ndeleted file 644 d/s/c\ncreated file 644 2 d/s/n\ndeleted directory 755 d/t\n"},
    {"types change", "mkdir d; echo 1 > d/a; echo 1 > f; ln -s f l; mkdir e; ln -s e m",
     "rm -r d; echo x > d; rm f; mkdir f; echo y > f/b; rm l; echo z > l; rmdir e; ln -s f e; rm m; mkdir m; echo w > "
     "m/n",
     "modified file 644 2 was directory d\nmodified symlink 777 was directory e\nmodified directory 755 was file f\n"
     "created file 644 2 f/b\nmodified file 644 2 was symlink l\nmodified directory 755 was symlink m\ncreated file "
     "644 2 m/n\n"},
    {"modes of directories", "mkdir d e; chmod 700 e",
     "chmod 500 d; chmod 755 e; echo 1 > e/a; mkdir n; echo 1 > n/a; chmod 555 n",
     "mode directory 500 d\nmode directory 755 e\ncreated file 644 2 e/a\ncreated directory 555 n\ncreated file 644 2 "
     "n/a\n"},
    {"nothing that its owner may not read is missed", "echo 1 > a",
     "echo 2 > b; chmod 0 b; mkdir d; echo 3 > d/c; chmod 0 d; chmod 0 a",
     "mode file 0 2 a\ncreated file 0 2 b\ncreated directory 0 d\ncreated file 644 2 d/c\n", "", "",
     "test \"$(stat -c %a a b d | tr '\\n' ' ')\" = '0 0 0 '; chmod 700 d; chmod 600 b; grep -q 3 d/c; grep -q 2 b"},
    {"symbolic links that stay inside", "mkdir -p d/e; echo 1 > a; ln -s a old",
     "ln -s ../../a d/e/l; ln -s gone d/m; ln -s . here; ln -s d/e n; ln -sfn d old",
     "created symlink 777 d/e/l\ncreated symlink 777 d/m\ncreated symlink 777 here\ncreated symlink 777 n\nmodified "
     "symlink 777 old\n"},
    {"symbolic links that lead out", "mkdir d; ln -s /etc out; echo 1 > keep",
     "ln -s /etc/passwd a; ln -s .. b; ln -s ../../x d/c; ln -s d/../../x e; ln -s out/passwd f; ln -s ../d/.. d/g; ln "
     "-sf /etc/passwd keep; ln -s loop loop",
     "created symlink 777 a\ncreated symlink 777 b\ncreated symlink 777 d/c\ncreated symlink 777 d/g\ncreated symlink "
     "777 e\n"
     "created symlink 777 f\nmodified symlink 777 was file keep\ncreated symlink 777 loop\n",
     "symlink_target a\nsymlink_target b\nsymlink_target d/c\nsymlink_target d/g\nsymlink_target e\nsymlink_target "
     "f\nsymlink_target keep\n",
     "", "test \"$(LC_ALL=C ls -A . d | tr '\\n' ' ')\" = '.: d keep loop out  d: '; test \"$(cat keep)\" = 1"},
    {"a link in the place of a lower directory", "mkdir d; echo 1 > d/a", "rm -r d; ln -s /etc d",
     "modified symlink 777 was directory d\n", "symlink_target d\n", "", "test \"$(cat d/a)\" = 1"},
    {"hard links become copies", "echo 1 > a", "ln a b; echo 2 > c; ln c d",
     "created file 644 2 b\ncreated file 644 2 c\ncreated file 644 2 d\n"},
    {"special files", "echo 1 > keep",
     "mkfifo p; perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0);bind(S,sockaddr_un(q(s))) or die'; rm keep; mkfifo "
     "keep",
     "modified fifo 644 was file keep\ncreated fifo 644 p\ncreated socket 755 s\n",
     "special_file keep\nspecial_file p\nspecial_file s\n", "", "test \"$(ls -A)\" = keep; test \"$(cat keep)\" = 1"},
    {"set-id and sticky bits",
     "echo 1 > a; mkdir d g; chmod 2775 g; echo 1 > host; chmod 4755 host; echo 1 > host2; chmod 4755 host2",
     "chmod 6755 a; echo 2 > b; chmod 4711 b; chmod 3777 d; mkdir n; chmod 1777 n; chmod 2770 g; chmod 4711 host; echo "
     "2 > host2; chmod 4755 host2",
     "mode file 6755 2 a\ncreated file 4711 2 b\nmode directory 3777 d\nmode directory 2770 g\nmode file 4711 2 "
     "host\nmodified file 4755 2 host2\ncreated directory 1777 n\n",
     "", "", "test \"$(stat -c %a a b d n g host host2 | tr '\\n' ' ')\" = '755 711 777 777 2770 4711 755 '"},
    {"a hole of a terabyte", "", "truncate -s 1T a; echo end >> a; printf start | dd of=a conv=notrunc 2>/dev/null",
     "created file 644 1099511627780 a\n", "", "",
     "test $(stat -c %s a) = 1099511627780; test $(stat -c %b a) -lt 1000; test $(head -c 5 a) = start; test $(tail -c "
     "4 a) = end"},
    {"names are bytes", "echo 1 > $'old\\nname'; mkdir a; echo 1 > a/b",
     "rm $'old\\nname'; echo 1 > $'\\xff\\xfe'; echo 1 > $'n\\nl'; echo 1 > ' *?'; echo 1 > a-b; echo 2 > a/b; echo 1 "
     "> $'\\e[31m'",
     "created file 644 2 \\x1b[31m\ncreated file 644 2  *?\ncreated file 644 2 a-b\nmodified file 644 2 a/b\ncreated "
     "file 644 2 n\\x0al\n"
     "deleted file 644 old\\x0aname\ncreated file 644 2 \\xff\\xfe\n"},
    {"mtimes", "mkdir d; echo 1 > d/a; touch -d 2001-01-01 d/a d",
     "touch -d 2002-02-02 n; echo x > d/b; touch -d 2003-03-03 d/b; ln -s b d/l; touch -h -d 2004-04-04 d/l; touch -d "
     "2005-05-05 d",
     "created file 644 2 d/b\ncreated symlink 777 d/l\ncreated file 644 0 n\n"},
    {"many files", "", "mkdir d; cd d; for i in $(seq 10 99); do echo $i > f$i; done; rm f*; rmdir ../d", ""},
    {"hostile: the host's directory became a link", "mkdir d; echo 1 > d/a", "echo 2 > d/a; echo 1 > d/n; echo ok > z",
     nullptr, "target_symlink d\n", "mkdir ../outside; mv d ../outside/d; ln -s ../outside/d d",
     "test -L d; test \"$(cat ../outside/d/a)\" = 1; test ! -e ../outside/d/n; test \"$(cat z)\" = ok"},
    {"hostile: the host's file became a link", "echo 1 > a", "echo 22 >> a", nullptr, "target_symlink a\n",
     "mkdir ../outside; echo secret > ../outside/s; ln -sf ../outside/s a",
     "test -L a; test \"$(cat ../outside/s)\" = secret"},
    {"hostile: a deleted name became a link", "mkdir d; echo 1 > d/a", "rm -r d", nullptr, "",
     "rm -r d; mkdir ../outside; echo 1 > ../outside/s; ln -s ../outside d",
     "test ! -e d; test ! -L d; test -e ../outside/s"},
    {"hostile: links inside a deleted directory", "mkdir -p d/e ; ln -s ../../outside d/e/l; ln -s /etc d/m", "rm -r d",
     nullptr, "", "mkdir ../outside; echo 1 > ../outside/s", "test ! -e d; test -e ../outside/s"},
    {"hostile: a new directory meets a link", "echo 1 > a", "mkdir n; echo 1 > n/x", nullptr, "target_symlink n\n",
     "mkdir ../outside; ln -s ../outside n", "test -L n; test -z \"$(ls -A ../outside)\""},
    {"the host's file became a directory", "echo 1 > a", "echo 2 >> a", nullptr, "target_changed a\n",
     "rm a; mkdir a; echo keep > a/k", "test -e a/k"},
    {"the host's directory is gone", "mkdir d; echo 1 > d/a", "echo 2 > d/b; rm d/a", nullptr, "", "rm -r d",
     "test \"$(ls -A d)\" = b"},
    {"a file that was only opened does not undo the host's change of mode", "echo 1 > a; chmod 640 a", "exec 3<>a",
     nullptr, "", "", "test $(stat -c %a a) = 640"},
};

struct Outcome {
  int cases = 0;
  int failures = 0;

  void check(const char* title, const std::string& difference) {
    ++cases;
    failures += difference.empty() ? 0 : 1;
    std::printf("%s %d - %s\n%s", difference.empty() ? "ok" : "not ok", cases, title, difference.c_str());
    std::fflush(stdout);
  }
};

std::string prepare(const std::string& directory, int number) {
  const std::string base = directory + "/" + std::to_string(number);
  must(::mkdir(base.c_str(), 0755) == 0, base.c_str());
  for (const char* name : {"/lower", "/layers", "/merged"}) must(::mkdir((base + name).c_str(), 0755) == 0, name);
  return base;
}

Fd open_lower(const std::string& base) {
  Fd lower(::open((base + "/lower").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  must(static_cast<bool>(lower), "open lower");
  return lower;
}

std::string expect(const char* what, const std::string& actual, const std::string& expected) {
  if (actual == expected) return "";
  return std::string("  ") + what + " expected:\n" + expected + "  actual:\n" + actual + "\n";
}

std::string commit(const Fd& upper, const Fd& lower, CommitReport* report, bool sync = true) {
  CommitOptions options;
  options.sync = sync;
  Error error;
  if (commit_changes(upper.get(), lower.get(), options, report, &error)) return "";
  return std::string("  commit stopped: ") + error.op + " " + quote(error.path) + ": " + std::strerror(error.error) +
         "\n";
}

std::string list(const Fd& upper, const Fd& lower, const ListOptions& options, Changes* changes) {
  Error error;
  if (list_changes(upper.get(), lower.get(), options, changes, &error)) return "";
  return std::string("  list stopped: ") + error.op + " " + quote(error.path) + ": " + std::strerror(error.error) +
         "\n";
}

std::string run_case(const Case& test, const std::string& base) {
  shell(base + "/lower", test.lower);
  const Fd upper = run_in_overlay(base, test.program, test.check == nullptr ? kSnapshot : "true");
  shell(base + "/lower", test.meanwhile);
  const Fd lower = open_lower(base);
  Changes changes;
  std::string difference = list(upper, lower, {}, &changes);
  if (test.changes != nullptr) difference += expect("changes", describe(changes), test.changes);
  CommitReport report;
  difference += commit(upper, lower, &report);
  difference += expect("refused", describe(report), test.refused);
  if (test.check != nullptr) {
    shell(base + "/lower", test.check);
  } else {
    shell(base + "/lower", std::string(kSnapshot) + " > ../actual");
    difference += expect("tree", quote(read_all(base + "/actual")), quote(read_all(base + "/expected")));
  }
  // What is left to do after a commit is what it refused.
  Changes rest;
  difference += list(upper, lower, {}, &rest);
  if (*test.refused == '\0' && test.check == nullptr) difference += expect("left", describe(rest), "");
  shell(base + "/lower", "test -z \"$(find . -name '.skillbox-commit-*' 2>/dev/null)\"");
  return difference;
}

std::string deep_tree(const std::string& base) {
  // 1 600 levels on both sides, more than PATH_MAX and than the descriptors that a process may have.
  constexpr const char* kDig = "perl -e 'for (1..1600) { mkdir q(dd) or die; chdir q(dd) or die } open F, q(>f)'";
  shell(base + "/lower", std::string("mkdir gone; cd gone; ") + kDig);
  const Fd upper = run_in_overlay(base, std::string("rm -rf gone; mkdir new; cd new; ") + kDig);
  rlimit saved, few = {128, 128};
  must(::getrlimit(RLIMIT_NOFILE, &saved) == 0, "getrlimit");
  few.rlim_max = saved.rlim_max;
  must(::setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
  const Fd lower = open_lower(base);
  Changes changes;
  std::string difference = list(upper, lower, {}, &changes);
  difference += expect("too deep", std::to_string(changes.too_deep), "1");
  difference += expect("entries", std::to_string(changes.entries.size()), std::to_string(2 + (4095 - 3) / 3));
  CommitReport report;
  difference += commit(upper, lower, &report, false);
  difference += expect("deleted", std::to_string(report.deleted), "1");
  difference += expect("reason", report.refused.empty() ? "" : text(report.refused.front().reason), "too_deep");
  must(::setrlimit(RLIMIT_NOFILE, &saved) == 0, "setrlimit");
  shell(base + "/lower", "test \"$(ls -A)\" = new; rm -rf new");
  return difference;
}

std::string caps(const std::string& base) {
  const Fd upper = run_in_overlay(base, "for i in $(seq 100 199); do echo 1 > f$i; done");
  const Fd lower = open_lower(base);
  Changes changes;
  ListOptions options;
  options.max_entries = 10;
  std::string difference = list(upper, lower, options, &changes);
  difference += expect("entries", describe(changes).substr(0, 24), "created file 644 2 f100\n");
  difference +=
      expect("count", std::to_string(changes.entries.size()) + (changes.truncated ? " truncated" : ""), "10 truncated");
  options.max_entries = 100;
  difference += list(upper, lower, options, &changes);
  difference +=
      expect("exactly", std::to_string(changes.entries.size()) + (changes.truncated ? " truncated" : ""), "100");
  options.max_path_bytes = 41;
  difference += list(upper, lower, options, &changes);
  difference +=
      expect("bytes", std::to_string(changes.entries.size()) + (changes.truncated ? " truncated" : ""), "10 truncated");
  return difference;
}

// Marks that no mount of ours makes, written by hand.
std::string foreign_marks(const std::string& base) {
  const std::string directory = base + "/up/d", file = directory + "/a";
  const auto mark = [](const std::string& path, const char* name, const char* value) {
    must(::setxattr(path.c_str(), name, value, std::strlen(value), 0) == 0, name);
  };
  shell(base, "mkdir lower/d up up/d; echo 1 > lower/d/a; echo 1 > lower/d/b; touch up/d/a");
  const Fd lower = open_lower(base);
  const Fd upper(::open((base + "/up").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Changes changes;
  ListOptions trusted;
  trusted.attributes = Attributes::trusted;

  mark(file, "user.overlay.whiteout", "");
  mark(directory, "user.overlay.opaque", "x");
  std::string difference = list(upper, lower, {}, &changes);
  difference += expect("attribute whiteout", describe(changes), "deleted file 644 d/a\n");
  must(::removexattr(directory.c_str(), "user.overlay.opaque") == 0, "removexattr");
  difference += list(upper, lower, {}, &changes);
  difference += expect("an attribute outside its place", describe(changes), "modified file 644 0 d/a\n");
  mark(directory, "user.overlay.opaque", "y");
  difference += list(upper, lower, {}, &changes);
  difference += expect("opaque", describe(changes), "modified file 644 0 d/a\ndeleted file 644 d/b\n");
  difference += list(upper, lower, trusted, &changes);
  difference += expect("the program's own attribute", describe(changes), "modified file 644 0 d/a\n");

  mark(directory, "user.overlay.redirect", "/etc");
  Error error;
  bool ok = list_changes(upper.get(), lower.get(), {}, &changes, &error);
  difference += expect("redirect", std::string(ok ? "ok " : error.op) + " " + error.path, "overlay redirect d/");
  CommitReport report;
  ok = commit_changes(upper.get(), lower.get(), {}, &report, &error);
  difference += expect("redirect", ok ? "ok" : error.op, "overlay redirect");
  shell(base + "/lower", "test -e d/a; test -e d/b");
  return difference;
}

// Root alone can mount on the host's side, in a namespace of the test's own.
std::string mount_points(const std::string& base) {
  shell(base + "/lower", "mkdir -p d/m e n; echo 1 > d/a; echo 1 > n/f");
  const Fd upper = run_in_overlay(base, "rm -r d; echo 1 > e/x; rm n/f; rmdir n; echo 1 > n");
  must(::unshare(CLONE_NEWNS) == 0, "unshare");
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private");
  for (const char* name : {"/lower/d/m", "/lower/e", "/lower/n"}) {
    must(::mount("tmpfs", (base + name).c_str(), "tmpfs", 0, nullptr) == 0, name);
  }
  shell(base + "/lower", "echo keep > d/m/k; echo keep > e/k; echo keep > n/k");
  const Fd lower = open_lower(base);
  Changes changes;
  std::string difference = list(upper, lower, {}, &changes);
  CommitReport report;
  difference += commit(upper, lower, &report);
  difference += expect("refused", describe(report), "mount_point d\nmount_point e\nmount_point n\n");
  shell(base + "/lower",
        "test -e d/a -a -e d/m/k -a -e e/k -a ! -e e/x -a -e n/k; umount d/m e n; test ! -e e/x; test -d n");
  return difference;
}

std::string full_disk(const std::string& base) {
  const Fd upper = run_in_overlay(base, "echo new > a; head -c 3000000 /dev/urandom > b; echo new > c");
  must(::unshare(CLONE_NEWNS) == 0, "unshare");
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private");
  must(::mount("tmpfs", (base + "/lower").c_str(), "tmpfs", 0, "size=1m") == 0, "mount");
  shell(base + "/lower", "echo old > b; echo old > c");
  const Fd lower = open_lower(base);
  CommitReport report;
  Error error;
  const bool ok = commit_changes(upper.get(), lower.get(), {}, &report, &error);
  std::string difference =
      expect("stop", std::string(ok ? "ok" : error.op) + " " + error.path + " " + std::strerror(error.error),
             "copy b No space left on device");
  shell(base + "/lower",
        "test $(cat a) = new; test $(cat b) = old; test $(cat c) = old; test \"$(ls -A | tr '\\n' ' ')\" = 'a b c '");
  return difference;
}

std::string owners(const std::string& base) {
  shell(base + "/lower", "echo 1 > theirs; chown 7:8 theirs");
  const Fd upper = run_in_overlay(base, "rm theirs; echo 2 > theirs; mkdir d; echo 1 > d/f; ln -s f d/l");
  const Fd lower = open_lower(base);
  CommitOptions options;
  options.uid = 1234;
  options.gid = 5678;
  CommitReport report;
  Error error;
  std::string difference = commit_changes(upper.get(), lower.get(), options, &report, &error) ? "" : "  stopped\n";
  shell(base + "/lower",
        "test \"$(stat -c %u:%g d d/f d/l theirs | tr '\\n' ' ')\" = '1234:5678 1234:5678 1234:5678 7:8 '");
  return difference;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 125;
  const std::string directory = argv[1];
  const std::string memory = argv[argc - 1];
  Outcome outcome;
  int number = 0;
  for (const Case& test : kCases) outcome.check(test.title, run_case(test, prepare(directory, ++number)));
  outcome.check("1 600 levels", deep_tree(prepare(memory, ++number)));
  outcome.check("caps", caps(prepare(directory, ++number)));
  outcome.check("marks of other mounts", foreign_marks(prepare(directory, ++number)));
  if (::geteuid() == 0) {
    outcome.check("owners", owners(prepare(directory, ++number)));
    outcome.check("mount points of the host", mount_points(prepare(directory, ++number)));
    outcome.check("a full disk", full_disk(prepare(directory, ++number)));
  }
  std::printf("1..%d\n", outcome.cases);
  return std::min(outcome.failures, 99);
}
