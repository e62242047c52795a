// Arrays, and mipmapped arrays as one array for each level: memory that has a shape and no address.
// Here the rows simply lie one after the other.
#include <algorithm>
#include <vector>

#include "sim/cuda/capture.h"
#include "sim/cuda/contexts.h"
#include "sim/cuda/copy.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr unsigned kLayered = 1;  // CUDA_ARRAY3D_LAYERED
constexpr unsigned kCubemap = 4;  // CUDA_ARRAY3D_CUBEMAP

struct ArrayObject {
  Array3dDescriptor shape{};
  Context context = nullptr;
  DevicePtr memory = 0;
  bool of_mipmap = false;  // a level: not the program's to destroy
};
struct MipmapObject {
  Context context = nullptr;
  std::vector<Array> levels;
};

Table<Array, ArrayObject>& Arrays() {
  static auto* const arrays = new Table<Array, ArrayObject>();
  return *arrays;
}
Table<MipmappedArray, MipmapObject>& Mipmaps() {
  static auto* const mipmaps = new Table<MipmappedArray, MipmapObject>();
  return *mipmaps;
}

std::size_t ElementBytes(const Array3dDescriptor& shape) {
  switch (shape.format) {
    case kFormatUnsignedInt8:
    case kFormatSignedInt8:
      return shape.channels;
    case kFormatUnsignedInt16:
    case kFormatSignedInt16:
    case kFormatHalf:
      return 2UL * shape.channels;
    case kFormatUnsignedInt32:
    case kFormatSignedInt32:
    case kFormatFloat:
      return 4UL * shape.channels;
  }
  return 0;
}

std::size_t RowBytes(const Array3dDescriptor& shape) { return shape.width * ElementBytes(shape); }
std::size_t Bytes(const Array3dDescriptor& shape) {
  return RowBytes(shape) * std::max<std::size_t>(shape.height, 1) *
         std::max<std::size_t>(shape.depth, 1);
}

bool Valid(const Array3dDescriptor& shape) {
  constexpr std::size_t kMost = 131072;
  const bool channels = shape.channels == 1 || shape.channels == 2 || shape.channels == 4;
  if (!channels || ElementBytes(shape) == 0 || shape.width == 0) return false;
  if (shape.width > kMost || shape.height > kMost || shape.depth > kMost) return false;
  if ((shape.flags & kCubemap) != 0 && (shape.width != shape.height || shape.depth % 6 != 0)) {
    return false;
  }
  return shape.depth == 0 || shape.height > 0 || (shape.flags & kLayered) != 0;
}

template <typename Handle, typename Object>
std::vector<Handle> Of(const Table<Handle, Object>& table, Context context) {
  std::vector<Handle> found;
  for (const auto& [handle, object] : table) {
    if (object->context == context) found.push_back(handle);
  }
  return found;
}

void ForgetArrays(ContextObject& context) {
  for (const Array handle : Of(Arrays(), context.handle)) Arrays().Remove(handle);
  for (const MipmappedArray handle : Of(Mipmaps(), context.handle)) Mipmaps().Remove(handle);
}

Result Make(ContextObject& context, const Array3dDescriptor& shape, Array* array) {
  OnContextEnd(&ForgetArrays);
  Allocation* memory = nullptr;
  const Result made = AllocateDevice(context, Bytes(shape), &memory);
  if (made != kSuccess) return made;
  auto object = std::make_shared<ArrayObject>();
  object->shape = shape;
  object->context = context.handle;
  object->memory = memory->base;
  *array = Arrays().Add(std::move(object));
  return kSuccess;
}

void Destroy(Array handle) {
  const auto array = Arrays().Remove(handle);
  if (array == nullptr) return;
  const Allocation* memory = Process::Get().memory().Find(array->memory);
  if (memory != nullptr && memory->base == array->memory) FreeDevice(*memory);
}

Result Create(const char* name, Array* handle, const Array3dDescriptor* shape) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    if (handle == nullptr || shape == nullptr || !Valid(*shape)) return kInvalidValue;
    const Result allowed = AllowsUnsafeCall(Process::Get());
    return allowed == kSuccess ? Make(context, *shape, handle) : allowed;
  });
}

// body(object) for one that there is. Before cuInit the real library looks into the handle.
template <typename Handle, typename Object, typename Body>
Result ObjectCall(const char* name, Table<Handle, Object>& table, Handle handle, Body body) {
  if (handle == nullptr) return kInvalidHandle;
  return Call(name, [&](Process& process) -> Result {
    Object* object = table.Find(handle);
    if (object != nullptr) return body(*object);
    return process.phase() == Phase::kReady ? kInvalidHandle : kInvalidContext;
  });
}

