// A thread without std::thread's exception, which would end the whole process where the kernel has no thread left for it.
#pragma once

#include <pthread.h>

#include <memory>
#include <mutex>

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

// The process's one T, which has a thread. Never destroyed: it lives as long as the process, and nothing may join it at exit.
template <typename T>
class ThreadOfProcess {
 public:
  // Starts it, where it does not run yet. Returns 0 or an errno.
  int open() {
    const std::lock_guard lock(mutex_);
    if (started_ != nullptr) return 0;
    auto thread = std::make_unique<T>();
    const int error = thread->start();
    if (error == 0) started_ = thread.release();
    return error;
  }

  // Null before open() has returned 0.
  T* get() {
    const std::lock_guard lock(mutex_);
    return started_;
  }

 private:
  std::mutex mutex_;
  T* started_ = nullptr;
};

}  // namespace skillbox::sys
