// The folders of device nodes, watched: what containers are given of them is made from the node as
// it is now.
//
// A node counts as another one when it was made again, or when its mode or its owner has changed: a
// module that is loaded again may get another number for the same name. Nodes that no container is
// given (disks, terminals) are no news.
//
// Threading: the loop's thread. A worker looks at the files, since a driver root may hang.
// Errors: a folder that is not there has no nodes, until it is. What is known of one that does not
// answer stays.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/directory_watch.h"
#include "base/disk/look.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/timer.h"

namespace tranche::agent {

class DeviceFolders {
 public:
  // `changed` a moment after nodes have changed: a driver makes many of them at once. The worker
  // outlives this.
  DeviceFolders(base::EventLoop& loop, base::disk::Worker& worker, std::function<void()> changed);

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
  struct Seen {
    std::vector<std::string> subfolders;
    Nodes nodes;
  };
  // Whether what is seen is news, or what later looks are compared with.
  enum class Purpose { kNews, kBaseline };

  static Seen LookAt(const std::vector<std::string>& folders);  // any thread
  [[nodiscard]] bool WatchSubfolders(const std::vector<std::string>& subfolders);
  [[nodiscard]] std::unique_ptr<base::DirectoryWatch> NewWatch(const std::string& folder);
  void SomethingHappened();
  void Look(Purpose purpose);
  void Take(Seen seen, Purpose purpose);

  base::EventLoop& loop_;
  base::disk::Worker& worker_;
  std::function<void()> changed_;
  base::disk::Look look_;
  std::vector<std::string> roots_;
  bool missed_ = false;  // something has happened during the look that is under way
  Nodes nodes_;
  Watches folders_;
  Watches subfolders_;
  base::Timer settle_timer_;
};

}  // namespace tranche::agent
