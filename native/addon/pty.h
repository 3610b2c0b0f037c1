// Sizes and modes of terminals; src/native/binding.ts has the types.
#pragma once

#include <napi.h>

namespace skillbox {

Napi::Value window_size(const Napi::CallbackInfo& info);
Napi::Value set_window_size(const Napi::CallbackInfo& info);
Napi::Value make_raw(const Napi::CallbackInfo& info);
Napi::Value restore_terminal(const Napi::CallbackInfo& info);
Napi::Value flush_input(const Napi::CallbackInfo& info);

}  // namespace skillbox
