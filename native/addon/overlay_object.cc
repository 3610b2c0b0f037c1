#include "overlay_object.h"

#include <sys/xattr.h>

#include <cstring>
#include <string>

#include "../overlay/changes.h"
#include "../overlay/commit.h"
#include "arguments.h"
#include "memfd.h"

namespace skillbox {

namespace {

const char* name_of(overlay::FileType type) {
  switch (type) {
    case overlay::FileType::none:
      return "none";
    case overlay::FileType::file:
      return "file";
    case overlay::FileType::directory:
      return "directory";
    case overlay::FileType::symlink:
      return "symlink";
    case overlay::FileType::fifo:
      return "fifo";
    case overlay::FileType::socket:
      return "socket";
    case overlay::FileType::device:
      return "device";
  }
  return "none";
}

const char* name_of(overlay::ChangeKind kind) {
  switch (kind) {
    case overlay::ChangeKind::created:
      return "created";
    case overlay::ChangeKind::modified:
      return "modified";
    case overlay::ChangeKind::deleted:
      return "deleted";
    case overlay::ChangeKind::mode:
      return "mode";
  }
  return "modified";
}

const char* name_of(overlay::Refusal reason) {
  switch (reason) {
    case overlay::Refusal::special_file:
      return "special-file";
    case overlay::Refusal::symlink_target:
      return "symlink-target";
    case overlay::Refusal::target_symlink:
      return "target-symlink";
    case overlay::Refusal::target_changed:
      return "target-changed";
    case overlay::Refusal::mount_point:
      return "mount-point";
    case overlay::Refusal::too_deep:
      return "too-deep";
    case overlay::Refusal::failed:
      return "failed";
  }
  return "failed";
}

Napi::Value bytes(Napi::Env env, const std::string& text) {
  return Napi::Buffer<char>::Copy(env, text.data(), text.size());
}

Napi::Value number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// A promise kept from a thread of the pool. The descriptors are duplicates: the caller may close its own meanwhile.
class OverlayWorker : public Napi::AsyncWorker {
 public:
  OverlayWorker(Napi::Env env, const char* what) : Napi::AsyncWorker(env, what), deferred_(env), what_(what) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void fail(const overlay::Error& error) {
    error_ = error;
    SetError("failed");
  }

  void OnError(const Napi::Error&) override {
    const Napi::Env env = Env();
    Napi::Error exception = Napi::Error::New(
        env, std::string(what_) + ": " + error_.op + " " + error_.path + ": " + strerror(error_.error));
    exception.Set("errno", Napi::Number::New(env, -error_.error));
    exception.Set("syscall", Napi::String::New(env, error_.op));
    deferred_.Reject(exception.Value());
  }

  Napi::Promise::Deferred deferred_;

 private:
  const char* what_;
  overlay::Error error_;
};

class ChangesWorker : public OverlayWorker {
 public:
  ChangesWorker(Napi::Env env, Fd upper, Fd lower)
      : OverlayWorker(env, "overlayChanges"), upper_(std::move(upper)), lower_(std::move(lower)) {}

  void Execute() override {
    overlay::Error error;
    if (!overlay::list_changes(upper_.get(), lower_.get(), {}, &changes_, &error)) fail(error);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    Napi::Array entries = Napi::Array::New(env, changes_.entries.size());
    for (size_t i = 0; i < changes_.entries.size(); i++) {
      const overlay::Change& change = changes_.entries[i];
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("path", bytes(env, change.path));
      entry.Set("kind", name_of(change.kind));
      entry.Set("type", name_of(change.type));
      entry.Set("size", number(env, change.size));
      entry.Set("mode", number(env, change.mode));
      entries.Set(static_cast<uint32_t>(i), entry);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("entries", entries);
    result.Set("truncated", Napi::Boolean::New(env, changes_.truncated));
    result.Set("tooDeep", number(env, changes_.too_deep));
    deferred_.Resolve(result);
  }

 private:
  Fd upper_;
  Fd lower_;
  overlay::Changes changes_;
};

class CommitWorker : public OverlayWorker {
 public:
  CommitWorker(Napi::Env env, Fd upper, Fd target, overlay::CommitOptions options)
      : OverlayWorker(env, "overlayCommit"), upper_(std::move(upper)), target_(std::move(target)), options_(options) {}

  void Execute() override {
    overlay::Error error;
    if (!overlay::commit_changes(upper_.get(), target_.get(), options_, &report_, &error)) fail(error);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    Napi::Array refused = Napi::Array::New(env, report_.refused.size());
    for (size_t i = 0; i < report_.refused.size(); i++) {
      const overlay::Refused& one = report_.refused[i];
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("path", bytes(env, one.path));
      entry.Set("reason", name_of(one.reason));
      entry.Set("errno", Napi::Number::New(env, one.error));
      refused.Set(static_cast<uint32_t>(i), entry);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("written", number(env, report_.written));
    result.Set("directories", number(env, report_.directories));
    result.Set("deleted", number(env, report_.deleted));
    result.Set("modes", number(env, report_.modes));
    result.Set("bytes", number(env, report_.bytes));
    result.Set("refused", refused);
    result.Set("refusedUnlisted", number(env, report_.refused_unlisted));
    deferred_.Resolve(result);
  }

 private:
  Fd upper_;
  Fd target_;
  overlay::CommitOptions options_;
  overlay::CommitReport report_;
};

Fd duplicate(int fd) { return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

}  // namespace

Napi::Value overlay_changes(const Napi::CallbackInfo& info) {
  const auto upper = fd_argument(info[0], "upper");
  if (!upper) return info.Env().Undefined();
  const auto lower = fd_argument(info[1], "lower");
  if (!lower) return info.Env().Undefined();
  auto* worker = new ChangesWorker(info.Env(), duplicate(*upper), duplicate(*lower));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value overlay_commit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto upper = fd_argument(info[0], "upper");
  if (!upper) return env.Undefined();
  const auto target = fd_argument(info[1], "target");
  if (!target) return env.Undefined();
  overlay::CommitOptions options;
  const auto uid = integer_argument(info[2], "uid", -1, INT32_MAX);
  if (!uid) return env.Undefined();
  const auto gid = integer_argument(info[3], "gid", -1, INT32_MAX);
  if (!gid) return env.Undefined();
  options.uid = static_cast<uid_t>(*uid);
  options.gid = static_cast<gid_t>(*gid);
  auto* worker = new CommitWorker(env, duplicate(*upper), duplicate(*target), options);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// shmem has user extended attributes from Linux 6.6 on, in a memfd as in every tmpfs; overlayfs needs them above it.
Napi::Value tmpfs_has_user_xattrs(const Napi::CallbackInfo& info) {
  const Fd file(memfd_create("skillbox-probe", MFD_CLOEXEC));
  if (!file) {
    throw_errno(info.Env(), errno, "memfd_create");
    return info.Env().Undefined();
  }
  const bool has = fsetxattr(file.get(), "user.skillbox", "y", 1, 0) == 0;
  // Any other answer says nothing of it.
  if (!has && errno != EOPNOTSUPP) throw_errno(info.Env(), errno, "fsetxattr");
  return Napi::Boolean::New(info.Env(), has);
}

}  // namespace skillbox
