// status.json: what a program says of itself, for `tranche status` and for people.
//
// It is written again every kHeartbeat even where nothing has changed, and the program holds a lock
// beside it (status.lock) as long as it lives: a reader can tell a program that was killed, or that
// hangs, from one that has nothing new to say.
//
// Threading: the loop's thread.
// Errors: a file that cannot be written is logged, now and then, and tried again at the next
// change.
#pragma once

#include <functional>
#include <string>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/timer.h"

namespace tranche::daemon {

inline constexpr char kStatusName[] = "status.json";
inline constexpr char kStatusLockName[] = "status.lock";

class StatusFile {
 public:
  static constexpr base::Duration kHeartbeat = std::chrono::seconds(10);

  // Writes `directory`/status.json; "": nothing is written.
  StatusFile(base::EventLoop& loop, const std::string& directory,
             std::function<base::Json()> status);

  // Something that the status reports has changed. Changes close together are written once.
  void Changed();
  // A file that is left behind would describe a program that has ended.
  void Remove();

 private:
  void Write();
  void HoldLock();

  base::EventLoop& loop_;
  const std::string path_;
  const std::string lock_path_;
  base::UniqueFd lock_;
  std::function<base::Json()> status_;
  base::OncePer rarely_;
  base::Timer timer_;
  base::Timer heartbeat_;
};

// Who wrote the status file in `directory`: held by a program that lives, by nobody, or not known
// (no lock there, or no right to look).
enum class Writer { kAlive, kGone, kUnknown };
Writer StatusWriter(const std::string& directory);

}  // namespace tranche::daemon
