// Look looks at files that may not answer: a driver root on a network file system whose server has
// gone, or below a mount whose program hangs. It gives the loop the answer at once where that comes
// in time, and never keeps the loop waiting otherwise.
//
// At most one look is under way, so that one that hangs leaves the worker room for those of others.
//
// Threading: the loop's thread. A job runs on the worker's thread and owns whatever it touches.
// Errors: kDeadlineExceeded where there is no answer in time; Worker's where a job is not taken.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/weak_runner.h"

namespace tranche::base::disk {

class Look {
 public:
  // `what` is for people: "looking at the device nodes". The worker outlives the Look.
  Look(EventLoop& loop, Worker& worker, std::string what)
      : worker_(worker), what_(std::move(what)), runner_(loop) {}

  // OK where `job` has run. kDeadlineExceeded where it has not come back yet: `late` is called on
  // the loop once it has. While one is under way, the answer is the same and `job` is not run, nor
  // `late` called.
  Status Run(std::function<void()> job, std::function<void()> late) {
    if (under_way_) return NoAnswer();
    const auto waits = std::make_shared<bool>(true);
    under_way_ = true;
    Status taken = worker_.RunAndWait(
        what_,
        [job = std::move(job)] {
          job();
          return Status::Ok();
        },
        runner_.Wrap([this, waits, late = std::move(late)](const Status& /*ok*/) {
          under_way_ = false;
          if (!*waits && late) late();
        }));
    *waits = false;
    if (!taken.ok()) under_way_ = false;
    if (!taken.ok()) return taken;
    return under_way_ ? NoAnswer() : Status::Ok();
  }

 private:
  [[nodiscard]] Status NoAnswer() const {
    return {Code::kDeadlineExceeded, what_ + " has no answer yet"};
  }

  Worker& worker_;
  const std::string what_;
  bool under_way_ = false;
  WeakRunner runner_;  // the last member: destroyed first
};

// The same for a DirectoryWatch, which makes its looks one after another.
inline auto LooksOf(Worker& worker, std::string what) {
  return [&worker, what = std::move(what)](std::function<void()> look, std::function<void()> then) {
    return worker.RunAndWait(
        what,
        [look = std::move(look)] {
          look();
          return Status::Ok();
        },
        [then = std::move(then)](const Status& /*ok*/) { then(); });
  };
}

}  // namespace tranche::base::disk
