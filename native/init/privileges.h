// What PID 1, and with it every program, gives up for good; and the proof that it is gone.
#pragma once

#include "../sys/status.h"
#include "launch_plan.h"
#include "report.h"

namespace skillbox {

// For a root caller: from kernel uid 0 to the run's own uid, before any file is touched. Capabilities in the new
// user namespace stay until drop_privileges().
Status take_identity(const LaunchPlan& plan);

// No user namespaces below this one, so no way to capabilities in one. Needs a proc mount and CAP_SYS_RESOURCE.
Status forbid_user_namespaces(int proc);

// What a user watches is counted for the caller as well, whose other programs go without when it is spent (ucounts): a sandbox
// has a quarter of it. Needs a proc mount and CAP_SYS_RESOURCE.
Status leave_inotify_to_others(int proc);

// No capabilities in any set, none to be had by exec, no_new_privs.
Status drop_privileges();

// Looks at each layer as the kernel shows it, and names those that hold. A layer that does not hold is an error.
Status confirm_layers(const LaunchPlan& plan, ReportWriter* report);

}  // namespace skillbox
