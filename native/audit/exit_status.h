// How a process ended that is no child of ours.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace skillbox {

// The status as waitpid(2) gives it, of a process whose pidfd is readable. None where the kernel does not tell: before Linux
// 6.15, when its parent had already reaped it, or we may not look at it.
std::optional<int> exit_status(int pidfd, pid_t process);

// ,"exitCode":0 or ,"signal":"SIGKILL"
void append_exit_status(std::string& out, int status);

}  // namespace skillbox
