// Virtual memory: addresses are reserved, memory is made, and the one is mapped to the other.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>
#include <vector>

#include "sim/cuda/declarations.h"
#include "sim/cuda/forms/physical.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::size_t kGranularity = 2U << 20U;
constexpr std::uint64_t kExportMagic = 0x545250584D454D43;

// What a handle of cuMemCreate means.
struct Made {
  AllocationHandle handle = 0;
  AllocationProperties properties{};
  std::shared_ptr<Physical> memory;
  unsigned references = 0;  // by cuMemRelease's counting; mappings hold it, too
};

struct Tables {
  std::unordered_map<AllocationHandle, std::shared_ptr<Made>> made;
  std::map<DevicePtr, Span> reservations;
  AllocationHandle last = 0x7100'0000'0000;
};
Tables& The() {
  static auto* const tables = new Tables();
  return *tables;
}

// What an exported descriptor holds: who has it may open the memory.
struct Exported {
  std::uint64_t magic;
  ShareKey key;
  AllocationProperties properties;
};

bool OnHost(const Location& location) {
  return location.type == kLocationHost || location.type == kLocationHostNuma ||
         location.type == kLocationHostNumaCurrent;
}

// kInvalidDevice, kInvalidValue, or the device; null for a location of the host.
Result DeviceOf(const Location& location, DeviceObject** device) {
  *device = nullptr;
  if (OnHost(location)) return kSuccess;
  if (location.type != kLocationDevice) return kInvalidValue;
  return Process::Get().FindDevice(location.id, device);
}

Result CheckProperties(const AllocationProperties& properties, DeviceObject** device) {
  if (properties.type != kAllocationPinned) return kInvalidValue;
  if ((properties.requested_handle_types & ~kHandlePosixFileDescriptor) != 0) {
    return kNotSupported;
  }
  return DeviceOf(properties.location, device);
}

const Span* ReservationOf(DevicePtr address, std::size_t bytes) {
  auto& reservations = The().reservations;
  auto after = reservations.upper_bound(address);
  if (after == reservations.begin()) return nullptr;
  const auto& [base, span] = *std::prev(after);
  const DevicePtr offset = address - base;
  return offset <= span.bytes && bytes <= span.bytes - offset ? &span : nullptr;
}

// The mappings that make up a range exactly; none where they do not.
std::vector<Allocation*> MappingsIn(DevicePtr address, std::size_t bytes) {
  Memory& memory = Process::Get().memory();
  std::vector<Allocation*> found;
  const DevicePtr end = address + bytes;
  while (address < end) {
    Allocation* mapping = memory.Find(address);
    if (mapping == nullptr || mapping->kind != Allocation::Kind::kVirtual ||
        mapping->base != address || mapping->bytes > end - address) {
      return {};
    }
    found.push_back(mapping);
    address += mapping->bytes;
  }
  return found;
}

// The process's handles for it are gone, and so are the mappings: the owner is the last one.
void Put(const std::shared_ptr<Made>& made) { The().made[made->handle] = made; }

std::shared_ptr<Made> New(std::shared_ptr<Physical> memory,
                          const AllocationProperties& properties) {
  auto made = std::make_shared<Made>();
  made->handle = The().last += 64;
  made->properties = properties;
  made->memory = std::move(memory);
  made->references = 1;
  Put(made);
  return made;
}

template <typename Body>
Result HandleCall(const char* name, AllocationHandle handle, Body body) {
  return InitCall(name, [&](Process& /*process*/) -> Result {
    const auto found = The().made.find(handle);
    if (found == The().made.end()) return kInvalidValue;
    const std::shared_ptr<Made> made = found->second;
    return body(made);
  });
}

