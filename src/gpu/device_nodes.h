// The device nodes of the GPUs ("nvidia0", not "nvidiactl") below a driver root, watched: a GPU
// that is plugged in shows itself there before the driver lists it.
//
// Threading: the loop's thread.
// Errors: a folder that cannot be read has no nodes, until it can.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/directory_watch.h"
#include "base/event_loop.h"

namespace tranche::gpu {

class DeviceNodes {
 public:
  // `changed` when nodes have come or gone. Nothing is read before Watch.
  DeviceNodes(base::EventLoop& loop, std::function<void()> changed)
      : loop_(loop), changed_(std::move(changed)) {}

  // Watches `driver_root`/dev, or /dev where the root has none. To be called again now and then: a
  // root may get its own nodes later, as a driver container makes them.
  void Watch(const std::string& driver_root);

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  // The folder that is watched; "" before Watch.
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  void ReadNames();

  base::EventLoop& loop_;
  std::function<void()> changed_;
  std::string directory_;
  std::vector<std::string> names_;
  std::unique_ptr<base::DirectoryWatch> watch_;
};

}  // namespace tranche::gpu
