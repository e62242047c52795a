// LogOutput is where lines of the log go: to a descriptor that may be a pipe which nobody reads,
// and at a bounded rate.
//
// Each kind of line (debug, info, and warnings with errors) has a budget: kBurst lines at once, and
// kPerSecond a second in the long run. A line that the descriptor does not take at once is dropped:
// a log never waits. What was left out for either reason is counted, and said as soon as a line
// gets through again, at most once a second.
//
// Threading: one thread at a time; log.cc holds a lock.
// Errors: none; what could not be written is counted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/token_bucket.h"

namespace tranche::base {

class LogOutput {
 public:
  static constexpr int kBurst = 200;
  static constexpr int kPerSecond = 50;

  struct LeftOut {
    std::uint64_t over_budget = 0;  // lines beyond the budget
    std::uint64_t unread = 0;       // lines that the descriptor did not take
    std::string first;              // the message of the first of them, cut
  };

  explicit LogOutput(int fd) : fd_(fd) {}

  // Whether the budget of this kind has room for a line; one that is refused is counted.
  bool Admit(LogLevel level, std::string_view message, TimePoint now);
  // Writes a line, which ends in a newline, or counts it as left out.
  void Write(std::string_view line, std::string_view message);

  // Whether lines have been left out, and it is time to report that.
  [[nodiscard]] bool ReportIsDue(TimePoint now) const;
  [[nodiscard]] const LeftOut& left_out() const { return left_out_; }
  // Writes the line that reports it. Where it cannot be written, the report is still due.
  void WriteReport(std::string_view line, TimePoint now);

 private:
  [[nodiscard]] bool Put(std::string_view line);
  [[nodiscard]] bool WriteSome(std::string& bytes) const;
  void Remember(std::string_view message);

  const int fd_;
  std::array<TokenBucket, 3> budgets_{TokenBucket(kBurst, kPerSecond),
                                      TokenBucket(kBurst, kPerSecond),
                                      TokenBucket(kBurst, kPerSecond)};
  std::string rest_;  // of a line that is written in part, and comes before the next
  LeftOut left_out_;
  TimePoint reported_{};
};

// Reports in the log what was left out of it, if that is due. To be called by a timer: otherwise
// the report would wait for the next line.
void ReportLeftOutLines();

}  // namespace tranche::base
