// `skillbox-init --probe`: what this kernel lets this caller do, found by doing it.
#pragma once

namespace skillbox {

// Prints one line a feature, in the order of use:
//
//     NAME<TAB>ok[<TAB>detail]
//     NAME<TAB>ERRNO<TAB>operation that failed
//
// Each feature is tried in a child of its own with the calls that a launch makes; nothing outlives the program, and
// nothing is left on the host. Returns 0, whatever was found.
int probe_main(int argc, char** argv);

}  // namespace skillbox
