// Pools that other processes import: a descriptor stands for the pool, and 64 bytes for each
// address that it has given.
#include <unistd.h>

#include <cstring>
#include <utility>

#include "sim/cuda/declarations.h"
#include "sim/cuda/forms/pool.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kPoolMagic = 0x4C4F4F504D454D43;
constexpr std::uint64_t kPointerMagic = 0x52544E504D454D43;

// What a descriptor holds.
struct ExportedPool {
  std::uint64_t magic;
  PoolProperties properties;
};
// What stands in NVIDIA's 64 bytes.
struct ExportedPointer {
  std::uint64_t magic;
  PoolPointer pointer;
};
static_assert(sizeof(ExportedPointer) <= sizeof(PoolPointerExport));

Result Export(const PoolObject& pool, void* handle_out) {
  const ExportedPool exported{.magic = kPoolMagic, .properties = pool.properties()};
  const int fd = MakeContents(sizeof exported);
  if (fd < 0) return kOperatingSystem;
  if (pwrite(fd, &exported, sizeof exported, 0) != sizeof exported) {
    close(fd);
    return kOperatingSystem;
  }
  std::memcpy(handle_out, &fd, sizeof fd);
  return kSuccess;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemPoolExportToShareableHandle(void* handle_out, MemoryPool pool, HandleType handle_type,
                                        unsigned long long flags) {
  return InitCall("cuMemPoolExportToShareableHandle", [&](Process& /*process*/) -> Result {
    const PoolObject* found = Pools().Find(pool);
    if (handle_out == nullptr || flags != 0 || found == nullptr || found->ended ||
        found->imported() || handle_type != kHandlePosixFileDescriptor ||
        (found->properties().handle_types & handle_type) == 0) {
      return kInvalidValue;
    }
    return Export(*found, handle_out);
  });
}

Result cuMemPoolImportFromShareableHandle(MemoryPool* pool_out, void* handle,
                                          HandleType handle_type, unsigned long long flags) {
  return InitCall("cuMemPoolImportFromShareableHandle", [&](Process& process) -> Result {
    if (pool_out == nullptr || flags != 0 || handle_type != kHandlePosixFileDescriptor) {
      return kInvalidValue;
    }
    const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(handle));
    ExportedPool exported{};
    if (pread(fd, &exported, sizeof exported, 0) != sizeof exported ||
        exported.magic != kPoolMagic) {
      return kInvalidValue;
    }
    DeviceObject* device = nullptr;
    const Result found = process.FindDevice(exported.properties.location.id, &device);
    if (found != kSuccess) return found;
    auto made =
        std::make_shared<PoolObject>(*device, exported.properties, PoolObject::Maker::kAnother);
    made->handle = Pools().Add(made);
    *pool_out = made->handle;
    return kSuccess;
  });
}

Result cuMemPoolExportPointer(PoolPointerExport* share_data_out, DevicePtr ptr) {
  return InitCall("cuMemPoolExportPointer", [&](Process& process) -> Result {
    const Allocation* given = process.memory().Find(ptr);
    if (share_data_out == nullptr || given == nullptr) return kInvalidValue;
    const PoolObject* pool = Pools().Find(given->pool);
    if (pool == nullptr) return kInvalidValue;
    ExportedPointer exported{.magic = kPointerMagic, .pointer = {}};
    const Result told = pool->Tell(ptr, &exported.pointer);
    if (told != kSuccess) return told;
    std::memset(share_data_out, 0, sizeof *share_data_out);
    std::memcpy(share_data_out, &exported, sizeof exported);
    return kSuccess;
  });
}

Result cuMemPoolImportPointer(DevicePtr* ptr_out, MemoryPool pool, PoolPointerExport* share_data) {
  return InitCall("cuMemPoolImportPointer", [&](Process& /*process*/) -> Result {
    PoolObject* found = Pools().Find(pool);
    if (ptr_out == nullptr || share_data == nullptr || found == nullptr || found->ended ||
        !found->imported()) {
      return kInvalidValue;
    }
    ExportedPointer exported{};
    std::memcpy(static_cast<void*>(&exported), share_data, sizeof exported);
    if (exported.magic != kPointerMagic) return kInvalidValue;
    return found->Open(exported.pointer, ptr_out);
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
