// The root of the sandbox: a tmpfs skeleton with the plan's mounts on it, entered by pivot_root.
#pragma once

#include "../sys/fd.h"
#include "../sys/status.h"
#include "gate.h"
#include "launch_plan.h"

namespace skillbox {

// Mounts the empty skeleton over "/" of this mount namespace; lookups from "/" still see the host's tree below it.
Status mount_skeleton(Fd* root);

// Carries out the plan's operations in order. A root caller's sources come through `trees`; an ordinary caller's are
// opened here, since mounts and O_PATH descriptors from another mount namespace are refused (EINVAL).
Status assemble_root(const LaunchPlan& plan, int root, TreeReceiver* trees, int control);

// Makes the skeleton the root, and lets go of the host's tree.
Status enter_root(int root);

}  // namespace skillbox
