// Keeps the last good config on disk: writes it once it is in force, tries again where that fails,
// and writes it anew where the file goes missing or is damaged while the program runs.
//
// Whatever touches the disk after the start is done on a worker, since a flush may take long and a
// disk may hang. A valid file with another config in it is left alone: during a handover it is the
// other agent's.
//
// Threading: the loop's thread.
// Errors: problem() says why the config is not on disk; it is tried again, ever more rarely. One
// Event tells of each cause.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/backoff.h"
#include "base/directory_watch.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "daemon/event.h"
#include "profile/last_good.h"

namespace tranche::profile {

class LastGoodKeeper {
 public:
  // So that the disk does not delay the kubelet's news.
  static constexpr base::Duration kDelay = std::chrono::milliseconds(20);
  static constexpr base::Duration kFirstRetry = std::chrono::seconds(5);
  static constexpr base::Duration kLongestRetry = std::chrono::minutes(5);

  struct Owner {
    daemon::RaiseEvent event;
    std::function<void()> changed;  // problem() is another
  };

  // The worker outlives the keeper.
  LastGoodKeeper(base::EventLoop& loop, base::disk::Worker& worker, std::string directory,
                 Owner owner);
  LastGoodKeeper(const LastGoodKeeper&) = delete;
  LastGoodKeeper& operator=(const LastGoodKeeper&) = delete;

  // Read at once, for a start that cannot go on without. Errors as LoadLastGood's.
  [[nodiscard]] base::Result<LastGood> Load() const { return LoadLastGood(directory_); }

  // From now on this is what is to be on disk.
  void Keep(LastGood good);
  // What is in force is not to be kept: the file stays as it is.
  void Leave();

  // Why what is to be kept is not on disk; "" where it is.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void Save();
  void Saved(const LastGood& good, const base::Status& status);
  void Failed(const base::Status& status);
  void Look();
  void Seen(const base::Status& status);
  void SetProblem(const std::string& problem);

  base::EventLoop& loop_;
  base::disk::Worker& worker_;
  const std::string directory_;
  Owner owner_;
  std::optional<LastGood> good_;  // to be on disk
  bool busy_ = false;             // the worker has a job of ours
  std::string problem_;
  base::Backoff back_off_;
  base::Timer timer_;  // the next attempt
  std::unique_ptr<base::DirectoryWatch> watch_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::profile