// The same, but before the first cuInit there is nothing to be destroyed.
template <typename Handle, typename Object, typename Body>
Result DestroyCall(const char* name, Table<Handle, Object>& table, Handle handle, Body body) {
  const Process& process = Process::Get();
  if (process.phase() == Phase::kNever || process.forked()) return kNotInitialized;
  return ObjectCall(name, table, handle, body);
}

// ---- copies of a line of bytes

Result SideOfLine(Array array, std::size_t offset, std::size_t bytes, CopySide* side) {
  const ArrayObject* found = Arrays().Find(array);
  if (found == nullptr) return kInvalidHandle;
  if (offset > Bytes(found->shape) || bytes > Bytes(found->shape) - offset) return kInvalidValue;
  *side = {.place = CopySide::Place::kDevice, .address = found->memory + offset};
  return kSuccess;
}

struct LineEnd {  // an array where `array` is set
  Array array = nullptr;
  std::size_t offset = 0;
  CopySide side;
};
LineEnd In(Array array, std::size_t offset) { return {.array = array, .offset = offset}; }
LineEnd At(const void* host) {
  return {.side = {.place = CopySide::Place::kHost, .address = AddressOf(host)}};
}
LineEnd At(DevicePtr address) {
  return {.side = {.place = CopySide::Place::kDevice, .address = address}};
}

Result EnqueueLine(StreamObject& stream, LineEnd to, LineEnd from, std::size_t bytes, Wait wait) {
  for (LineEnd* end : {&to, &from}) {
    if (end->array == nullptr && end->side.address != 0) continue;
    const Result found = SideOfLine(end->array, end->offset, bytes, &end->side);
    if (found != kSuccess) return found;
  }
  return EnqueueCopy(stream, {.to = to.side, .from = from.side, .width = bytes}, wait);
}

Result LineNow(const Entry& entry, const LineEnd& to, const LineEnd& from, std::size_t bytes) {
  return StreamCall(entry, nullptr, [&](StreamObject& stream) {
    const Result allowed = AllowsUnsafeCall(Process::Get());
    return allowed == kSuccess ? EnqueueLine(stream, to, from, bytes, Wait::kUntilDone) : allowed;
  });
}
Result LineLater(const Entry& entry, const LineEnd& to, const LineEnd& from, std::size_t bytes,
                 Stream stream) {
  if (Process::Get().phase() != Phase::kReady) return kNotInitialized;
  return StreamCall(entry, stream, [&](StreamObject& found) {
    return EnqueueLine(found, to, from, bytes, Wait::kUnpinned);
  });
}

Array3dDescriptor Flat(const ArrayDescriptor& given) {
  return {.width = given.width,
          .height = given.height,
          .depth = 0,
          .format = given.format,
          .channels = given.channels,
          .flags = 0};
}

}  // namespace

Result SideOfArray(Array array, CopySide* side) {
  const ArrayObject* found = Arrays().Find(array);
  if (found == nullptr) return kInvalidHandle;
  *side = {.place = CopySide::Place::kDevice,
           .address = found->memory,
           .pitch = RowBytes(found->shape),
           .rows = std::max<std::size_t>(found->shape.height, 1)};
  return kSuccess;
}

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuArrayCreate_v2(Array* handle, const ArrayDescriptor* allocate_array) {
  Array3dDescriptor shape{};
  if (allocate_array != nullptr) shape = Flat(*allocate_array);
  return Create("cuArrayCreate_v2", handle, allocate_array != nullptr ? &shape : nullptr);
}
Result cuArray3DCreate_v2(Array* handle, const Array3dDescriptor* allocate_array) {
  return Create("cuArray3DCreate_v2", handle, allocate_array);
}

Result cuArrayGetDescriptor_v2(ArrayDescriptor* array_descriptor, Array array) {
  return ObjectCall("cuArrayGetDescriptor_v2", Arrays(), array, [&](const ArrayObject& found) {
    if (array_descriptor == nullptr) return kInvalidValue;
    *array_descriptor = {.width = found.shape.width,
                         .height = found.shape.height,
                         .format = found.shape.format,
                         .channels = found.shape.channels};
    return kSuccess;
  });
}
Result cuArray3DGetDescriptor_v2(Array3dDescriptor* array_descriptor, Array array) {
  return ObjectCall("cuArray3DGetDescriptor_v2", Arrays(), array, [&](const ArrayObject& found) {
    if (array_descriptor == nullptr) return kInvalidValue;
    *array_descriptor = found.shape;
    return kSuccess;
  });
}

Result cuArrayDestroy(Array array) {
  return DestroyCall("cuArrayDestroy", Arrays(), array, [&](const ArrayObject& found) {
    if (found.of_mipmap) return kInvalidValue;
    Destroy(array);
    return kSuccess;
  });
}

