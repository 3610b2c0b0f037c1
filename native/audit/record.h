// The audit record of one run: a JSON Lines file with one writer and one order.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "../sys/fd.h"

namespace skillbox {

struct RecordOptions {
  std::string run;         // the run's id
  uint64_t max_bytes = 0;  // 0: no bound
  bool stop_on_failure = true;
};

struct RecordStatus {
  uint64_t events = 0;
  uint64_t denied = 0;
  uint64_t dropped = 0;
  uint64_t bytes = 0;
  int error = 0;      // errno of the first write that failed
  bool full = false;  // max_bytes was reached
};

// Every method may be called from any thread.
class Record {
 public:
  // Without a file the events are only counted (and copied, where somebody listens).
  Record(Fd file, RecordOptions options) : file_(std::move(file)), options_(std::move(options)) {}

  // `members` is what follows the common ones: `"type":…,…`, without braces. A refusal is written out before this returns,
  // the rest when 64 KiB have gathered or somebody calls flush(). False: the record has failed and the run is to stop.
  bool append(std::string_view members, bool denied);

  // False as for append().
  bool flush();

  RecordStatus status();

  // Copies of the lines, in batches, as they are written.
  void set_listener(std::function<void(std::string&&)> listener);

 private:
  bool write_out();
  bool fail(int error, bool full);
  void append_time();

  std::mutex mutex_;
  Fd file_;
  const RecordOptions options_;
  std::string buffer_;
  uint64_t buffered_events_ = 0;
  RecordStatus status_;
  uint64_t sequence_ = 0;
  int64_t formatted_second_ = -1;
  char second_text_[24] = {};
  std::function<void(std::string&&)> listener_;
};

}  // namespace skillbox
