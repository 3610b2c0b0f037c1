// The host's side of a mount: a source opened without following anything, and compared with what was resolved.
#pragma once

#include "../sys/fd.h"
#include "../sys/status.h"
#include "gate.h"
#include "launch_plan.h"
#include "user_ns.h"

namespace skillbox {

// An O_PATH descriptor of the source. ESTALE: the path no longer names the file that the supervisor resolved.
Status open_source(const Source& source, Fd* file);

// A detached copy of the mount below the source, with its submounts.
Status clone_source(const Source& source, Fd* tree);

// For a root caller, outside: every source as a detached tree, idmapped where the plan says so, in the plan's order.
Status send_all_sources(const LaunchPlan& plan, OutsideIdentity outside, TreeSender* trees);

}  // namespace skillbox
