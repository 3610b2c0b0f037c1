// Opens files for the supervisor, as a program of the sandbox would see them.
#pragma once

#include <cstdint>
#include <string_view>

namespace skillbox {

// Answers with a descriptor of a regular file, or an errno: EINVAL for what is none. False: the answer could not be sent.
bool answer_open(int control, uint32_t request, bool to_write, std::string_view path);

}  // namespace skillbox
