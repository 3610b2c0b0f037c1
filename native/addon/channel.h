#pragma once

#include <napi.h>

namespace skillbox {

// launch(initPath: string, inCgroup: boolean, onMessage: (message: Uint8Array | undefined, fds: number[]) => void): Channel
//
// Starts a sandbox and returns the supervisor's end of its control socket, over which the plan is to be sent first. `onMessage`
// is called with undefined once, when the other end is gone. Channel: send(message: Uint8Array, fds: number[]): void; shutdown(): void.
Napi::Value launch(const Napi::CallbackInfo& info);

}  // namespace skillbox
