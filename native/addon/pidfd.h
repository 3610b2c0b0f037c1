#pragma once

#include <napi.h>

namespace skillbox {

// watchExit(pidfd: number, onExit: () => void): void   takes the descriptor over
Napi::Value watch_exit(const Napi::CallbackInfo& info);

// signalProcess(pidfd: number, signal: number): boolean   false when the process is gone
Napi::Value signal_process(const Napi::CallbackInfo& info);

}  // namespace skillbox