Result Map(DevicePtr address, std::size_t bytes, std::size_t offset,
           const std::shared_ptr<Made>& made) {
  const Span* span = ReservationOf(address, bytes);
  if (span == nullptr || bytes == 0 || bytes % kGranularity != 0 || offset != 0 ||
      address % kGranularity != 0 || bytes > made->memory->bytes()) {
    return kInvalidValue;
  }
  Memory& memory = Process::Get().memory();
  const auto next = memory.allocations().lower_bound(address);
  if (next != memory.allocations().end() && next->first < address + bytes) return kInvalidValue;
  if (memory.Find(address) != nullptr) return kInvalidValue;
  char* const host = span->host + (address - AddressOf(span->base));
  if (!made->memory->MapAt(host, bytes, offset)) return kOutOfMemory;
  Allocation mapping;
  mapping.kind = Allocation::Kind::kVirtual;
  mapping.base = address;
  mapping.bytes = bytes;
  mapping.host = host;
  mapping.device = OnHost(made->properties.location) ? kDeviceCpu : made->properties.location.id;
  mapping.handle_types = made->properties.requested_handle_types;
  mapping.accessible = false;
  mapping.owner = made;
  memory.Add(mapping);
  return kSuccess;
}

Result Export(void* shareable, const Made& made) {
  Exported exported{.magic = kExportMagic, .key = {}, .properties = made.properties};
  if (const Result shared = made.memory->Share(&exported.key); shared != kSuccess) return shared;
  const int fd = MakeContents(sizeof exported);
  if (fd < 0) return kOperatingSystem;
  if (pwrite(fd, &exported, sizeof exported, 0) != sizeof exported) {
    close(fd);
    return kOperatingSystem;
  }
  std::memcpy(shareable, &fd, sizeof fd);
  return kSuccess;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemGetAllocationGranularity(std::size_t* granularity, const AllocationProperties* prop,
                                     GranularityFlag option) {
  return InitCall("cuMemGetAllocationGranularity", [&](Process& /*process*/) {
    if (granularity == nullptr || prop == nullptr ||
        (option != kGranularityMinimum && option != kGranularityRecommended)) {
      return kInvalidValue;
    }
    DeviceObject* device = nullptr;
    const Result checked = CheckProperties(*prop, &device);
    if (checked == kSuccess) *granularity = kGranularity;
    return checked;
  });
}

Result cuMemCreate(AllocationHandle* handle, std::size_t size, const AllocationProperties* prop,
                   unsigned long long flags) {
  return InitCall("cuMemCreate", [&](Process& /*process*/) -> Result {
    if (handle == nullptr || prop == nullptr || flags != 0) return kInvalidValue;
    if (size == 0 || size % kGranularity != 0) return kInvalidValue;
    DeviceObject* device = nullptr;
    Result result = CheckProperties(*prop, &device);
    std::shared_ptr<Physical> memory;
    if (result == kSuccess) {
      result = Physical::Make(device, link::MemoryKind::kVirtual, size, &memory);
    }
    if (result == kSuccess) *handle = New(std::move(memory), *prop)->handle;
    return result;
  });
}

Result cuMemRelease(AllocationHandle handle) {
  return HandleCall("cuMemRelease", handle, [](const std::shared_ptr<Made>& made) {
    if (--made->references == 0) The().made.erase(made->handle);
    return kSuccess;
  });
}

Result cuMemRetainAllocationHandle(AllocationHandle* handle, void* addr) {
  return InitCall("cuMemRetainAllocationHandle", [&](Process& process) {
    if (handle == nullptr) return kInvalidValue;
    const Allocation* mapping = process.memory().Find(AddressOf(addr));
    if (mapping == nullptr || mapping->kind != Allocation::Kind::kVirtual) return kInvalidValue;
    const auto made = std::static_pointer_cast<Made>(mapping->owner);
    ++made->references;
    Put(made);
    *handle = made->handle;
    return kSuccess;
  });
}

Result cuMemGetAllocationPropertiesFromHandle(AllocationProperties* prop, AllocationHandle handle) {
  return HandleCall("cuMemGetAllocationPropertiesFromHandle", handle,
                    [&](const std::shared_ptr<Made>& made) {
                      if (prop == nullptr) return kInvalidValue;
                      *prop = made->properties;
                      return kSuccess;
                    });
}

Result cuMemAddressReserve(DevicePtr* ptr, std::size_t size, std::size_t alignment,
                           DevicePtr /*addr*/, unsigned long long flags) {
  return InitCall("cuMemAddressReserve", [&](Process& /*process*/) {
    if (ptr == nullptr || size == 0 || size % kGranularity != 0 || flags != 0) {
      return kInvalidValue;
    }
    if ((alignment & (alignment - 1)) != 0) return kInvalidValue;
    Span span;
    if (!MakeSpan(size, std::max(alignment, kGranularity), Contents::kWithout, &span))
      return kOutOfMemory;
    *ptr = AddressOf(span.base);
    The().reservations[*ptr] = span;
    return kSuccess;
  });
}

Result cuMemAddressFree(DevicePtr ptr, std::size_t size) {
  return InitCall("cuMemAddressFree", [&](Process& process) {
    const auto found = The().reservations.find(ptr);
    if (found == The().reservations.end() || found->second.bytes != size) return kInvalidValue;
    const auto& allocations = process.memory().allocations();
    const auto first = allocations.lower_bound(ptr);
    if (first != allocations.end() && first->first < ptr + size) return kInvalidValue;
    FreeSpan(found->second);
    The().reservations.erase(found);
    return kSuccess;
  });
}

Result cuMemMap(DevicePtr ptr, std::size_t size, std::size_t offset, AllocationHandle handle,
                unsigned long long flags) {
  return HandleCall("cuMemMap", handle, [&](const std::shared_ptr<Made>& made) {
    return flags == 0 ? Map(ptr, size, offset, made) : kInvalidValue;
  });
}

Result cuMemUnmap(DevicePtr ptr, std::size_t size) {
  return InitCall("cuMemUnmap", [&](Process& process) {
    const std::vector<Allocation*> mappings = MappingsIn(ptr, size);
    if (mappings.empty()) return kInvalidValue;
    for (const Allocation* mapping : mappings) {
      UnmapAt(mapping->host, mapping->bytes);
      process.memory().Remove(mapping->base);
    }
    return kSuccess;
  });
}

Result cuMemSetAccess(DevicePtr ptr, std::size_t size, const AccessDescriptor* desc,
                      std::size_t count) {
  return InitCall("cuMemSetAccess", [&](Process& /*process*/) {
    if (desc == nullptr || count == 0) return kInvalidValue;
    const std::vector<Allocation*> mappings = MappingsIn(ptr, size);
    if (mappings.empty()) return kInvalidValue;
    for (std::size_t i = 0; i < count; ++i) {
      DeviceObject* device = nullptr;
      const Result found = DeviceOf(desc[i].location, &device);
      if (found != kSuccess) return found;
      for (Allocation* mapping : mappings) mapping->accessible = desc[i].flags != kAccessNone;
    }
    return kSuccess;
  });
}

Result cuMemGetAccess(unsigned long long* flags, const Location* location, DevicePtr ptr) {
  return InitCall("cuMemGetAccess", [&](Process& process) {
    if (flags == nullptr || location == nullptr) return kInvalidValue;
    DeviceObject* device = nullptr;
    if (const Result found = DeviceOf(*location, &device); found != kSuccess) return found;
    const Allocation* mapping = process.memory().Find(ptr);
    if (mapping == nullptr || mapping->kind != Allocation::Kind::kVirtual) return kInvalidValue;
    *flags = mapping->accessible ? kAccessReadWrite : kAccessNone;
    return kSuccess;
  });
}

Result cuMemExportToShareableHandle(void* shareable_handle, AllocationHandle handle,
                                    HandleType handle_type, unsigned long long flags) {
  return HandleCall("cuMemExportToShareableHandle", handle,
                    [&](const std::shared_ptr<Made>& made) -> Result {
                      if (shareable_handle == nullptr || flags != 0) return kInvalidValue;
                      if (handle_type != kHandlePosixFileDescriptor ||
                          (made->properties.requested_handle_types & handle_type) == 0) {
                        return kInvalidValue;
                      }
                      return Export(shareable_handle, *made);
                    });
}

Result cuMemImportFromShareableHandle(AllocationHandle* handle, void* os_handle,
                                      HandleType sh_handle_type) {
  return InitCall("cuMemImportFromShareableHandle", [&](Process& /*process*/) -> Result {
    if (handle == nullptr || sh_handle_type != kHandlePosixFileDescriptor) return kInvalidValue;
    const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(os_handle));
    Exported exported{};
    if (pread(fd, &exported, sizeof exported, 0) != sizeof exported ||
        exported.magic != kExportMagic) {
      return kInvalidValue;
    }
    std::shared_ptr<Physical> memory;
    const Result opened = Physical::Open(exported.key, &memory);
    if (opened == kSuccess) *handle = New(std::move(memory), exported.properties)->handle;
    return opened;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