Result cuArrayGetMemoryRequirements(ArrayMemoryRequirements* memory_requirements, Array array,
                                    Device /*device*/) {
  if (memory_requirements == nullptr || array == nullptr) return kInvalidValue;
  return Call("cuArrayGetMemoryRequirements", [&](Process& /*process*/) {
    const ArrayObject* found = Arrays().Find(array);
    if (found == nullptr) return kInvalidValue;
    constexpr std::size_t kPiece = 64U << 10U;
    *memory_requirements = {.size = (Bytes(found->shape) + kPiece - 1) / kPiece * kPiece,
                            .alignment = kPiece,
                            .reserved = {}};
    return kSuccess;
  });
}

Result cuMipmappedArrayCreate(MipmappedArray* handle, const Array3dDescriptor* mipmapped_array_desc,
                              unsigned num_mipmap_levels) {
  return ContextCall("cuMipmappedArrayCreate", [&](ContextObject& context) -> Result {
    if (handle == nullptr || mipmapped_array_desc == nullptr || num_mipmap_levels == 0 ||
        num_mipmap_levels > 18 || !Valid(*mipmapped_array_desc)) {
      return kInvalidValue;
    }
    auto object = std::make_shared<MipmapObject>();
    object->context = context.handle;
    Array3dDescriptor shape = *mipmapped_array_desc;
    for (unsigned i = 0; i < num_mipmap_levels; ++i) {
      Array level = nullptr;
      const Result made = Make(context, shape, &level);
      if (made != kSuccess) {
        for (const Array before : object->levels) Destroy(before);
        return made;
      }
      Arrays().Find(level)->of_mipmap = true;
      object->levels.push_back(level);
      shape.width = std::max<std::size_t>(shape.width / 2, 1);
      shape.height = shape.height == 0 ? 0 : std::max<std::size_t>(shape.height / 2, 1);
      if ((shape.flags & (kLayered | kCubemap)) == 0 && shape.depth != 0) {
        shape.depth = std::max<std::size_t>(shape.depth / 2, 1);
      }
    }
    *handle = Mipmaps().Add(std::move(object));
    return kSuccess;
  });
}
Result cuMipmappedArrayGetLevel(Array* level_array, MipmappedArray mipmapped_array,
                                unsigned level) {
  return ObjectCall("cuMipmappedArrayGetLevel", Mipmaps(), mipmapped_array,
                    [&](const MipmapObject& found) {
                      if (level_array == nullptr || level >= found.levels.size()) {
                        return kInvalidValue;
                      }
                      *level_array = found.levels[level];
                      return kSuccess;
                    });
}
Result cuMipmappedArrayDestroy(MipmappedArray mipmapped_array) {
  return DestroyCall("cuMipmappedArrayDestroy", Mipmaps(), mipmapped_array,
                     [&](const MipmapObject& found) {
                       for (const Array level : found.levels) Destroy(level);
                       Mipmaps().Remove(mipmapped_array);
                       return kSuccess;
                     });
}

}  // extern "C"

TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyHtoA_v2, cuMemcpyHtoA_v2_ptds, LineNow,
                          (Array dst, std::size_t offset, const void* src, std::size_t bytes),
                          In(dst, offset), At(src), bytes)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyAtoH_v2, cuMemcpyAtoH_v2_ptds, LineNow,
                          (void* dst, Array src, std::size_t offset, std::size_t bytes), At(dst),
                          In(src, offset), bytes)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyDtoA_v2, cuMemcpyDtoA_v2_ptds, LineNow,
                          (Array dst, std::size_t offset, DevicePtr src, std::size_t bytes),
                          In(dst, offset), At(src), bytes)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyAtoD_v2, cuMemcpyAtoD_v2_ptds, LineNow,
                          (DevicePtr dst, Array src, std::size_t offset, std::size_t bytes),
                          At(dst), In(src, offset), bytes)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyAtoA_v2, cuMemcpyAtoA_v2_ptds, LineNow,
                          (Array dst, std::size_t dst_offset, Array src, std::size_t src_offset,
                           std::size_t bytes),
                          In(dst, dst_offset), In(src, src_offset), bytes)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyHtoAAsync_v2, cuMemcpyHtoAAsync_v2_ptsz, LineLater,
                          (Array dst, std::size_t offset, const void* src, std::size_t bytes,
                           Stream stream),
                          In(dst, offset), At(src), bytes, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyAtoHAsync_v2, cuMemcpyAtoHAsync_v2_ptsz, LineLater,
                          (void* dst, Array src, std::size_t offset, std::size_t bytes,
                           Stream stream),
                          At(dst), In(src, offset), bytes, stream)

// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
