#include "record.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "json.h"

namespace skillbox {

namespace {

constexpr size_t kBatchBytes = 64 * 1024;
// For the last lines of a record that has reached max_bytes: run.end and what stands around it.
constexpr uint64_t kClosingBytes = 8 * 1024;
constexpr size_t kMostRefusals = 256;

timespec now() {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

}  // namespace

bool Record::append(std::string_view members, bool denied, uint64_t task) {
  const std::lock_guard lock(mutex_);
  if (denied) status_.denied++;
  if (!is_new(members, denied, task)) return may_go_on();
  add(members, 1, now());
  if (denied) refusals_.insert({task, {std::string(members), 0, {}}});
  return denied || buffer_.size() >= kBatchBytes ? write_out() : may_go_on();
}

bool Record::append_unsure(std::string_view members, uint64_t task) {
  const std::lock_guard lock(mutex_);
  if (!is_new(members, false, task)) return may_go_on();
  add(members, 1, now());
  unsure_ = sequence_;
  return may_go_on();
}

// What stands before others by now, or was written, stays.
void Record::take_back() {
  const std::lock_guard lock(mutex_);
  if (lines_.empty() || sequence_ != unsure_) return;
  lines_.pop_back();
  buffer_.resize(lines_.empty() ? 0 : lines_.back().end);
  sequence_--;
}

bool Record::keep() {
  const std::lock_guard lock(mutex_);
  return buffer_.size() >= kBatchBytes ? write_out() : may_go_on();
}

bool Record::is_new(std::string_view members, bool denied, uint64_t task) {
  if (status_.full) {
    status_.dropped++;
    lost_++;
    return false;
  }
  if (refusals_.empty()) return true;
  const auto last = refusals_.find(task);
  if (last == refusals_.end()) {
    if (refusals_.size() < kMostRefusals) return true;
    end_all_repeats();
    refusals_.clear();
    return true;
  }
  if (denied && members == last->second.members) {
    last->second.repeats++;
    last->second.last = now();
    return false;
  }
  end_repeats(last->second);
  refusals_.erase(last);
  return true;
}

bool Record::flush() {
  const std::lock_guard lock(mutex_);
  end_all_repeats();
  return write_out();
}

bool Record::settle() {
  const std::lock_guard lock(mutex_);
  end_all_repeats();
  closing_ = true;
  if (status_.full && lost_ > 0) {
    discard();
    begin_gap();
  }
  return write_out();
}

bool Record::close(std::string_view members) {
  const std::lock_guard lock(mutex_);
  closing_ = true;
  add(members, 1, now());
  return write_out();
}

void Record::release() {
  const std::lock_guard lock(mutex_);
  file_.reset();
}

RecordStatus Record::status() {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Record::set_listener(std::function<void(std::string&&)> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void Record::add(std::string_view members, uint64_t events, const timespec& time) {
  buffer_ += "{\"v\":1,\"seq\":";
  append_number(buffer_, ++sequence_);
  append_time(time);
  append_key(buffer_, "run");
  append_json_string(buffer_, options_.run);
  buffer_ += ',';
  buffer_ += members;
  buffer_ += "}\n";
  lines_.push_back({buffer_.size(), events});
}

// The line is the refusal's own, once more: whoever reads it need not look for the first.
void Record::end_repeats(Refusal& refusal) {
  if (refusal.repeats == 0) return;
  std::string members = refusal.members;
  append_key(members, "repeated");
  append_number(members, refusal.repeats);
  add(members, std::exchange(refusal.repeats, 0), refusal.last);
}

void Record::end_all_repeats() {
  for (auto& [task, refusal] : refusals_) end_repeats(refusal);
}

// Stands first in its buffer, in the place of what was lost; if it is lost itself, the next one says so of both.
void Record::begin_gap() {
  std::string members = "\"type\":\"audit.gap\"";
  append_key(members, "dropped");
  append_number(members, told_ = lost_);
  append_key(members, "reason");
  append_json_string(members, status_.full ? "audit.maxBytes is reached" : strerrorname_np(status_.error));
  add(members, 0, now());
}

// Forgets what is in the buffer.
void Record::discard() {
  sequence_ -= lines_.size();
  told_ = 0;
  lines_.clear();
  buffer_.clear();
}

// A slow disk makes this slow, and with it the program, which waits for its answer: that is the back-pressure.
bool Record::write_out() {
  if (lines_.empty()) return may_go_on();
  const auto fit = whole_lines(room());
  const auto kept = write_lines(fit);
  const bool over = kept == fit && fit != lines_.end();
  if (kept == lines_.end()) {
    if (listener_) listener_(std::exchange(buffer_, {}));
    lines_.clear();
    buffer_.clear();
    return may_go_on();
  }

  // What did not reach the file was not recorded, and is counted as dropped.
  if (listener_ && kept != lines_.begin()) listener_(buffer_.substr(0, kept[-1].end));
  for (auto line = kept; line != lines_.end(); line++) {
    status_.dropped += line->events;
    lost_ += line->events;
  }
  lines_.erase(lines_.begin(), kept);
  discard();
  refusals_.clear();  // the next ones are on disk again before they are answered
  const bool fills = over && !status_.full;
  status_.full = status_.full || over;
  if (lost_ == 0) return may_go_on();
  begin_gap();
  return fills && !closing_ ? write_out() : may_go_on();
}

uint64_t Record::room() const {
  if (options_.max_bytes == 0) return UINT64_MAX;
  const uint64_t reserved = closing_ || status_.full ? 0 : std::min(kClosingBytes, options_.max_bytes / 4);
  return options_.max_bytes - std::min(options_.max_bytes, status_.bytes + reserved);
}

Record::Lines::iterator Record::whole_lines(uint64_t bytes) {
  return std::partition_point(lines_.begin(), lines_.end(), [bytes](const Line& line) { return line.end <= bytes; });
}

// Returns the first line that was not written. The file ends with the one before it.
Record::Lines::iterator Record::write_lines(Lines::iterator end) {
  const size_t length = end == lines_.begin() ? 0 : end[-1].end;
  size_t done = file_ ? 0 : length;
  while (done < length) {
    const ssize_t written = write(file_.get(), buffer_.data() + done, length - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      status_.error = errno;
      break;
    }
    done += static_cast<size_t>(written);
  }
  const auto kept = whole_lines(done);
  if (kept != lines_.begin()) {
    status_.bytes += kept[-1].end;
    status_.events += static_cast<uint64_t>(kept - lines_.begin());
    lost_ -= std::exchange(told_, 0);  // the gap, where there was one, is on record
  }
  if (done < length) {
    // A device has no end to cut off.
    (void)!ftruncate(file_.get(), static_cast<off_t>(status_.bytes));
    (void)lseek(file_.get(), static_cast<off_t>(status_.bytes), SEEK_SET);
  }
  return kept;
}

// ,"time":"2026-11-22T10:00:00.123456Z"
void Record::append_time(const timespec& time) {
  if (time.tv_sec != formatted_second_) {
    tm parts;
    gmtime_r(&time.tv_sec, &parts);
    strftime(second_text_, sizeof second_text_, "%Y-%m-%dT%H:%M:%S", &parts);
    formatted_second_ = time.tv_sec;
  }
  char fraction[] = ".000000Z\"";
  for (long rest = time.tv_nsec / 1000, at = 6; at > 0; at--, rest /= 10)
    fraction[at] = static_cast<char>('0' + rest % 10);
  append_key(buffer_, "time");
  buffer_ += '"';
  buffer_ += second_text_;
  buffer_ += fraction;
}

}  // namespace skillbox
