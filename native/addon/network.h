#pragma once

#include <napi.h>

namespace skillbox {

// bindListen(fd: number, address: string, port: number): void
//
// Binds a socket of a sandbox's network namespace, from outside, to an address that is nobody's there, and listens.
Napi::Value bind_listen(const Napi::CallbackInfo& info);

// bindDatagram(fd: number, address: string, port: number): void
//
// The same for a UDP socket.
Napi::Value bind_datagram(const Napi::CallbackInfo& info);

// openDatagram(fd: number, onMessage: (data: Uint8Array, peer: string, peerPort: number, local: string) => void): Datagram
//
// Takes a bound UDP socket over. Datagram:
//   send(data: Uint8Array, peer: string, peerPort: number, local: string): void     from `local`; full buffers drop, as UDP does
//   close(): void
Napi::Value open_datagram(const Napi::CallbackInfo& info);

}  // namespace skillbox
