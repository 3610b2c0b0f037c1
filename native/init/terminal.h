// A terminal for one program, of the sandbox's own devpts.
#pragma once

#include "../sys/fd.h"
#include "../sys/status.h"
#include "launch_plan.h"

namespace skillbox {

// Makes one of the size that the plan says, and sends its master end to the supervisor. `slave` is to become the
// program's descriptors 0 to 2.
Status open_terminal(const ProcessPlan& process, int control, Fd* slave);

}  // namespace skillbox
