// Worker does on a thread of its own what may block: a flush to a slow disk, a look at a file
// system that does not answer.
//
// Jobs run one after another. At most kMaxWaiting wait; a job that hangs delays those behind it,
// and nothing else: the loop goes on, and the destructor does not wait.
//
// Threading: the loop's thread. Results arrive as calls on the loop, and none after this object is
// destroyed. A job runs on the worker's thread and owns whatever it touches.
// Errors: Run says why a job is not taken: kResourceExhausted where too many wait, or where no
// thread can be made.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::base::disk {

class Worker {
 public:
  static constexpr std::size_t kMaxWaiting = 16;
  // A job that takes longer is called stuck.
  static constexpr Duration kPatience = std::chrono::seconds(1);

  using Job = std::function<Status()>;
  using Done = std::function<void(const Status&)>;
  using Clock = std::function<TimePoint()>;  // any thread

  // The clock only measures how long jobs take.
  static std::unique_ptr<Worker> New(EventLoop& loop, Clock clock = std::chrono::steady_clock::now);
  virtual ~Worker() = default;

  // `done` gets what the job returned. Where the answer is not OK the job was not taken, and `done`
  // is not called. `what` is for people: "saving the last good config".
  virtual Status Run(std::string what, Job job, Done done) = 0;

  // The job that is running, if it has run for longer than kPatience.
  struct Stuck {
    std::string what;
    Duration age{};
  };
  [[nodiscard]] virtual std::optional<Stuck> StuckJob() const = 0;
};

}  // namespace tranche::base::disk
