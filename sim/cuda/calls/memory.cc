// Plain memory: of the device, of the host, and what a pointer is.
#include <sys/mman.h>

#include "sim/cuda/capture.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::size_t kPitch = 512;  // what pitches are multiples of

// body(context) where no capture forbids it.
template <typename Body>
Result MemoryCall(const char* name, Body body) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    const Result allowed = AllowsUnsafeCall(Process::Get());
    return allowed == kSuccess ? body(context) : allowed;
  });
}

Result Allocate(ContextObject& context, DevicePtr* dptr, std::size_t bytes) {
  if (dptr == nullptr || bytes == 0) return kInvalidValue;
  Allocation* made = nullptr;
  const Result result = AllocateDevice(context, bytes, &made);
  if (result == kSuccess) *dptr = made->base;
  return result;
}

Result GetInfo(const char* name, std::uint64_t* free, std::uint64_t* total) {
  return ContextCall(name, [&](const ContextObject& context) {
    link::MemoryInfoAnswer answer{};
    const Result result = Process::Get().connection().Request(
        link::Kind::kMemoryInfo,
        link::MemoryInfo{.slot = context.device->slot,
                         .gpu_instance = context.device->gpu_instance},
        &answer);
    *free = answer.free_bytes;
    *total = answer.total_bytes;
    return result;
  });
}

Result AllocateHost(const char* name, void** pp, std::size_t bytes, unsigned flags) {
  return MemoryCall(name, [&](const ContextObject& context) {
    constexpr unsigned kAll = kHostAllocPortable | kHostAllocDeviceMap | kHostAllocWriteCombined;
    if (pp == nullptr || bytes == 0 || (flags & ~kAll) != 0) return kInvalidValue;
    void* made = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return kOutOfMemory;
    Allocation allocation;
    allocation.kind = Allocation::Kind::kHost;
    allocation.base = AddressOf(made);
    allocation.host = static_cast<char*>(made);
    allocation.bytes = bytes;
    allocation.context = context.handle;
    allocation.device = context.device->ordinal;
    allocation.flags = flags | kHostAllocDeviceMap;
    Process::Get().memory().Add(allocation);
    *pp = made;
    return kSuccess;
  });
}

Result Register(const char* name, void* p, std::size_t bytes, unsigned flags) {
  return MemoryCall(name, [&](const ContextObject& context) {
    constexpr unsigned kAll = kHostRegisterPortable | kHostRegisterDeviceMap |
                              kHostRegisterIoMemory | kHostRegisterReadOnly;
    if (p == nullptr || bytes == 0 || (flags & ~kAll) != 0) return kInvalidValue;
    Memory& memory = Process::Get().memory();
    const DevicePtr begin = AddressOf(p);
    const auto next = memory.allocations().upper_bound(begin + bytes - 1);
    if (next != memory.allocations().begin()) {
      const Allocation& before = std::prev(next)->second;
      if (before.base + before.bytes > begin) return kHostMemoryAlreadyRegistered;
    }
    Allocation allocation;
    allocation.kind = Allocation::Kind::kRegistered;
    allocation.base = begin;
    allocation.host = static_cast<char*>(p);
    allocation.bytes = bytes;
    allocation.context = context.handle;
    allocation.device = context.device->ordinal;
    allocation.flags = flags;
    memory.Add(allocation);
    return kSuccess;
  });
}

// The host memory that begins at, or holds, an address.
const Allocation* HostMemory(const void* p) {
  const Allocation* found = Process::Get().memory().Find(AddressOf(p));
  return found != nullptr && found->on_host() ? found : nullptr;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemAlloc_v2(DevicePtr* dptr, std::size_t bytesize) {
  return MemoryCall("cuMemAlloc_v2",
                    [&](ContextObject& context) { return Allocate(context, dptr, bytesize); });
}

Result cuMemAllocPitch_v2(DevicePtr* dptr, std::size_t* pitch, std::size_t width_in_bytes,
                          std::size_t height, unsigned element_size_bytes) {
  return MemoryCall("cuMemAllocPitch_v2", [&](ContextObject& context) {
    const unsigned element = element_size_bytes;
    if (dptr == nullptr || pitch == nullptr || width_in_bytes == 0 || height == 0) {
      return kInvalidValue;
    }
    if (element != 4 && element != 8 && element != 16) return kInvalidValue;
    const std::size_t row = (width_in_bytes + kPitch - 1) / kPitch * kPitch;
    if (row < width_in_bytes || row > SIZE_MAX / height) return kOutOfMemory;
    const Result result = Allocate(context, dptr, row * height);
    if (result == kSuccess) *pitch = row;
    return result;
  });
}

// Waits for what the context has still to do, as the real one does: it may use the memory.
Result cuMemFree_v2(DevicePtr dptr) {
  return MemoryCall("cuMemFree_v2", [&](ContextObject& context) {
    Memory& memory = Process::Get().memory();
    const auto beginning_there = [&]() -> Allocation* {
      Allocation* found = memory.Find(dptr);
      return found != nullptr && found->base == dptr ? found : nullptr;
    };
    if (dptr == 0) return kSuccess;
    const Allocation* found = beginning_there();
    if (found == nullptr || found->on_host() ||
        (found->kind != Allocation::Kind::kPlain && found->free == nullptr)) {
      return kInvalidValue;
    }
    ContextObject* owner = Process::Get().contexts().Find(found->context);
    const Result done = Synchronize(owner != nullptr ? *owner : context);
    if (done != kSuccess) return done;
    Allocation* still = beginning_there();  // the lock was open
    if (still == nullptr) return kInvalidValue;
    return still->free != nullptr ? still->free(*still) : FreeDevice(*still);
  });
}

Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
  const Result result = GetInfo("cuMemGetInfo_v2", &free_bytes, &total_bytes);
  if (result != kSuccess) return result;
  if (free == nullptr || total == nullptr) return kInvalidValue;
  *free = free_bytes;
  *total = total_bytes;
  return kSuccess;
}

