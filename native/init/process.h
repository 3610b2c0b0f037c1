// Starts a program in the finished sandbox.
#pragma once

#include <sys/types.h>

#include "../sys/fd.h"
#include "../sys/status.h"
#include "launch_plan.h"

namespace skillbox {

struct StartedProcess {
  pid_t pid = -1;
  Status failed;  // set when the child could not exec; it is a zombie then
};

// Returns after the exec, or after its failure. PID 1's descriptors 0-2 are the program's in the meantime.
// `filter` and `listener` come from the launch plan; the listener is sent over `control`.
Status start_process(const LaunchPlan& plan, const ProcessPlan& process, int control, StartedProcess* started);

}  // namespace skillbox
