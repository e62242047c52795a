// The folders of device nodes, watched: what containers are given of them is made from the node as
// it is now.
//
// A node counts as another one when it was made again, or when its mode or its owner has changed: a
// module that is loaded again may get another number for the same name. Nodes that no container is
// given (disks, terminals) are no news.
//
// Threading: the loop's thread.
// Errors: a folder that is not there has no nodes, until it is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/directory_watch.h"
#include "base/event_loop.h"
#include "base/timer.h"

namespace tranche::agent {

class DeviceFolders {
 public:
  // `changed` a moment after nodes have changed: a driver makes many of them at once.
  DeviceFolders(base::EventLoop& loop, std::function<void()> changed);

  // Watches the folder "dev" of each root. The same roots again have no effect.
  void Watch(const std::vector<std::string>& roots);
  // Calls `changed` now, if something has happened to the nodes that has not been told yet.
  void CatchUp();

 private:
  struct Node {
    std::uint64_t number = 0;     // major and minor
    std::uint64_t inode = 0;      // may be used again by the next node…
    std::int64_t changed_ns = 0;  // …but not with this, which mode and owner change too
    friend bool operator==(const Node&, const Node&) = default;
  };
  using Nodes = std::map<std::string, Node>;  // by path
  using Watches = std::map<std::string, std::unique_ptr<base::DirectoryWatch>>;

  void WatchSubfolders();
  [[nodiscard]] std::unique_ptr<base::DirectoryWatch> NewWatch(const std::string& folder);
  [[nodiscard]] Nodes Read() const;
  void SomethingHappened();
  void Look();

  base::EventLoop& loop_;
  std::function<void()> changed_;
  std::vector<std::string> roots_;
  Nodes nodes_;
  Watches folders_;
  Watches subfolders_;
  base::Timer settle_timer_;
};

}  // namespace tranche::agent