Result cuMemGetAddressRange_v2(DevicePtr* pbase, std::size_t* psize, DevicePtr dptr) {
  if (pbase == nullptr && psize == nullptr) return kSuccess;
  return ContextCall("cuMemGetAddressRange_v2", [&](const ContextObject& /*context*/) {
    const Allocation* found = Process::Get().memory().Find(dptr);
    if (found == nullptr) return kNotFound;
    if (pbase != nullptr) *pbase = found->base;
    if (psize != nullptr) *psize = found->bytes;
    return kSuccess;
  });
}

// ---- host memory

Result cuMemAllocHost_v2(void** pp, std::size_t bytesize) {
  return AllocateHost("cuMemAllocHost_v2", pp, bytesize, 0);
}
Result cuMemAllocHost(void** pp, unsigned bytesize) {
  return AllocateHost("cuMemAllocHost", pp, bytesize, 0);
}
Result cuMemHostAlloc(void** pp, std::size_t bytesize, unsigned flags) {
  return AllocateHost("cuMemHostAlloc", pp, bytesize, flags);
}

Result cuMemFreeHost(void* p) {
  return MemoryCall("cuMemFreeHost", [&](ContextObject& context) {
    const auto owned = [&]() -> const Allocation* {
      const Allocation* found = HostMemory(p);
      const bool is_it =
          found != nullptr && found->host == p && found->kind == Allocation::Kind::kHost;
      return is_it ? found : nullptr;
    };
    if (owned() == nullptr) return kInvalidValue;
    const Result done = Synchronize(context);
    if (done != kSuccess) return done;
    const Allocation* still = owned();
    if (still == nullptr) return kInvalidValue;
    const std::size_t bytes = still->bytes;
    Process::Get().memory().Remove(AddressOf(p));
    munmap(p, bytes);
    return kSuccess;
  });
}

Result cuMemHostRegister_v2(void* p, std::size_t bytesize, unsigned flags) {
  return Register("cuMemHostRegister_v2", p, bytesize, flags);
}
Result cuMemHostRegister(void* p, std::size_t bytesize, unsigned flags) {
  return Register("cuMemHostRegister", p, bytesize, flags);
}
Result cuMemHostUnregister(void* p) {
  return MemoryCall("cuMemHostUnregister", [&](const ContextObject& /*context*/) {
    if (p == nullptr) return kInvalidValue;
    const Allocation* found = HostMemory(p);
    if (found == nullptr || found->host != p || found->kind != Allocation::Kind::kRegistered) {
      return kHostMemoryNotRegistered;
    }
    Process::Get().memory().Remove(AddressOf(p));
    return kSuccess;
  });
}

Result cuMemHostGetDevicePointer_v2(DevicePtr* pdptr, void* p, unsigned flags) {
  return ContextCall("cuMemHostGetDevicePointer_v2", [&](const ContextObject& /*context*/) {
    if (pdptr == nullptr || flags != 0 || HostMemory(p) == nullptr) return kInvalidValue;
    *pdptr = AddressOf(p);
    return kSuccess;
  });
}
Result cuMemHostGetFlags(unsigned* flags, void* p) {
  if (flags == nullptr) return kInvalidValue;
  return ContextCall("cuMemHostGetFlags", [&](const ContextObject& /*context*/) {
    const Allocation* found = HostMemory(p);
    if (found == nullptr || found->kind != Allocation::Kind::kHost) return kInvalidValue;
    *flags = found->flags;
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
