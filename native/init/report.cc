#include "report.h"

#include <algorithm>

#include "../sys/fd_passing.h"

namespace skillbox {

void ReportWriter::number(uint64_t value, int width) {
  for (int i = 0; i < width && length_ < sizeof bytes_; i++) bytes_[length_++] = static_cast<uint8_t>(value >> (8 * i));
}

void ReportWriter::string(const char* text) {
  const size_t room = sizeof bytes_ - std::min(sizeof bytes_, length_ + 4);
  const size_t length = std::min(strlen(text), std::min<size_t>(room, 4096));
  u32(static_cast<uint32_t>(length));
  memcpy(bytes_ + length_, text, length);
  length_ += length;
}

bool ReportWriter::send(int control, std::span<const int> fds) const {
  return send_message(control, {bytes_, length_}, fds);
}

namespace {

void add_status(ReportWriter& report, const Status& status) {
  report.string(status.stage);
  report.string(status.op);
  report.string(status.subject);
  report.u32(static_cast<uint32_t>(status.error));
}

}  // namespace

void report_error(int control, const Status& status) {
  ReportWriter report(Report::error);
  add_status(report, status);
  (void)report.send(control);
}

bool report_exec_failed(int control, uint32_t process, const Status& status) {
  ReportWriter report(Report::exec_failed);
  report.u32(process);
  add_status(report, status);
  return report.send(control);
}

bool report_exited(int control, const ExitReport& exit) {
  ReportWriter report(Report::exited);
  report.u32(exit.process);
  report.u32(exit.code);
  report.u32(exit.status);
  report.u32(static_cast<uint32_t>(exit.reason));
  report.u64(exit.wall_us);
  report.u64(exit.user_us);
  report.u64(exit.system_us);
  report.u64(exit.max_rss_bytes);
  return report.send(control);
}

}  // namespace skillbox
