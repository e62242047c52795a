// Worker does on a thread of its own what may block: a flush to a slow disk, a look at a file
// system that does not answer.
//
// Jobs run one after another. At most kMaxWaiting wait; a job that hangs delays those behind it,
// and nothing else: the loop goes on, and the destructor does not wait.
//
// Where a decision needs the answer at once, RunAndWait waits for it, but only for so long, and not
// again while what has been waited for in vain is still under way: a file system that hangs costs
// the loop one kPatience.
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
  static constexpr std::size_t kMaxWaiting = 32;
  // A job that takes longer is called stuck, and is not waited for any longer.
  static constexpr Duration kPatience = std::chrono::seconds(1);

  using Job = std::function<Status()>;
  using Done = std::function<void(const Status&)>;
  using Clock = std::function<TimePoint()>;  // any thread

  // The clock only measures how long jobs take. `wait` is how long RunAndWait waits.
  static std::unique_ptr<Worker> New(EventLoop& loop, Clock clock = std::chrono::steady_clock::now,
                                     Duration wait = kPatience);
  virtual ~Worker() = default;

  // `done` gets what the job returned. Where the answer is not OK the job was not taken, and `done`
  // is not called. `what` is for people: "saving the last good config".
  virtual Status Run(std::string what, Job job, Done done) = 0;
  // As Run. Where the answer comes within kPatience, `done` has been called when this returns; else
  // it is called as Run's is.
  virtual Status RunAndWait(std::string what, Job job, Done done) = 0;

  // The job that is running, if it has run for longer than kPatience.
  struct Stuck {
    std::string what;
    Duration age{};
  };
  [[nodiscard]] virtual std::optional<Stuck> StuckJob() const = 0;
};

}  // namespace tranche::base::disk
