// Held calls on their way from the notify thread to the event loop that judges them.
#pragma once

#include <napi.h>

#include <functional>

#include "../audit/notify_thread.h"

namespace skillbox {

// Returns what the notify thread calls. `on_held` runs on the event loop of `env`; when that ends, by whatever means, what is
// still held is refused. The returned function owns the queue: its destruction, on any thread, ends it.
//
// Not a napi_threadsafe_function: Node 20 deletes those with their environment, under the feet of a thread that releases
// its own reference later.
std::function<void(HeldCall&&)> open_held_queue(Napi::Env env, Napi::Function on_held);

}  // namespace skillbox
