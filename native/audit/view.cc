#include "view.h"

#include <algorithm>
#include <cstring>

namespace skillbox {

namespace {

bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  // The last byte first: most paths differ there, and share their beginning.
  return path.size() >= directory.size() && path[directory.size() - 1] == directory.back() &&
         (path.size() == directory.size() || path[directory.size()] == '/') && path.starts_with(directory);
}

// Absolute, without what normalize() takes out: any "//", "/." at the start of a component, or "/" at the end.
bool is_normal(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (size_t at = 0; at != std::string_view::npos; at = path.find('/', at + 1)) {
    if (at + 1 == path.size()) return at == 0;
    if (path[at + 1] == '/' || path[at + 1] == '.') return false;
  }
  return true;
}

}  // namespace

bool MountView::decode(std::span<const uint8_t> bytes) {
  size_t at = 0;
  bool ok = true;
  const auto u32 = [&]() -> uint32_t {
    uint32_t value = 0;
    if (bytes.size() - at < 4) {
      ok = false;
      return 0;
    }
    memcpy(&value, bytes.data() + at, 4);
    at += 4;
    return value;
  };
  const auto string = [&]() -> std::string {
    const uint32_t length = u32();
    if (!ok || bytes.size() - at < size_t{length} + 1) {
      ok = false;
      return {};
    }
    std::string text(reinterpret_cast<const char*>(bytes.data() + at), length);
    at += size_t{length} + 1;
    return text;
  };
  for (uint32_t n = u32(); n > 0 && ok; n--) {
    Place place{string(), 0};
    if (at < bytes.size()) {
      place.flags = bytes[at++];
    } else {
      ok = false;
    }
    places_.push_back(std::move(place));
  }
  for (uint32_t n = u32(); n > 0 && ok; n--) {
    Link link{string(), string()};
    links_.push_back(std::move(link));
  }
  // The first that applies is the deepest one, of several the last that was made.
  std::reverse(places_.begin(), places_.end());
  std::stable_sort(places_.begin(), places_.end(),
                   [](const Place& a, const Place& b) { return a.path.size() > b.path.size(); });
  return ok && at == bytes.size();
}

bool MountView::expects(std::string_view path, bool write) const {
  std::string followed;
  for (const Link& link : links_) {
    if (!is_within(path, link.path)) continue;
    const std::string_view rest = path.substr(link.path.size());
    std::string base =
        link.target.starts_with('/') ? link.target : link.path.substr(0, link.path.rfind('/') + 1) + link.target;
    followed = normalize(base.append(rest));
    path = followed;
  }
  for (const Place& place : places_) {
    const bool applies = (place.flags & kItselfOnly) != 0 ? path == place.path : is_within(path, place.path);
    if (applies) return (place.flags & kHidden) == 0 && (!write || (place.flags & kWritable) != 0);
  }
  return false;
}

std::string normalize(std::string_view path) {
  if (is_normal(path)) return std::string(path);
  std::string result;
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view component = path.substr(at, slash - at);
    if (component == "..") {
      const size_t parent = result.rfind('/');
      result.resize(parent == std::string::npos ? 0 : parent);
    } else if (!component.empty() && component != ".") {
      result += '/';
      result += component;
    }
    at = slash + 1;
  }
  return result.empty() ? "/" : result;
}

}  // namespace skillbox
