#include "memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace skillbox {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kUsual = 256;
// The kernel takes no path beyond PATH_MAX and no argument beyond 128 KiB (MAX_ARG_STRLEN); only a program that wants to
// keep us busy passes more.
constexpr size_t kLongestString = 132 * 1024;

}  // namespace

int TaskMemory::read(uint64_t address, void* to, size_t length) const {
  const iovec local = {to, length};
  const iovec remote = {reinterpret_cast<void*>(address), length};
  const ssize_t got = process_vm_readv(tid_, &local, 1, &remote, 1, 0);
  if (got < 0) return errno;
  return static_cast<size_t>(got) == length ? 0 : EFAULT;
}

int TaskMemory::read_string(uint64_t address, size_t limit, size_t most, std::string* text, size_t* length) const {
  most = std::min(most, kLongestString);
  text->clear();
  *length = 0;
  char buffer[2 * kPage];
  // Most strings are short, and the kernel pins every page that it is asked for.
  const iovec usual = {buffer, std::min(kUsual, kPage - address % kPage)};
  const iovec there = {reinterpret_cast<void*>(address), usual.iov_len};
  const ssize_t begun = process_vm_readv(tid_, &usual, 1, &there, 1, 0);
  if (begun <= 0) return begun < 0 ? errno : EFAULT;
  *length = strnlen(buffer, static_cast<size_t>(begun));
  text->assign(buffer, std::min(*length, limit));
  if (*length < static_cast<size_t>(begun)) return 0;
  address += *length;
  while (*length < most) {
    // Up to the end of the next page, in two parts: the kernel stops at the first part that is not there, and a string
    // may well end just before it (process_vm_readv(2): partial transfers are by whole parts).
    const size_t first = kPage - address % kPage;
    const iovec local = {buffer, first + kPage};
    const iovec remote[] = {{reinterpret_cast<void*>(address), first},
                            {reinterpret_cast<void*>(address + first), kPage}};
    const ssize_t got = process_vm_readv(tid_, &local, 1, remote, 2, 0);
    if (got <= 0) return got < 0 ? errno : EFAULT;
    const size_t end = strnlen(buffer, static_cast<size_t>(got));
    text->append(buffer, std::min(end, limit - std::min(limit, text->size())));
    *length += end;
    if (end < static_cast<size_t>(got)) return 0;
    address += static_cast<uint64_t>(got);
  }
  return 0;
}

}  // namespace skillbox
