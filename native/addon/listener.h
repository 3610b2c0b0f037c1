#pragma once

#include <napi.h>

namespace skillbox {

// openListener(fd: number, address: string, port: number, onAccepted: (fd: number) => void): Listener
//
// Binds a socket of a sandbox's network namespace, from outside, to an address that is nobody's there, and listens. Takes the
// socket over, also where it throws. It finds a place beside servers that listen on the port at every address. Listener:
//   close(): void
Napi::Value open_listener(const Napi::CallbackInfo& info);

}  // namespace skillbox
