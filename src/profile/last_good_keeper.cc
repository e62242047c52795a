#include "profile/last_good_keeper.h"

#include <utility>

namespace tranche::profile {

using base::Code;
using base::Status;
using daemon::EventType;

LastGoodKeeper::LastGoodKeeper(base::EventLoop& loop, base::disk::Worker& worker,
                               std::string directory, Owner owner)
    : loop_(loop),
      worker_(worker),
      directory_(std::move(directory)),
      owner_(std::move(owner)),
      back_off_({.first = kFirstRetry, .longest = kLongestRetry}),
      timer_(loop),
      runner_(loop) {}

void LastGoodKeeper::Keep(LastGood good) {
  good_ = std::move(good);
  back_off_.Reset();
  timer_.Start(kDelay, [this] { Save(); });
  if (watch_ == nullptr) watch_ = base::WatchDirectory(loop_, directory_, [this] { Look(); });
}

void LastGoodKeeper::Leave() {
  good_.reset();
  timer_.Stop();
  SetProblem("");
}

void LastGoodKeeper::Save() {
  // The answer of the job that runs comes first, and looks at what is to be kept by then.
  if (!good_ || busy_) return;
  const Status taken = worker_.Run(
      "saving the last good config",
      [directory = directory_, good = *good_] { return SaveLastGood(directory, good); },
      runner_.Wrap([this, good = *good_](const Status& status) { Saved(good, status); }));
  busy_ = taken.ok();
  if (!taken.ok()) Failed(taken);
}

void LastGoodKeeper::Saved(const LastGood& good, const Status& status) {
  busy_ = false;
  if (!good_) return;
  if (!status.ok()) return Failed(status);
  back_off_.Reset();
  SetProblem("");
  if (!(good == *good_) && !timer_.running()) Save();
}

void LastGoodKeeper::Failed(const Status& status) {
  if (status.message() != problem_) {
    owner_.event(EventType::kWarning, "LastGoodNotSaved",
                 "the config is in force, but would not survive a restart with a bad one: " +
                     status.message());
  }
  SetProblem(status.message());
  timer_.Start(back_off_.Next(), [this] { Save(); });
}

// Anything in the folder has changed; most of it is nothing to us.
void LastGoodKeeper::Look() {
  if (!good_ || busy_ || timer_.running()) return;
  const Status taken = worker_.Run(
      "looking at the last good config",
      [directory = directory_] { return LoadLastGood(directory).status(); },
      runner_.Wrap([this](const Status& status) { Seen(status); }));
  busy_ = taken.ok();
}

void LastGoodKeeper::Seen(const Status& status) {
  busy_ = false;
  if (!good_ || timer_.running()) return;
  const bool missing = status.code() == Code::kNotFound;
  if (missing || status.code() == Code::kDataLoss) {
    owner_.event(EventType::kWarning, "LastGoodLost",
                 missing ? "the file of the last good config is gone and is written again"
                         : "the file of the last good config is damaged and is written again: " +
                               status.message());
  }
  if (!status.ok()) Save();
}

void LastGoodKeeper::SetProblem(const std::string& problem) {
  if (problem == problem_) return;
  problem_ = problem;
  owner_.changed();
}

}  // namespace tranche::profile
