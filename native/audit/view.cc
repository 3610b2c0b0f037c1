#include "view.h"

#include <cstring>

namespace skillbox {

namespace {

bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
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
  return ok && at == bytes.size();
}

bool MountView::expects(std::string_view path, bool write) const {
  std::string followed(path);
  for (const Link& link : links_) {
    if (!is_within(followed, link.path)) continue;
    const std::string rest = followed.substr(link.path.size());
    const std::string base =
        link.target.starts_with('/') ? link.target : link.path.substr(0, link.path.rfind('/') + 1) + link.target;
    followed = normalize(base + rest);
  }
  const Place* deepest = nullptr;
  for (const Place& place : places_) {
    const bool applies = (place.flags & kItselfOnly) != 0 ? followed == place.path : is_within(followed, place.path);
    if (applies && (deepest == nullptr || place.path.size() >= deepest->path.size())) deepest = &place;
  }
  if (deepest == nullptr || (deepest->flags & kHidden) != 0) return false;
  return !write || (deepest->flags & kWritable) != 0;
}

std::string normalize(std::string_view path) {
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
