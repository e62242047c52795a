#include "shim/nvml/view.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): without the C++ library

#include "shim/nvml/pod.h"
#include "shim/nvml/real.h"
#include "wire/uuid.h"

namespace tranche::shim::nvml {
namespace {

bool UuidOf(Device device, wire::Uuid* uuid) {
  char text[kUuidBufferSize] = {};
  if (TRANCHE_NVML_REAL(nvmlDeviceGetUUID, device, text, sizeof text) != kSuccess) return false;
  return wire::ParseUuid(text, strnlen(text, sizeof text), uuid);
}

bool FindIn(const guest::Pages& pages, const wire::Uuid& uuid, unsigned* wall) {
  const unsigned count = pages.limits->device_count;
  for (unsigned i = 0; i < count && i < wire::kMaxDevices; ++i) {
    if (memcmp(&pages.limits->devices[i].uuid, &uuid, sizeof uuid) != 0) continue;
    *wall = i;
    return true;
  }
  return false;
}

void Add(View* view, Device device, unsigned wall) {
  WalledDevice& added = view->devices[view->count++];
  added = {.wall = wall, .gpu_instance = kNoInstance, .compute_instance = kNoInstance};
  unsigned id = 0;
  if (TRANCHE_NVML_REAL(nvmlDeviceGetGpuInstanceId, device, &id) == kSuccess) {
    added.gpu_instance = id;
  }
  if (TRANCHE_NVML_REAL(nvmlDeviceGetComputeInstanceId, device, &id) == kSuccess) {
    added.compute_instance = id;
  }
}

}  // namespace

bool FindWall(Device device, guest::Pages* pages, unsigned* wall) {
  wire::Uuid uuid;
  if (!UuidOf(device, &uuid)) return false;  // before anybody is asked: NVML may not be ready
  const guest::Pages* known = PodPages();
  if (known == nullptr) return false;
  *pages = *known;
  return FindIn(*pages, uuid, wall);
}

bool FindWalls(Device device, View* view) {
  view->count = 0;
  unsigned wall = 0;
  view->pages = {};
  if (FindWall(device, &view->pages, &wall)) {
    Add(view, device, wall);
    return true;
  }
  unsigned most = 0;
  if (view->pages.limits == nullptr ||
      TRANCHE_NVML_REAL(nvmlDeviceGetMaxMigDeviceCount, device, &most) != kSuccess) {
    return false;
  }
  for (unsigned i = 0; i < most && view->count < wire::kMaxDevices; ++i) {
    Device mig = nullptr;
    wire::Uuid uuid;
    if (TRANCHE_NVML_REAL(nvmlDeviceGetMigDeviceHandleByIndex, device, i, &mig) != kSuccess) {
      continue;
    }
    if (UuidOf(mig, &uuid) && FindIn(view->pages, uuid, &wall)) Add(view, mig, wall);
  }
  return view->count > 0;
}

}  // namespace tranche::shim::nvml
