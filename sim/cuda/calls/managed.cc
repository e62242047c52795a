// Managed memory: the host's and the device's at one address. It takes its full size of device
// memory from the beginning, and lies in the process's own, where both find it; so nothing moves,
// and advice and prefetching are kept and change nothing.
#include <sys/mman.h>

#include <cstring>

#include "sim/cuda/capture.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

// What a program has said about a piece of it; for the whole of an allocation.
struct Advice {
  bool read_mostly = false;
  Device preferred = kDeviceInvalid;
  Device accessed_by = kDeviceInvalid;
  Device prefetched = kDeviceInvalid;
};

Result FreeManaged(Allocation& allocation) {
  const Allocation gone = allocation;
  Process::Get().memory().Remove(gone.base);
  FreeSpan(gone.span);
  ReleaseBytes(gone.reservation);
  return kSuccess;
}

Result Allocate(ContextObject& context, DevicePtr* dptr, std::size_t bytes) {
  link::ReserveAnswer answer{};
  const Result reserved =
      ReserveBytes(*context.device, &context, link::MemoryKind::kManaged, bytes, &answer);
  if (reserved != kSuccess) return reserved;
  void* made = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (made == MAP_FAILED) {
    ReleaseBytes(answer.id);
    return kOutOfMemory;
  }
  auto* const at = static_cast<char*>(made);
  Allocation allocation;
  allocation.kind = Allocation::Kind::kManaged;
  allocation.base = AddressOf(at);
  allocation.bytes = bytes;
  allocation.host = at;
  allocation.context = context.handle;
  allocation.device = context.device->ordinal;
  allocation.reservation = answer.id;
  allocation.span = {at, at, bytes};
  allocation.free = &FreeManaged;
  allocation.owner = std::make_shared<Advice>();
  Process::Get().memory().Add(allocation);
  *dptr = allocation.base;
  return kSuccess;
}

// The managed memory that holds all of a range.
Advice* AdviceOf(DevicePtr address, std::size_t bytes) {
  const Allocation* found = Process::Get().memory().Find(address);
  if (found == nullptr || found->kind != Allocation::Kind::kManaged || bytes == 0 ||
      bytes > found->bytes - (address - found->base)) {
    return nullptr;
  }
  return static_cast<Advice*>(found->owner.get());
}

Result CheckDevice(Device device) {
  DeviceObject* found = nullptr;
  return device == kDeviceCpu ? kSuccess : Process::Get().FindDevice(device, &found);
}

Result Advise(const char* name, DevicePtr address, std::size_t bytes, MemoryAdvice advice,
              Device device) {
  return InitCall(name, [&](Process& /*process*/) {
    Advice* about = AdviceOf(address, bytes);
    if (about == nullptr) return kInvalidValue;
    if (const Result checked = CheckDevice(device);
        checked != kSuccess && advice > kAdviseUnsetReadMostly) {
      return checked;
    }
    switch (advice) {
      case kAdviseSetReadMostly:
      case kAdviseUnsetReadMostly:
        about->read_mostly = advice == kAdviseSetReadMostly;
        return kSuccess;
      case kAdviseSetPreferredLocation:
      case kAdviseUnsetPreferredLocation:
        about->preferred = advice == kAdviseSetPreferredLocation ? device : kDeviceInvalid;
        return kSuccess;
      case kAdviseSetAccessedBy:
      case kAdviseUnsetAccessedBy:
        about->accessed_by = advice == kAdviseSetAccessedBy ? device : kDeviceInvalid;
        return kSuccess;
    }
    return kInvalidValue;
  });
}

// A location as the older calls name it; false: neither a device nor the host.
bool DeviceOf(const Location& location, Device* device) {
  if (location.type == kLocationDevice) {
    *device = location.id;
    return true;
  }
  *device = kDeviceCpu;
  return location.type == kLocationHost || location.type == kLocationHostNuma ||
         location.type == kLocationHostNumaCurrent;
}

Result Prefetch(const Entry& entry, DevicePtr address, std::size_t bytes, Device device,
                Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    Advice* about = AdviceOf(address, bytes);
    if (about == nullptr) return kInvalidValue;
    if (const Result checked = CheckDevice(device); checked != kSuccess) return checked;
    about->prefetched = device;
    return Enqueue(found, {.work = link::Work::kAfter});
  });
}

