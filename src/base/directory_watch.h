// Tells its owner that something in a directory has changed, without saying what.
//
// `changed` is called after anything in the directory was created, written, renamed or removed
// (many events in one read are one call), after the directory itself was replaced, and every
// `poll_every` in any case, because inotify loses events on some file systems. A directory that
// does not exist yet is waited for.
//
// Threading: made, called back and destroyed on the loop's thread. `changed` may destroy the watch.
// Errors: none. Where the kernel has no inotify instance left, a warning is logged and the
// directory is only polled.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"

namespace tranche::base {

// Watching ends with the object.
class DirectoryWatch {
 public:
  virtual ~DirectoryWatch() = default;
  // Calls `changed` now if the kernel has told of something that the loop has not come to yet.
  // Looks at no file.
  virtual void CatchUp() = 0;
};

// kNames is for folders of devices: there every program that closes a device has written to it.
enum class DirectoryNews { kAll, kNames };

std::unique_ptr<DirectoryWatch> WatchDirectory(EventLoop& loop, std::string directory,
                                               std::function<void()> changed,
                                               Duration poll_every = std::chrono::seconds(30),
                                               DirectoryNews news = DirectoryNews::kAll);

}  // namespace tranche::base
