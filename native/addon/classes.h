// The classes of this addon, made once an environment: V8 keeps what a class is made from for good.
#pragma once

#include <napi.h>

namespace skillbox {

struct Classes {
  Napi::FunctionReference channel;
  Napi::FunctionReference datagram;
  Napi::FunctionReference listener;
  Napi::FunctionReference record;

  static void open(Napi::Env env) { env.SetInstanceData(new Classes()); }

  static Napi::Function get(Napi::Env env, Napi::FunctionReference Classes::*which,
                            Napi::Function (*define)(Napi::Env)) {
    Napi::FunctionReference& held = env.GetInstanceData<Classes>()->*which;
    if (held.IsEmpty()) held = Napi::Persistent(define(env));
    return held.Value();
  }
};

}  // namespace skillbox
