// status.json: what a program says of itself, for `tranche status` and for people.
//
// Threading: the loop's thread.
// Errors: a file that cannot be written is logged, now and then, and tried again at the next
// change.
#pragma once

#include <functional>
#include <string>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/log.h"
#include "base/timer.h"

namespace tranche::daemon {

class StatusFile {
 public:
  // Writes `directory`/status.json; "": nothing is written.
  StatusFile(base::EventLoop& loop, const std::string& directory,
             std::function<base::Json()> status);

  // Something that the status reports has changed. Changes close together are written once.
  void Changed();
  // A file that is left behind would describe a program that has ended.
  void Remove();

 private:
  void Write();

  base::EventLoop& loop_;
  const std::string path_;
  std::function<base::Json()> status_;
  base::OncePer rarely_;
  base::Timer timer_;
};

}  // namespace tranche::daemon