Result PrefetchTo(const Entry& entry, DevicePtr address, std::size_t bytes,
                  const Location& location, unsigned flags, Stream stream) {
  Device device = 0;
  if (address == 0 || bytes == 0 || flags != 0 || !DeviceOf(location, &device)) {
    return kInvalidValue;
  }
  return Prefetch(entry, address, bytes, device, stream);
}

bool Read(const Advice& about, RangeAttribute attribute, void* data, std::size_t bytes) {
  int value = 0;
  switch (attribute) {
    case kRangeReadMostly:
      value = about.read_mostly ? 1 : 0;
      break;
    case kRangePreferredLocation:
      value = about.preferred;
      break;
    case kRangeLastPrefetchLocation:
      value = about.prefetched;
      break;
    case kRangeAccessedBy: {  // as many ids as there is room for
      if (bytes == 0 || bytes % sizeof value != 0) return false;
      for (std::size_t i = 0; i < bytes / sizeof value; ++i) {
        value = i == 0 ? about.accessed_by : kDeviceInvalid;
        std::memcpy(static_cast<char*>(data) + i * sizeof value, &value, sizeof value);
      }
      return true;
    }
    default:
      return false;
  }
  if (bytes != sizeof value) return false;
  std::memcpy(data, &value, sizeof value);
  return true;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

TRANCHE_CUDA_EXPORT_TWICE(cuMemPrefetchAsync, cuMemPrefetchAsync_ptsz, Prefetch,
                          (DevicePtr dev_ptr, std::size_t count, Device dst_device, Stream stream),
                          dev_ptr, count, dst_device, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemPrefetchAsync_v2, cuMemPrefetchAsync_v2_ptsz, PrefetchTo,
                          (DevicePtr dev_ptr, std::size_t count, Location location, unsigned flags,
                           Stream stream),
                          dev_ptr, count, location, flags, stream)

extern "C" {

Result cuMemAllocManaged(DevicePtr* dptr, std::size_t bytesize, unsigned flags) {
  if (dptr == nullptr || bytesize == 0 || (flags != kAttachGlobal && flags != kAttachHost)) {
    return kInvalidValue;
  }
  return ContextCall("cuMemAllocManaged", [&](ContextObject& context) {
    const Result allowed = AllowsUnsafeCall(Process::Get());
    return allowed == kSuccess ? Allocate(context, dptr, bytesize) : allowed;
  });
}

Result cuMemAdvise(DevicePtr dev_ptr, std::size_t count, MemoryAdvice advice, Device device) {
  return Advise("cuMemAdvise", dev_ptr, count, advice, device);
}
Result cuMemAdvise_v2(DevicePtr dev_ptr, std::size_t count, MemoryAdvice advice,
                      Location location) {
  Device device = 0;
  if (dev_ptr == 0 || count == 0 || !DeviceOf(location, &device)) return kInvalidValue;
  return Advise("cuMemAdvise_v2", dev_ptr, count, advice, device);
}

Result cuMemRangeGetAttribute(void* data, std::size_t data_size, RangeAttribute attribute,
                              DevicePtr dev_ptr, std::size_t count) {
  return InitCall("cuMemRangeGetAttribute", [&](Process& /*process*/) {
    const Advice* about = AdviceOf(dev_ptr, count);
    if (data == nullptr || about == nullptr) return kInvalidValue;
    return Read(*about, attribute, data, data_size) ? kSuccess : kInvalidValue;
  });
}
Result cuMemRangeGetAttributes(void** data, std::size_t* data_sizes, RangeAttribute* attributes,
                               std::size_t num_attributes, DevicePtr dev_ptr, std::size_t count) {
  return InitCall("cuMemRangeGetAttributes", [&](Process& /*process*/) {
    const Advice* about = AdviceOf(dev_ptr, count);
    if (data == nullptr || data_sizes == nullptr || attributes == nullptr || about == nullptr) {
      return kInvalidValue;
    }
    for (std::size_t i = 0; i < num_attributes; ++i) {
      if (data[i] == nullptr || !Read(*about, attributes[i], data[i], data_sizes[i])) {
        return kInvalidValue;
      }
    }
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
