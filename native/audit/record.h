// The audit record of one run: a JSON Lines file with one writer and one order.
#pragma once

#include <time.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../sys/fd.h"

namespace skillbox {

struct RecordOptions {
  std::string run;         // the run's id
  uint64_t max_bytes = 0;  // 0: no bound
  bool stop_on_failure = true;
};

struct RecordStatus {
  uint64_t events = 0;  // lines
  uint64_t denied = 0;
  uint64_t dropped = 0;
  uint64_t bytes = 0;
  int error = 0;      // errno of the last write that failed
  bool full = false;  // max_bytes was reached
};

// Every method may be called from any thread. What returns a bool says whether the run may go on: false, when the record has
// failed and the run is to stop.
//
// Where events are lost, an audit.gap stands in their place and says how many and why. After a write that failed, the next one
// tries again; at max_bytes the record is over but for its last lines, for which room is kept.
class Record {
 public:
  // Without a file the events are only counted (and copied, where somebody listens).
  Record(Fd file, RecordOptions options) : file_(std::move(file)), options_(std::move(options)) {}

  // `members` is what follows the common ones: `"type":…,…`, without braces. A refusal is written out before this returns,
  // the rest when 64 KiB have gathered or somebody calls flush(). Refusals of one `task` that are the same and follow one
  // another are counted, once the first is on disk, and become one line with that number when the task does something
  // else, or with the next flush().
  bool append(std::string_view members, bool denied, uint64_t task = 0);

  // One that may not have happened: take_back() or keep() follows. It is written out no sooner, unless others fill the batch.
  bool append_unsure(std::string_view members, uint64_t task);
  void take_back();
  bool keep();

  bool flush();

  // Flushes, and closes a gap that is open. What is to come is close(), or nothing.
  bool settle();

  // The last line.
  bool close(std::string_view members);

  // Lets go of the file; what comes after is only counted.
  void release();

  RecordStatus status();

  // Copies of the lines, in batches, as they are written.
  void set_listener(std::function<void(std::string&&)> listener);

 private:
  struct Line {
    size_t end;       // in buffer_
    uint64_t events;  // that would be lost with it
  };

  using Lines = std::vector<Line>;
  // The last event of a task.
  struct Refusal {
    std::string members;
    uint64_t repeats;
    timespec last;
  };

  bool may_go_on() const { return (status_.error == 0 && !status_.full) || !options_.stop_on_failure; }
  void add(std::string_view members, uint64_t events, const timespec& time);
  // False: it is one of those that are only counted.
  bool is_new(std::string_view members, bool denied, uint64_t task);
  void end_repeats(Refusal& refusal);
  void end_all_repeats();
  void begin_gap();
  void discard();
  bool write_out();
  uint64_t room() const;
  Lines::iterator whole_lines(uint64_t bytes);
  Lines::iterator write_lines(Lines::iterator end);
  void append_time(const timespec& time);

  std::mutex mutex_;
  Fd file_;
  const RecordOptions options_;
  std::string buffer_;
  Lines lines_;  // of buffer_
  RecordStatus status_;
  uint64_t sequence_ = 0;
  uint64_t unsure_ = 0;  // sequence number
  uint64_t lost_ = 0;    // events since the last gap on record
  uint64_t told_ = 0;    // of those, what the gap in the buffer tells
  bool closing_ = false;
  std::unordered_map<uint64_t, Refusal> refusals_;  // by task
  time_t formatted_second_ = -1;
  char second_text_[24] = {};
  std::function<void(std::string&&)> listener_;
};

}  // namespace skillbox
