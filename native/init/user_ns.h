// Who the program is: the id maps of the sandbox's user namespace, and those of idmapped mounts.
#pragma once

#include <sys/types.h>

#include "../sys/fd.h"
#include "../sys/status.h"
#include "launch_plan.h"

namespace skillbox {

// The identity outside that everything in the sandbox has.
struct OutsideIdentity {
  uint32_t uid;
  uint32_t gid;
};

OutsideIdentity outside_identity(const LaunchPlan& plan, pid_t pid_of_init);

// Maps the inside ids of `pid` to the outside ones. From outside: a root caller's map cannot be written from inside.
Status write_id_maps(pid_t pid, const LaunchPlan& plan, OutsideIdentity outside);

// A user namespace that maps one owner on disk to the run's identity, for MOUNT_ATTR_IDMAP. It was born in a process that
// is dead or dying when this returns: reap_holders() waits for it.
Status make_idmap_namespace(uint32_t owner_uid, uint32_t owner_gid, OutsideIdentity outside, Fd* namespace_fd);

// Waits for the processes that make_idmap_namespace() has started. They must be the only children of the caller.
void reap_holders();

}  // namespace skillbox
