#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>

namespace skillbox {

// Runs a seccomp filter on the kernel's own copy of a call's registers, as the kernel would. Programs come from our
// compiler, but one that runs away or out of bounds means SECCOMP_RET_KILL_PROCESS, the strictest answer.
uint32_t run_filter(std::span<const sock_filter> program, const seccomp_data& data);

}  // namespace skillbox
