// A Worker without a thread, for tests in virtual time: a job runs when the loop gets to it (at
// once where it is waited for), or hangs until the test lets it go.
//
// Threading: the loop's thread.
// Errors: as Worker says; refuse is what Run answers.
#pragma once

#include <deque>
#include <utility>

#include "base/disk/worker.h"
#include "base/weak_runner.h"

namespace tranche::base::disk::testing {

class FakeWorker : public Worker {
 public:
  explicit FakeWorker(EventLoop& loop) : loop_(loop), runner_(loop) {}

  Status Run(std::string what, Job job, Done done) override {
    TRANCHE_TRY(refuse);
    if (waiting_.empty()) since_ = loop_.Now();
    waiting_.push_back({std::move(what), std::move(job), std::move(done)});
    runner_.Post([this] { RunAll(); });
    return Status::Ok();
  }
  Status RunAndWait(std::string what, Job job, Done done) override {
    if (hangs_ || !waiting_.empty()) return Run(std::move(what), std::move(job), std::move(done));
    TRANCHE_TRY(refuse);
    done(job());
    return Status::Ok();
  }
  [[nodiscard]] std::optional<Stuck> StuckJob() const override {
    if (waiting_.empty() || loop_.Now() - since_ <= kPatience) return std::nullopt;
    return Stuck{.what = waiting_.front().what, .age = loop_.Now() - since_};
  }

  // Jobs hang from now on, until Release.
  void Hang() { hangs_ = true; }
  void Release() {
    hangs_ = false;
    RunAll();
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  Status refuse;

 private:
  struct Task {
    std::string what;
    Job job;
    Done done;
  };

  void RunAll() {
    const auto alive = runner_.AliveCheck();
    while (!hangs_ && !waiting_.empty()) {
      const Task task = std::move(waiting_.front());
      waiting_.pop_front();
      since_ = loop_.Now();
      task.done(task.job());
      if (!alive()) return;
    }
  }

  EventLoop& loop_;
  std::deque<Task> waiting_;
  TimePoint since_{};
  bool hangs_ = false;
  WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::base::disk::testing
