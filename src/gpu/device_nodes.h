// The device nodes of the GPUs ("nvidia0", not "nvidiactl") below a driver root, watched: a GPU
// that is plugged in shows itself there before the driver lists it.
//
// Threading: the loop's thread. A worker looks at the files, since a driver root may hang.
// Errors: a folder that cannot be read has no nodes, until it can. What is known of one that does
// not answer stays.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/directory_watch.h"
#include "base/disk/look.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"

namespace tranche::gpu {

class DeviceNodes {
 public:
  // `changed` when nodes have come or gone. Nothing is read before Watch. The worker outlives this.
  DeviceNodes(base::EventLoop& loop, base::disk::Worker& worker, std::function<void()> changed)
      : loop_(loop),
        worker_(worker),
        changed_(std::move(changed)),
        look_(loop, worker, "looking at the device nodes of the driver root") {}

  // Watches `driver_root`/dev, or /dev where the root has none. To be called again now and then: a
  // root may get its own nodes later, as a driver container makes them.
  void Watch(const std::string& driver_root);

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  // The folder that is watched; "" before Watch.
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  struct Seen {
    std::string directory;
    std::vector<std::string> names;
  };
  static Seen LookAt(const std::string& driver_root);
  void Read();
  void Take(Seen seen);

  base::EventLoop& loop_;
  base::disk::Worker& worker_;
  std::function<void()> changed_;
  base::disk::Look look_;
  std::string driver_root_;
  std::string directory_;
  std::vector<std::string> names_;
  std::unique_ptr<base::DirectoryWatch> watch_;
};

}  // namespace tranche::gpu
