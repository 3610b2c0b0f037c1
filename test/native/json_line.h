// Whether a text is one JSON object (RFC 8259) on one line, in UTF-8, with integers alone that a double holds exactly.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace skillbox {

class JsonLine {
 public:
  explicit JsonLine(std::string_view text) : text_(text) {}

  bool is_object() { return peek() == '{' && value(0) && at_ == text_.size(); }

 private:
  static constexpr int kDeepest = 8;

  unsigned peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? static_cast<uint8_t>(text_[at_ + ahead]) : 256;
  }
  bool take(char wanted) {
    if (peek() != static_cast<uint8_t>(wanted)) return false;
    at_++;
    return true;
  }
  bool word(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }

  bool value(int depth) {
    if (depth > kDeepest) return false;
    switch (peek()) {
      case '{':
        return list('}', [&] { return string() && take(':') && value(depth + 1); });
      case '[':
        return list(']', [&] { return value(depth + 1); });
      case '"':
        return string();
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  template <typename Item>
  bool list(char end, Item item) {
    at_++;
    if (take(end)) return true;
    do {
      if (!item()) return false;
    } while (take(','));
    return take(end);
  }

  bool number() {
    const size_t start = at_;
    (void)take('-');
    const size_t first = at_;
    while (peek() >= '0' && peek() <= '9') at_++;
    if (at_ == first || (text_[first] == '0' && at_ > first + 1)) return false;
    const long long number = std::strtoll(std::string(text_.substr(start, at_ - start)).c_str(), nullptr, 10);
    return number >= -9007199254740991 && number <= 9007199254740991;
  }

  bool string() {
    if (!take('"')) return false;
    while (!take('"')) {
      const unsigned byte = peek();
      if (byte == '\\') {
        if (!escape()) return false;
      } else if (byte < 0x20 || byte == 0x7f || byte == 256) {
        return false;
      } else if (byte < 0x80) {
        at_++;
      } else if (!sequence()) {
        return false;
      }
    }
    return true;
  }

  bool escape() {
    at_++;
    if (take('"') || take('\\')) return true;
    if (!take('u')) return false;
    for (int i = 0; i < 4; i++, at_++) {
      const unsigned digit = peek();
      if (!(digit >= '0' && digit <= '9') && !(digit >= 'a' && digit <= 'f')) return false;
    }
    return true;
  }

  // By the value of the code point, not by the table that the writer goes by.
  bool sequence() {
    const unsigned lead = peek();
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc0 || lead > 0xf7) return false;
    uint32_t point = lead & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
      const unsigned next = peek(static_cast<size_t>(i));
      if (next > 0xff || (next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    const uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
    at_ += static_cast<size_t>(more) + 1;
    return point >= least && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
  }

  std::string_view text_;
  size_t at_ = 0;
};

inline bool is_json_line(std::string_view text) { return JsonLine(text).is_object(); }

}  // namespace skillbox
