// The GPUs and MIG devices of the node in the driver's order, each with what is known of its use.
//
// Threading: pure; pointers are into the arguments.
// Errors: none; a device that has not been looked at yet is left out.
#pragma once

#include <string>
#include <vector>

#include "gpu/device.h"
#include "gpu/usage.h"
#include "node/sight/sight.h"

namespace tranche::node::status {

struct ShownDevice {
  const gpu::Gpu* gpu = nullptr;
  const gpu::MigDevice* mig = nullptr;  // nullptr: the GPU itself
  std::string uuid;
  std::string index;  // "0", "0:1"
  const sight::Account* account = nullptr;
  const gpu::DeviceUsage* usage = nullptr;  // of the GPU itself; nullptr for a MIG device
  bool cut = false;                         // a GPU whose MIG devices have accounts of their own
};

std::vector<ShownDevice> ShownDevices(const gpu::Inventory& inventory, const sight::Sight& sight);

}  // namespace tranche::node::status
