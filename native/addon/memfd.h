#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <span>

#include "../sys/fd.h"

namespace skillbox {

// The bytes as a file without a name, sealed: nobody changes them any more. Invalid with errno set on failure.
inline Fd sealed_memfd(const char* name, std::span<const uint8_t> bytes) {
  Fd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fd;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0) return Fd();
    done += static_cast<size_t>(written);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return Fd();
  return fd;
}

}  // namespace skillbox
