// Tells its owner that something in a directory has changed, without saying what.
//
// `changed` is called after anything in the directory was created, written, renamed or removed
// (many events in one read are one call), after the directory itself was replaced, and every
// `poll_every` in any case, because inotify loses events on some file systems. A directory that
// does not exist yet is waited for, and so is one that does not answer (DirectoryLooks).
//
// Threading: made, called back and destroyed on the loop's thread. `changed` may destroy the watch.
// Errors: none. Where the kernel has no inotify instance left, a warning is logged and the
// directory is only polled.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

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

// How a watch comes to its directory, which may hang: calls `look` on whatever thread, and then
// `then` on the loop, at once or later. Where it does neither it says why.
using DirectoryLooks =
    std::function<Status(std::function<void()> look, std::function<void()> then)>;

// Without `looks` the directory is one that does not hang.
std::unique_ptr<DirectoryWatch> WatchDirectory(EventLoop& loop, std::string directory,
                                               std::function<void()> changed,
                                               Duration poll_every = std::chrono::seconds(30),
                                               DirectoryNews news = DirectoryNews::kAll,
                                               DirectoryLooks looks = nullptr);

}  // namespace tranche::base
