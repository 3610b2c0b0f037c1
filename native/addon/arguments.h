// Arguments as JavaScript passes them. Every mistake is a TypeError that names the argument, never a crash.
#pragma once

#include <fcntl.h>
#include <napi.h>

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../audit/decode.h"

namespace skillbox {

inline void throw_type_error(Napi::Env env, const char* name, const char* expected) {
  Napi::TypeError::New(env, std::string(name) + " must be " + expected).ThrowAsJavaScriptException();
}

// A view: valid until control returns to JavaScript. A detached buffer has length 0.
inline std::optional<std::span<const uint8_t>> bytes_argument(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw_type_error(value.Env(), name, "a Uint8Array");
    return std::nullopt;
  }
  const auto array = value.As<Napi::Uint8Array>();
  return std::span<const uint8_t>(array.Data(), array.ByteLength());
}

inline std::optional<std::string> string_argument(const Napi::Value& value, const char* name) {
  if (!value.IsString()) {
    throw_type_error(value.Env(), name, "a string");
    return std::nullopt;
  }
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.empty() || text.find('\0') != std::string::npos) {
    throw_type_error(value.Env(), name, "a non-empty string without NUL");
    return std::nullopt;
  }
  return text;
}

inline std::optional<int> integer_argument(const Napi::Value& value, const char* name, int least, int most) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (std::floor(number) == number && number >= least && number <= most) return static_cast<int>(number);
  }
  throw_type_error(value.Env(), name, "an integer in range");
  return std::nullopt;
}

// An open descriptor of this process.
inline std::optional<int> fd_argument(const Napi::Value& value, const char* name) {
  const auto fd = integer_argument(value, name, 0, INT32_MAX);
  if (!fd) return std::nullopt;
  if (fcntl(*fd, F_GETFD) < 0) {
    throw_type_error(value.Env(), name, "an open file descriptor");
    return std::nullopt;
  }
  return fd;
}

inline std::optional<std::vector<int>> fds_argument(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) {
    throw_type_error(value.Env(), name, "an array of file descriptors");
    return std::nullopt;
  }
  const auto array = value.As<Napi::Array>();
  std::vector<int> fds;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Value element = array.Get(i);
    if (element.IsEmpty()) return std::nullopt;  // a getter threw
    const auto fd = fd_argument(element, name);
    if (!fd) return std::nullopt;
    fds.push_back(*fd);
  }
  return fds;
}

// An Error with `errno` (the number), `code` (its name) and `syscall`, as Node's own have.
inline void throw_errno(Napi::Env env, int error, const char* syscall) {
  Napi::Error exception = Napi::Error::New(env, std::string(syscall) + ": " + strerror(error));
  exception.Set("errno", Napi::Number::New(env, -error));
  exception.Set("code", Napi::String::New(env, errno_name(error)));
  exception.Set("syscall", Napi::String::New(env, syscall));
  exception.ThrowAsJavaScriptException();
}

}  // namespace skillbox
