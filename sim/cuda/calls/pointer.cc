// What a pointer is: cuPointerGetAttribute and its relatives.
#include <cstring>

#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

template <typename Value>
bool Put(void* data, Value value) {
  std::memcpy(data, &value, sizeof value);
  return true;
}

bool HasHostPointer(const Allocation& it) {
  return it.on_host() || it.kind == Allocation::Kind::kManaged;
}

unsigned long long BytesBefore(const Allocation& it, DevicePtr pointer) {
  return pointer - it.base;
}

// False where the attribute means nothing for this memory.
bool Attribute(const Allocation& it, DevicePtr pointer, PointerAttribute attribute, void* data) {
  switch (attribute) {
    case kPointerContext:
      return Put(data, AddressOf(it.context));
    case kPointerMemoryType:
      return Put(data, it.on_host() ? kMemoryTypeHost : kMemoryTypeDevice);
    case kPointerDevicePointer:
      return Put(data, pointer);
    case kPointerHostPointer:
      return HasHostPointer(it) && Put(data, AddressOf(it.host + BytesBefore(it, pointer)));
    case kPointerSyncMemops:
      return Put(data, it.sync_memops ? 1 : 0);
    case kPointerBufferId:
    case kPointerMemoryBlockId:
      return Put(data, static_cast<unsigned long long>(it.id));
    case kPointerIsManaged:
      return Put(data, it.kind == Allocation::Kind::kManaged ? 1 : 0);
    case kPointerDeviceOrdinal:
      return Put(data, it.device);
    case kPointerIsLegacyIpcCapable:
      return Put(data, it.kind == Allocation::Kind::kPlain ? 1 : 0);
    case kPointerRangeStart:
    case kPointerMappingBase:
      return Put(data, it.base);
    case kPointerRangeSize:
    case kPointerMappingSize:
      return Put(data, it.bytes);
    case kPointerMapped:
      return Put(data, 1);
    case kPointerAllowedHandleTypes:
      return Put(data, static_cast<unsigned long long>(it.handle_types));
    case kPointerIsGpuDirectRdmaCapable:
      return Put(data, 0);
    case kPointerAccessFlags:
      return Put(data, static_cast<int>(kAccessReadWrite));
    case kPointerMempoolHandle:
      return Put(data, AddressOf(it.pool));
    case kPointerP2pTokens:
      return false;
  }
  return false;
}

std::size_t SizeOf(PointerAttribute attribute) {
  switch (attribute) {
    case kPointerMemoryType:
    case kPointerSyncMemops:
    case kPointerIsManaged:
    case kPointerDeviceOrdinal:
    case kPointerIsLegacyIpcCapable:
    case kPointerMapped:
    case kPointerIsGpuDirectRdmaCapable:
    case kPointerAccessFlags:
      return 4;
    default:
      return 8;
  }
}

bool IsAttribute(PointerAttribute attribute) {
  return attribute >= kPointerContext && attribute <= kPointerMemoryBlockId;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuPointerGetAttribute(void* data, PointerAttribute attribute, DevicePtr ptr) {
  return InitCall("cuPointerGetAttribute", [&](Process& process) {
    if (data == nullptr || !IsAttribute(attribute)) return kInvalidValue;
    const Allocation* found = process.memory().Find(ptr);
    if (found == nullptr) return kInvalidValue;
    return Attribute(*found, ptr, attribute, data) ? kSuccess : kInvalidValue;
  });
}

// Of a pointer that is none of CUDA's every attribute is zero, and that is no error; only the
// ordinal of its device is -2.
Result cuPointerGetAttributes(unsigned num_attributes, PointerAttribute* attributes, void** data,
                              DevicePtr ptr) {
  return InitCall("cuPointerGetAttributes", [&](Process& process) {
    if (num_attributes == 0 || attributes == nullptr || data == nullptr) return kInvalidValue;
    for (unsigned i = 0; i < num_attributes; ++i) {
      if (data[i] == nullptr || !IsAttribute(attributes[i])) return kInvalidValue;
    }
    const Allocation* found = process.memory().Find(ptr);
    for (unsigned i = 0; i < num_attributes; ++i) {
      std::memset(data[i], 0, SizeOf(attributes[i]));
      if (found != nullptr) {
        Attribute(*found, ptr, attributes[i], data[i]);
      } else if (attributes[i] == kPointerDeviceOrdinal) {
        Put(data[i], kDeviceInvalid);
      }
    }
    return kSuccess;
  });
}

Result cuPointerSetAttribute(const void* value, PointerAttribute attribute, DevicePtr ptr) {
  return InitCall("cuPointerSetAttribute", [&](Process& process) {
    Allocation* found = process.memory().Find(ptr);
    if (value == nullptr || attribute != kPointerSyncMemops || found == nullptr) {
      return kInvalidValue;
    }
    int on = 0;
    std::memcpy(&on, value, sizeof on);
    found->sync_memops = on != 0;
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
