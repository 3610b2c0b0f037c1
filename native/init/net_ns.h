#pragma once

#include "../sys/status.h"

namespace skillbox {

// Brings `lo` of the new network namespace up; the program's own 127.0.0.1 and ::1 work from then on.
Status bring_loopback_up();

}  // namespace skillbox
