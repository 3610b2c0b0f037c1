// Starts skillbox-init, always from the same thread.
#pragma once

#include <string>

#include "../sys/fd.h"

namespace skillbox {

// Starts the thread, where it does not run yet. Returns 0 or an errno: the process has no thread or descriptor left for it.
int open_launch_thread();

// Queues a launch and returns at once; what happens is told over `control` by init, or by the launch thread on its
// behalf where init could not be started. The plan is sent to `control` by the caller; `in_cgroup`: it names a cgroup. Any
// thread may call this, after open_launch_thread() has returned 0.
//
// One thread for the whole process, because a parent's death signal (PR_SET_PDEATHSIG) is bound to the thread that
// started the child: with a thread of Node's pool, or a worker's, the sandbox would die with that thread.
void launch_init(std::string init_path, bool in_cgroup, Fd control);

}  // namespace skillbox
