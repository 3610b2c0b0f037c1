#include "record.h"

#include <time.h>

#include <cerrno>
#include <utility>

#include "json.h"

namespace skillbox {

namespace {

constexpr size_t kBatchBytes = 64 * 1024;

}  // namespace

bool Record::append(std::string_view members, bool denied) {
  const std::lock_guard lock(mutex_);
  if (status_.error != 0 || status_.full) {
    status_.dropped++;
    return !options_.stop_on_failure;
  }
  buffer_ += "{\"v\":1,\"seq\":";
  append_number(buffer_, ++sequence_);
  append_time();
  append_key(buffer_, "run");
  append_json_string(buffer_, options_.run);
  buffer_ += ',';
  buffer_ += members;
  buffer_ += "}\n";
  buffered_events_++;
  status_.events++;
  if (denied) status_.denied++;
  return denied || buffer_.size() >= kBatchBytes ? write_out() : true;
}

bool Record::flush() {
  const std::lock_guard lock(mutex_);
  return write_out();
}

RecordStatus Record::status() {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Record::set_listener(std::function<void(std::string&&)> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

// A slow disk makes this slow, and with it the program, which waits for its answer: that is the back-pressure.
bool Record::write_out() {
  if (buffer_.empty()) return status_.error == 0 || !options_.stop_on_failure;
  if (options_.max_bytes != 0 && status_.bytes + buffer_.size() > options_.max_bytes) return fail(0, true);
  if (file_) {
    for (size_t done = 0; done < buffer_.size();) {
      const ssize_t written = write(file_.get(), buffer_.data() + done, buffer_.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail(errno, false);
      done += static_cast<size_t>(written);
    }
  }
  status_.bytes += buffer_.size();
  buffered_events_ = 0;
  if (listener_) {
    listener_(std::exchange(buffer_, {}));
  } else {
    buffer_.clear();
  }
  return true;
}

// What did not reach the file was not recorded, and is counted as dropped. Half a line may be left at the end of the file
// where the disk is full; the reader says so.
bool Record::fail(int error, bool full) {
  status_.error = error;
  status_.full = full;
  status_.dropped += buffered_events_;
  status_.events -= buffered_events_;
  buffered_events_ = 0;
  buffer_.clear();
  return !options_.stop_on_failure;
}

// ,"time":"2026-11-22T10:00:00.123456Z"
void Record::append_time() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec != formatted_second_) {
    tm parts;
    const time_t second = now.tv_sec;
    gmtime_r(&second, &parts);
    strftime(second_text_, sizeof second_text_, "%Y-%m-%dT%H:%M:%S", &parts);
    formatted_second_ = now.tv_sec;
  }
  char fraction[] = ".000000Z\"";
  for (long rest = now.tv_nsec / 1000, at = 6; at > 0; at--, rest /= 10)
    fraction[at] = static_cast<char>('0' + rest % 10);
  append_key(buffer_, "time");
  buffer_ += '"';
  buffer_ += second_text_;
  buffer_ += fraction;
}

}  // namespace skillbox
