#include "record_object.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <cstring>
#include <memory>

#include "../audit/notify_thread.h"
#include "arguments.h"
#include "classes.h"
#include "held_queue.h"

namespace skillbox {

namespace {

using SharedTables = std::shared_ptr<const AuditTables>;

constexpr napi_type_tag kTablesTag = {0x6a1d7d2b51c94e0f, 0x93c2f0a8e7b64d15};

class RecordObject : public Napi::ObjectWrap<RecordObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "AuditRecord",
        {InstanceMethod<&RecordObject::write>("write"), InstanceMethod<&RecordObject::release>("release"),
         InstanceMethod<&RecordObject::supervise>("supervise"), InstanceMethod<&RecordObject::drain>("drain"),
         InstanceMethod<&RecordObject::settle>("settle"), InstanceMethod<&RecordObject::close>("close"),
         InstanceMethod<&RecordObject::status>("status")});
  }

  explicit RecordObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RecordObject>(info) {}

  void open(Fd file, RecordOptions options) { record_ = std::make_shared<Record>(std::move(file), std::move(options)); }

 private:
  Napi::Value write(const Napi::CallbackInfo& info) {
    const auto members = string_argument(info[0], "members");
    if (!members) return info.Env().Undefined();
    return Napi::Boolean::New(info.Env(), record_->append(*members, info[1].ToBoolean()));
  }

  void supervise(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto listener = fd_argument(info[0], "listener");
    if (!listener) return;
    Fd owned(*listener);  // whatever fails: without its supervisor a notified call is ENOSYS
    const auto init = integer_argument(info[1], "init", 1, INT32_MAX);
    if (!init) return;
    if (!info[2].IsExternal() || !info[2].As<Napi::External<SharedTables>>().CheckTypeTag(&kTablesTag)) {
      return throw_type_error(env, "tables", "what loadAuditTables returned");
    }
    const auto view = bytes_argument(info[3], "view");
    if (!view) return;
    const auto verdicts = bytes_argument(info[4], "verdicts");
    if (!verdicts) return;
    const auto program = integer_argument(info[6], "program", 0, INT32_MAX);
    if (!program) return;

    auto supervision = std::make_shared<Supervision>();
    supervision->record = record_;
    supervision->tables = *info[2].As<Napi::External<SharedTables>>().Data();
    if (!supervision->view.decode(*view)) return throw_type_error(env, "view", "an encoded mount view");
    if (verdicts->size() % sizeof(sock_filter) != 0) return throw_type_error(env, "verdicts", "whole instructions");
    supervision->verdicts.resize(verdicts->size() / sizeof(sock_filter));
    memcpy(supervision->verdicts.data(), verdicts->data(), verdicts->size());
    supervision->program = static_cast<uint32_t>(*program);
    supervision->init.reset(static_cast<int>(syscall(SYS_pidfd_open, *init, 0)));
    if (!supervision->init && errno != ESRCH) return throw_errno(env, errno, "pidfd_open");
    if (info[5].IsFunction()) {
      supervision->on_held = open_held_queue(env, info[5].As<Napi::Function>());
      if (!supervision->on_held) return throw_errno(env, errno, "uv_poll_init");
    }
    const int error = skillbox::supervise(std::move(owned), std::move(supervision));
    if (error != 0) throw_errno(env, error, error == EAGAIN ? "pthread_create" : "epoll_ctl");
  }

  void release(const Napi::CallbackInfo&) { record_->release(); }

  void drain(const Napi::CallbackInfo&) { skillbox::drain(record_); }

  Napi::Value settle(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), record_->settle()); }

  Napi::Value close(const Napi::CallbackInfo& info) {
    const auto members = string_argument(info[0], "members");
    if (!members) return info.Env().Undefined();
    return Napi::Boolean::New(info.Env(), record_->close(*members));
  }

  Napi::Value status(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const RecordStatus status = record_->status();
    Napi::Object object = Napi::Object::New(env);
    object.Set("events", Napi::Number::New(env, static_cast<double>(status.events)));
    object.Set("denied", Napi::Number::New(env, static_cast<double>(status.denied)));
    object.Set("dropped", Napi::Number::New(env, static_cast<double>(status.dropped)));
    object.Set("bytes", Napi::Number::New(env, static_cast<double>(status.bytes)));
    object.Set("errno", Napi::Number::New(env, status.error));
    object.Set("full", Napi::Boolean::New(env, status.full));
    return object;
  }

  std::shared_ptr<Record> record_;
};

}  // namespace

Napi::Value open_record(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = integer_argument(info[0], "fd", -1, INT32_MAX);
  if (!fd) return env.Undefined();
  auto run = string_argument(info[1], "run");
  if (!run) return env.Undefined();
  if (!info[2].IsNumber()) {
    throw_type_error(env, "maxBytes", "a number");
    return env.Undefined();
  }
  const double max_bytes = info[2].As<Napi::Number>().DoubleValue();
  if (!(max_bytes >= 0 && max_bytes <= 9007199254740991.0)) {
    throw_type_error(env, "maxBytes", "a number of bytes");
    return env.Undefined();
  }
  // A copy: what was opened in a worker, Node closes with the worker, by its number.
  Fd file;
  if (*fd >= 0) file.reset(fcntl(*fd, F_DUPFD_CLOEXEC, 3));
  if (*fd >= 0 && !file) {
    throw_errno(env, errno, "fcntl");
    return env.Undefined();
  }
  const Napi::Object object = Classes::get(env, &Classes::record, RecordObject::define).New({});
  if (object.IsEmpty()) return env.Undefined();
  RecordObject::Unwrap(object)->open(
      std::move(file), {std::move(*run), static_cast<uint64_t>(max_bytes), static_cast<bool>(info[3].ToBoolean())});
  return object;
}

Napi::Value answer_held(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsNumber()) {
    throw_type_error(env, "key", "the key of a held call");
    return env.Undefined();
  }
  const auto error = integer_argument(info[1], "errno", 0, 4095);
  if (!error) return env.Undefined();
  answer(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()), *error);
  return env.Undefined();
}

Napi::Value load_audit_tables(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto bytes = bytes_argument(info[0], "bytes");
  if (!bytes) return env.Undefined();
  auto tables = std::make_shared<AuditTables>();
  if (!tables->decode(*bytes)) {
    throw_type_error(env, "bytes", "encoded audit tables");
    return env.Undefined();
  }
  auto external = Napi::External<SharedTables>::New(env, new SharedTables(std::move(tables)),
                                                    [](Napi::Env, SharedTables* data) { delete data; });
  external.TypeTag(&kTablesTag);
  return external;
}

}  // namespace skillbox
