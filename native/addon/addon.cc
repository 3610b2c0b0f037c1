// The native surface, all of it. JavaScript validates and decides, C++ does what Node cannot; src/native/binding.ts has
// the types.
#include <fcntl.h>
#include <napi.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "channel.h"
#include "classes.h"
#include "listener.h"
#include "memfd.h"
#include "network.h"
#include "overlay_object.h"
#include "pidfd.h"
#include "pty.h"
#include "record_object.h"

namespace skillbox {

namespace {

// memfd(name: string, bytes: Uint8Array): number   a sealed memfd
Napi::Value make_memfd(const Napi::CallbackInfo& info) {
  const auto name = string_argument(info[0], "name");
  if (!name) return info.Env().Undefined();
  const auto bytes = bytes_argument(info[1], "bytes");
  if (!bytes) return info.Env().Undefined();
  Fd fd = sealed_memfd(name->c_str(), *bytes);
  if (!fd) {
    throw_errno(info.Env(), errno, "memfd_create");
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), fd.release());
}

// pipe(): [read: number, write: number]
Napi::Value make_pipe(const Napi::CallbackInfo& info) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    throw_errno(info.Env(), errno, "pipe2");
    return info.Env().Undefined();
  }
  // A root caller's program is another user, and opens /dev/stdout by this inode. Whoever can reach it holds it already.
  fchmod(fds[0], 0666);
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, fds[0]);
  pair.Set(1u, fds[1]);
  return pair;
}

// closeFd(fd: number): void   for descriptors that came from here; Node's own close warns in a worker about those it did not open
Napi::Value close_fd(const Napi::CallbackInfo& info) {
  if (const auto fd = fd_argument(info[0], "fd")) close(*fd);
  return info.Env().Undefined();
}

// statusFlags(fd: number): number   O_* of fcntl(F_GETFL)
Napi::Value status_flags(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), fcntl(*fd, F_GETFL));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Classes::open(env);
  exports.Set("launch", Napi::Function::New<launch>(env, "launch"));
  exports.Set("watchExit", Napi::Function::New<watch_exit>(env, "watchExit"));
  exports.Set("signalProcess", Napi::Function::New<signal_process>(env, "signalProcess"));
  exports.Set("windowSize", Napi::Function::New<window_size>(env, "windowSize"));
  exports.Set("setWindowSize", Napi::Function::New<set_window_size>(env, "setWindowSize"));
  exports.Set("makeRaw", Napi::Function::New<make_raw>(env, "makeRaw"));
  exports.Set("restoreTerminal", Napi::Function::New<restore_terminal>(env, "restoreTerminal"));
  exports.Set("flushInput", Napi::Function::New<flush_input>(env, "flushInput"));
  exports.Set("overlayChanges", Napi::Function::New<overlay_changes>(env, "overlayChanges"));
  exports.Set("overlayCommit", Napi::Function::New<overlay_commit>(env, "overlayCommit"));
  exports.Set("tmpfsHasUserXattrs", Napi::Function::New<tmpfs_has_user_xattrs>(env, "tmpfsHasUserXattrs"));
  exports.Set("bindListen", Napi::Function::New<bind_listen>(env, "bindListen"));
  exports.Set("bindDatagram", Napi::Function::New<bind_datagram>(env, "bindDatagram"));
  exports.Set("openListener", Napi::Function::New<open_listener>(env, "openListener"));
  exports.Set("openDatagram", Napi::Function::New<open_datagram>(env, "openDatagram"));
  exports.Set("answerHeld", Napi::Function::New<answer_held>(env, "answerHeld"));
  exports.Set("openRecord", Napi::Function::New<open_record>(env, "openRecord"));
  exports.Set("loadAuditTables", Napi::Function::New<load_audit_tables>(env, "loadAuditTables"));
  exports.Set("memfd", Napi::Function::New<make_memfd>(env, "memfd"));
  exports.Set("pipe", Napi::Function::New<make_pipe>(env, "pipe"));
  exports.Set("closeFd", Napi::Function::New<close_fd>(env, "closeFd"));
  exports.Set("statusFlags", Napi::Function::New<status_flags>(env, "statusFlags"));
  return exports;
}

}  // namespace

}  // namespace skillbox

static Napi::Object Initialize(Napi::Env env, Napi::Object exports) { return skillbox::initialize(env, exports); }

NODE_API_MODULE(skillbox, Initialize)
