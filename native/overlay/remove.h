// rm -rf of one name, without following a link or touching another mount.
#pragma once

#include "cursor.h"

namespace skillbox::overlay {

// Looks before it removes: a mount point or an unreadable directory anywhere below leaves everything in place. A name
// that is not there is removed already. 0 or an errno: EXDEV or EBUSY for a mount point.
int remove_tree(int directory, const char* name);

}  // namespace skillbox::overlay
