// Which walls a device handle of NVML stands for.
//
// Threading: any thread.
// Errors: false where there is none, or it cannot be told: the call is then passed through.
#pragma once

#include "shim/guest/pages.h"
#include "shim/nvml/hooks.h"

namespace tranche::shim::nvml {

// One walled device: a GPU, or a MIG device.
struct WalledDevice {
  unsigned wall;              // index into the pages' devices
  unsigned gpu_instance;      // kNoInstance: a whole GPU
  unsigned compute_instance;  // likewise
};

struct View {
  guest::Pages pages;
  unsigned count;
  WalledDevice devices[wire::kMaxDevices];
};

// The device itself.
bool FindWall(Device device, guest::Pages* pages, unsigned* wall);

// The device itself or, of a GPU that is cut into MIG devices, those of its MIG devices that have a
// wall: NVML lists their processes under the GPU, too.
bool FindWalls(Device device, View* view);

}  // namespace tranche::shim::nvml
