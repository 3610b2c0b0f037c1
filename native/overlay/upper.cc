#include "upper.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>

namespace skillbox::overlay {

UpperWalk::~UpperWalk() {
  while (!frames_.empty()) {
    if (frames_.back().restores_mode) ::fchmod(cursor_.fd(), frames_.back().status.st_mode & 07777);
    frames_.pop_back();
    if (!frames_.empty() && cursor_.ascend() != 0) return;
  }
}

UpperWalk::Step UpperWalk::next() {
  if (error_.error != 0) return Step::failed;
  if (frames_.empty()) {
    if (leaving_) return Step::done;
    if (!start()) return Step::failed;
  } else if (leaving_) {
    pop();
    if (error_.error != 0) return Step::failed;
    if (frames_.empty()) return Step::done;
    leaving_ = false;
  }
  Frame& frame = frames_.back();
  path_.resize(frame.path_length);
  if (frame.next == frame.names.size()) {
    leaving_ = true;
    return Step::leave;
  }
  path_ += frame.names[frame.next++];
  return classify() ? Step::entry : Step::failed;
}

bool UpperWalk::start() {
  if (const int error = cursor_.open(root_); error != 0) return fail("open", error);
  struct stat st;
  if (::fstat(cursor_.fd(), &st) != 0) return fail("fstat", errno);
  return push(st, false, false);
}

bool UpperWalk::enter() {
  const struct stat st = status_;
  const bool parent_hides = hides_lower();
  // A directory without rwx for its owner hides its content from an unprivileged supervisor, which owns it too.
  const bool opens_up = (st.st_mode & 0700) != 0700 && st.st_uid == ::geteuid();
  if (opens_up && ::fchmodat(cursor_.fd(), name().c_str(), (st.st_mode & 07777) | 0700, 0) != 0) {
    return fail("chmod", errno);
  }
  if (const int error = cursor_.descend(name().c_str()); error != 0) {
    // The first error is the one to tell.
    if (opens_up) (void)!::fchmodat(cursor_.fd(), name().c_str(), st.st_mode & 07777, 0);
    return fail("open", error);
  }
  path_ += '/';
  return push(st, parent_hides, opens_up);
}

bool UpperWalk::push(const struct stat& status, bool hides_lower, bool restores_mode) {
  Frame frame;
  frame.status = status;
  frame.restores_mode = restores_mode;
  frame.path_length = path_.size();
  const std::string opaque = attribute(cursor_.fd(), "opaque");
  // "x" is not opaque: it only says that attribute whiteouts may lie within (Linux 6.7).
  frame.hides_lower = hides_lower || opaque == "y";
  frame.has_attribute_whiteouts = opaque == "x";
  const bool is_redirected = !attribute(cursor_.fd(), "redirect").empty();
  const int error = read_names(cursor_.fd(), &frame.names);
  frames_.push_back(std::move(frame));
  if (error != 0) return fail("readdir", error);
  // Mounts are made with redirect_dir=off; without its source the directory would be taken for an empty one.
  if (is_redirected) return fail("overlay redirect", EOPNOTSUPP);
  return true;
}

bool UpperWalk::abandon() {
  pop();
  return error_.error == 0;
}

void UpperWalk::pop() {
  if (frames_.back().restores_mode) ::fchmod(cursor_.fd(), frames_.back().status.st_mode & 07777);
  if (frames_.size() > 1) {
    if (const int error = cursor_.ascend(); error != 0) {
      fail("open ..", error);
      return;
    }
  }
  frames_.pop_back();
}

bool UpperWalk::classify() {
  if (::fstatat(cursor_.fd(), name().c_str(), &status_, AT_SYMLINK_NOFOLLOW) != 0) return fail("lstat", errno);
  is_whiteout_ = S_ISCHR(status_.st_mode) && status_.st_rdev == makedev(0, 0);
  if (frames_.back().has_attribute_whiteouts && S_ISREG(status_.st_mode) && status_.st_size == 0) {
    Fd file;
    if (!open_file(&file)) return false;
    // Only its presence counts; the value is empty.
    is_whiteout_ = ::fgetxattr(file.get(), key("whiteout").c_str(), nullptr, 0) >= 0;
  }
  return true;
}

bool UpperWalk::open_file(Fd* file) {
  const char* last = name().c_str();
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Fd fd(::openat(cursor_.fd(), last, kFlags));
  int error = fd ? 0 : errno;
  if (error == EACCES && status_.st_uid == ::geteuid()) {
    if (::fchmodat(cursor_.fd(), last, (status_.st_mode & 07777) | 0400, 0) != 0) return fail("chmod", errno);
    fd.reset(::openat(cursor_.fd(), last, kFlags));
    error = fd ? 0 : errno;
    // Its own mode again, as far as that goes: what is read next does not depend on it.
    (void)!::fchmodat(cursor_.fd(), last, status_.st_mode & 07777, 0);
  }
  if (error != 0) return fail("open", error);
  // Mounts are made with metacopy=off; the data of such a file would still be in the lower layer.
  if (::fgetxattr(fd.get(), key("metacopy").c_str(), nullptr, 0) >= 0) return fail("overlay metacopy", EOPNOTSUPP);
  *file = std::move(fd);
  return true;
}

bool UpperWalk::is_copied_up(int file) const {
  // Set by every copying up, with an empty value where the lower layer's file handles cannot be used (ovl_set_origin).
  return ::fgetxattr(file, key("origin").c_str(), nullptr, 0) >= 0;
}

std::string UpperWalk::key(const char* name) const {
  return std::string(attributes_ == Attributes::user ? "user" : "trusted") + ".overlay." + name;
}

std::string UpperWalk::attribute(int file, const char* name) const {
  char value[256];
  const ssize_t length = ::fgetxattr(file, key(name).c_str(), value, sizeof value);
  if (length >= 0) return std::string(value, static_cast<size_t>(length));
  // Longer than any mark has reason to be, but there.
  return errno == ERANGE ? std::string("?") : std::string();
}

bool UpperWalk::fail(const char* op, int error) {
  if (error_.error == 0) error_ = {op, path_, error};
  return false;
}

}  // namespace skillbox::overlay
