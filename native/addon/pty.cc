#include "pty.h"

#include <sys/ioctl.h>
#include <termios.h>

#include "arguments.h"

namespace skillbox {

// windowSize(fd: number): [rows: number, columns: number] | undefined
Napi::Value window_size(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  winsize size;
  if (!fd || ioctl(*fd, TIOCGWINSZ, &size) != 0) return info.Env().Undefined();
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, static_cast<uint32_t>(size.ws_row));
  pair.Set(1u, static_cast<uint32_t>(size.ws_col));
  return pair;
}

// setWindowSize(fd: number, rows: number, columns: number): void   the kernel tells the program by SIGWINCH
Napi::Value set_window_size(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return info.Env().Undefined();
  const auto rows = integer_argument(info[1], "rows", 0, UINT16_MAX);
  if (!rows) return info.Env().Undefined();
  const auto columns = integer_argument(info[2], "columns", 0, UINT16_MAX);
  if (!columns) return info.Env().Undefined();
  winsize size = {};
  size.ws_row = static_cast<unsigned short>(*rows);
  size.ws_col = static_cast<unsigned short>(*columns);
  if (ioctl(*fd, TIOCSWINSZ, &size) != 0) throw_errno(info.Env(), errno, "TIOCSWINSZ");
  return info.Env().Undefined();
}

// makeRaw(fd: number): Uint8Array   how it was before. Node's own raw mode turns \n into \r\n (UV_TTY_MODE_RAW).
Napi::Value make_raw(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return info.Env().Undefined();
  termios before;
  if (tcgetattr(*fd, &before) != 0) {
    throw_errno(info.Env(), errno, "tcgetattr");
    return info.Env().Undefined();
  }
  termios raw = before;
  cfmakeraw(&raw);
  if (tcsetattr(*fd, TCSADRAIN, &raw) != 0) {
    throw_errno(info.Env(), errno, "tcsetattr");
    return info.Env().Undefined();
  }
  auto bytes = Napi::Uint8Array::New(info.Env(), sizeof before);
  memcpy(bytes.Data(), &before, sizeof before);
  return bytes;
}

// restoreTerminal(fd: number, before: Uint8Array): void
Napi::Value restore_terminal(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return info.Env().Undefined();
  const auto bytes = bytes_argument(info[1], "before");
  if (!bytes) return info.Env().Undefined();
  termios before;
  if (bytes->size() != sizeof before) {
    throw_type_error(info.Env(), "before", "what makeRaw returned");
    return info.Env().Undefined();
  }
  memcpy(&before, bytes->data(), sizeof before);
  if (tcsetattr(*fd, TCSADRAIN, &before) != 0) throw_errno(info.Env(), errno, "tcsetattr");
  return info.Env().Undefined();
}

// flushInput(fd: number): void   drops what was typed, or answered by the terminal, and not read yet
Napi::Value flush_input(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return info.Env().Undefined();
  if (tcflush(*fd, TCIFLUSH) != 0) throw_errno(info.Env(), errno, "tcflush");
  return info.Env().Undefined();
}

}  // namespace skillbox
