// PID 1 after the set-up: starts programs, forwards signals, reaps, watches the clocks, and reports.
#pragma once

#include "launch_plan.h"

namespace skillbox {

// Returns the exit status of PID 1, when the supervisor closes the control socket or the only program has ended.
// Everything in the pid namespace dies with it.
int serve(const LaunchPlan& plan, int control);

}  // namespace skillbox
