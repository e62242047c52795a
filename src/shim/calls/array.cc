// Arrays and mipmaps. By how much they are padded, only the driver knows: what the elements need is
// taken first, and the rest once the driver tells.
#include "shim/driver.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

std::uint64_t AtLeastOne(std::uint64_t count) { return count == 0 ? 1 : count; }

// Bytes of one channel. Formats that are not known here are taken for the widest; the driver tells.
std::uint64_t ChannelBytes(int format) {
  switch (format) {
    case 0x01:
    case 0x08:
      return 1;
    case 0x02:
    case 0x09:
    case 0x10:
      return 2;
    default:
      return 4;
  }
}

// UINT64_MAX / 2 where it is no size.
std::uint64_t ElementBytes(std::uint64_t width, std::uint64_t height, std::uint64_t depth,
                           int format, unsigned channels) {
  std::uint64_t bytes = ChannelBytes(format);
  for (const std::uint64_t factor :
       {AtLeastOne(channels), AtLeastOne(width), AtLeastOne(height), AtLeastOne(depth)}) {
    if (bytes > UINT64_MAX / 2 / factor) return UINT64_MAX / 2;
    bytes *= factor;
  }
  return bytes;
}

std::uint64_t ElementBytes(const Array3dShape& shape) {
  // Memory comes later, by cuMemMapArrayAsync, and is charged where it was made.
  if ((shape.flags & (kArraySparse | kArrayDeferredMapping)) != 0) return 0;
  return ElementBytes(shape.width, shape.height, shape.depth, shape.format, shape.channels);
}

// Each level as an array of its own, as some drivers have it.
std::uint64_t LevelBytes(Array3dShape shape, unsigned levels) {
  constexpr unsigned kMostLevels = 18;
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < levels && i < kMostLevels; ++i) {
    bytes += Rounded(ElementBytes(shape));
    if (bytes > UINT64_MAX / 4) return UINT64_MAX / 2;
    shape.width = AtLeastOne(shape.width / 2);
    shape.height = shape.height == 0 ? 0 : AtLeastOne(shape.height / 2);
    const bool flat = shape.depth == 0 || (shape.flags & (kArrayLayered | kArrayCubemap)) != 0;
    if (!flat) shape.depth = AtLeastOne(shape.depth / 2);
  }
  return bytes;
}

struct Making {
  Kind kind;
  Plain requirements;  // the driver's function that tells what it took
  std::uint64_t bytes;
};

// `call()` makes it in *handle, `undo()` destroys it again.
template <typename Made, typename Call, typename Undo>
Result Make(const Making& making, Made* handle, Call call, Undo undo) {
  Program* program = ThisProgram();
  if (program == nullptr || handle == nullptr || making.bytes == 0) return call();
  const Device ordinal = CurrentDevice();
  std::uint64_t charged = Rounded(making.bytes);
  const Taking taking = Take(*program, ordinal, charged);
  if (taking.verdict == Verdict::kRefused) return kOutOfMemory;
  const Result result = call();
  if (taking.verdict == Verdict::kUnwalled) return result;
  if (result != kSuccess) {
    Give(*program, taking.device, charged);
    return result;
  }
  ArrayRequirements told = {};
  if (CallReal(PlainAddress(making.requirements), &told, *handle, ordinal) == kSuccess) {
    const std::uint64_t needed = Rounded(told.size);
    if (needed > charged && !TakeMore(*program, taking.device, needed - charged)) {
      undo();
      Give(*program, taking.device, charged);
      return kOutOfMemory;
    }
    if (needed > charged) charged = needed;
  }
  Remember(*program, {.kind = making.kind,
                      .handle = reinterpret_cast<std::uintptr_t>(*handle),
                      .bytes = charged,
                      .device = taking.device,
                      .owner = CurrentContext()});
  return result;
}

template <typename Call>
Result Destroy(Kind kind, const void* handle, Call call) {
  Program* program = ThisProgram();
  Record record;
  if (program == nullptr ||
      !program->table.Take(kind, reinterpret_cast<std::uintptr_t>(handle), &record)) {
    return call();
  }
  const Result result = call();
  if (result == kSuccess) {
    Give(*program, record.device, record.bytes);
  } else {
    Remember(*program, record);
  }
  return result;
}

template <typename Call>
Result MakeArray(std::uint64_t bytes, Array* handle, Call call) {
  return Make({Kind::kArray, Plain::kArrayRequirements, bytes}, handle, call,
              [&] { (void)TRANCHE_REAL(cuArrayDestroy, *handle); });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuArrayCreate(Array* handle, const OldArrayShape* shape) {
  const std::uint64_t bytes = shape == nullptr ? 0
                                               : ElementBytes(shape->width, shape->height, 1,
                                                              shape->format, shape->channels);
  return MakeArray(bytes, handle, [&] { return TRANCHE_REAL(cuArrayCreate, handle, shape); });
}
Result cuArrayCreate_v2(Array* handle, const ArrayShape* shape) {
  const std::uint64_t bytes = shape == nullptr ? 0
                                               : ElementBytes(shape->width, shape->height, 1,
                                                              shape->format, shape->channels);
  return MakeArray(bytes, handle, [&] { return TRANCHE_REAL(cuArrayCreate_v2, handle, shape); });
}
Result cuArray3DCreate(Array* handle, const OldArray3dShape* shape) {
  const std::uint64_t bytes = shape == nullptr ? 0
                                               : ElementBytes({.width = shape->width,
                                                               .height = shape->height,
                                                               .depth = shape->depth,
                                                               .format = shape->format,
                                                               .channels = shape->channels,
                                                               .flags = shape->flags});
  return MakeArray(bytes, handle, [&] { return TRANCHE_REAL(cuArray3DCreate, handle, shape); });
}
Result cuArray3DCreate_v2(Array* handle, const Array3dShape* shape) {
  return MakeArray(shape == nullptr ? 0 : ElementBytes(*shape), handle,
                   [&] { return TRANCHE_REAL(cuArray3DCreate_v2, handle, shape); });
}
Result cuArrayDestroy(Array array) {
  return Destroy(Kind::kArray, array, [&] { return TRANCHE_REAL(cuArrayDestroy, array); });
}

Result cuMipmappedArrayCreate(Mipmap* handle, const Array3dShape* shape, unsigned levels) {
  const std::uint64_t bytes = shape == nullptr ? 0 : LevelBytes(*shape, levels);
  return Make(
      {Kind::kMipmap, Plain::kMipmapRequirements, bytes}, handle,
      [&] { return TRANCHE_REAL(cuMipmappedArrayCreate, handle, shape, levels); },
      [&] { (void)TRANCHE_REAL(cuMipmappedArrayDestroy, *handle); });
}
Result cuMipmappedArrayDestroy(Mipmap mipmap) {
  return Destroy(Kind::kMipmap, mipmap,
                 [&] { return TRANCHE_REAL(cuMipmappedArrayDestroy, mipmap); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
