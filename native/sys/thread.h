// A thread without std::thread's exception, which would end the whole process where the kernel has no thread left for it.
#pragma once

#include <pthread.h>

namespace skillbox::sys {

// Runs `self->run()` on a thread that nobody joins. Returns 0 or an errno.
template <typename Self>
int start_thread(Self* self) {
  pthread_t thread;
  const auto body = [](void* argument) -> void* {
    static_cast<Self*>(argument)->run();
    return nullptr;
  };
  const int error = pthread_create(&thread, nullptr, body, self);
  return error != 0 ? error : pthread_detach(thread);
}

}  // namespace skillbox::sys
