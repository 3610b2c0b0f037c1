// JSON text, appended to a string. Whatever a program puts into a name or an argument, a line stays one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace skillbox {

// A quoted string. Control bytes and DEL are escaped; a byte that is no UTF-8 becomes the lone surrogate \udc80…\udcff,
// as Python's surrogateescape has it, so that nothing is lost and nothing is guessed.
void append_json_string(std::string& out, std::string_view bytes);

void append_number(std::string& out, uint64_t value);
void append_signed(std::string& out, int64_t value);

// What is beyond ±(2^53 - 1) as a string of its digits: JSON.parse, jq and others would round it.
void append_exact(std::string& out, uint64_t value);
void append_exact_signed(std::string& out, int64_t value);

// ,"name":  — every object of ours begins with a member that is always there.
inline void append_key(std::string& out, std::string_view name) {
  out += ",\"";
  out += name;
  out += "\":";
}

}  // namespace skillbox
