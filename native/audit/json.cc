#include "json.h"

#include <charconv>

namespace skillbox {

namespace {

constexpr uint64_t kMostExact = (uint64_t{1} << 53) - 1;

// The length of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7), or 0.
size_t utf8_length(std::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) -> unsigned {
    return at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0;
  };
  const auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_escape(std::string& out, unsigned code_unit) {
  constexpr char digits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += digits[(code_unit >> shift) & 0xf];
}

bool is_plain(uint8_t byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

}  // namespace

void append_json_string(std::string& out, std::string_view bytes) {
  out += '"';
  for (size_t at = 0; at < bytes.size();) {
    size_t run = at;
    while (run < bytes.size() && is_plain(static_cast<uint8_t>(bytes[run]))) run++;
    out.append(bytes, at, run - at);
    at = run;
    if (at == bytes.size()) break;

    const auto byte = static_cast<uint8_t>(bytes[at]);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += static_cast<char>(byte);
      at++;
    } else if (byte < 0x80) {
      append_escape(out, byte);
      at++;
    } else if (const size_t length = utf8_length(bytes, at); length != 0) {
      out.append(bytes, at, length);
      at += length;
    } else {
      append_escape(out, 0xdc00 + byte);
      at++;
    }
  }
  out += '"';
}

void append_number(std::string& out, uint64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_signed(std::string& out, int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_exact(std::string& out, uint64_t value) {
  const bool exact = value <= kMostExact;
  if (!exact) out += '"';
  append_number(out, value);
  if (!exact) out += '"';
}

void append_exact_signed(std::string& out, int64_t value) {
  const bool exact = value >= -static_cast<int64_t>(kMostExact) && value <= static_cast<int64_t>(kMostExact);
  if (!exact) out += '"';
  append_signed(out, value);
  if (!exact) out += '"';
}

}  // namespace skillbox
