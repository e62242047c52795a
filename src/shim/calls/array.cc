// Arrays and mipmaps. By how much they are padded, only the driver knows: the most that it can be
// is taken first, and what of that the driver says it did not need is given back.
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

constexpr std::uint64_t kTooMuch = UINT64_MAX / 4;  // where it is no size

std::uint64_t Product(std::uint64_t first, std::uint64_t second, std::uint64_t third) {
  std::uint64_t bytes = first;
  for (const std::uint64_t factor : {second, third}) {
    if (bytes > kTooMuch / factor) return kTooMuch;
    bytes *= factor;
  }
  return bytes;
}

// Rows and slices lie in blocks of a power of two of them, no larger than the array needs.
std::uint64_t InBlocks(std::uint64_t count, std::uint64_t largest) {
  std::uint64_t block = 1;
  while (block < count && block < largest) block *= 2;
  return count > kTooMuch ? count : (count + block - 1) / block * block;
}

// What an array takes: at least, and at most.
struct Span {
  std::uint64_t least;
  std::uint64_t most;
};

Span BytesOf(const Array3dShape& shape) {
  // Memory comes later, by cuMemMapArrayAsync, and is charged where it was made.
  if ((shape.flags & (kArraySparse | kArrayDeferredMapping)) != 0) return {0, 0};
  constexpr std::uint64_t kRow = 512;
  constexpr std::uint64_t kRows = 128;
  constexpr std::uint64_t kSlices = 32;
  const std::uint64_t element = ChannelBytes(shape.format) * AtLeastOne(shape.channels);
  const std::uint64_t row = Product(element, AtLeastOne(shape.width), 1);
  const std::uint64_t height = AtLeastOne(shape.height);
  const std::uint64_t depth = AtLeastOne(shape.depth);
  return {Rounded(Product(row, height, depth)),
          Rounded(Product((row + kRow - 1) / kRow * kRow, InBlocks(height, kRows),
                          InBlocks(depth, kSlices)))};
}

// Each level as an array of its own, as some drivers have it.
Span BytesOfLevels(Array3dShape shape, unsigned levels) {
  constexpr unsigned kMostLevels = 18;
  Span bytes = {0, 0};
  for (unsigned i = 0; i < levels && i < kMostLevels; ++i) {
    const Span level = BytesOf(shape);
    bytes.least += level.least;
    bytes.most += level.most;
    if (bytes.most > kTooMuch) return {kTooMuch, kTooMuch};
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
  Span bytes;
};

// `call()` makes it in *handle, `undo()` destroys it again.
template <typename Made, typename Call, typename Undo>
Result Make(const Making& making, Made* handle, Call call, Undo undo) {
  Program* program = ThisProgram();
  if (program == nullptr || handle == nullptr || making.bytes.most == 0) return call();
  const Device ordinal = CurrentDevice();
  std::uint64_t charged = making.bytes.most;
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
    const std::uint64_t size = Rounded(told.size);
    const std::uint64_t needed = size > making.bytes.least ? size : making.bytes.least;
    if (needed > charged && !TakeMore(*program, taking.device, needed - charged)) {
      undo();
      Give(*program, taking.device, charged);
      return kOutOfMemory;
    }
    if (needed < charged) Give(*program, taking.device, charged - needed);
    charged = needed;
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
  const UnderWay under_way(*program, record.device);
  const Result result = call();
  if (result == kSuccess) {
    Give(*program, record.device, record.bytes);
  } else {
    Remember(*program, record);
  }
  return result;
}

template <typename Shape>
Span BytesOfFlat(const Shape* shape) {
  if (shape == nullptr) return {0, 0};
  return BytesOf({.width = shape->width,
                  .height = shape->height,
                  .depth = 0,
                  .format = shape->format,
                  .channels = shape->channels,
                  .flags = 0});
}
template <typename Shape>
Span BytesOfSolid(const Shape* shape) {
  if (shape == nullptr) return {0, 0};
  return BytesOf({.width = shape->width,
                  .height = shape->height,
                  .depth = shape->depth,
                  .format = shape->format,
                  .channels = shape->channels,
                  .flags = shape->flags});
}

template <typename Call>
Result MakeArray(const Span& bytes, Array* handle, Call call) {
  return Make({Kind::kArray, Plain::kArrayRequirements, bytes}, handle, call,
              [&] { (void)TRANCHE_REAL(cuArrayDestroy, *handle); });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuArrayCreate(Array* handle, const OldArrayShape* shape) {
  return MakeArray(BytesOfFlat(shape), handle,
                   [&] { return TRANCHE_REAL(cuArrayCreate, handle, shape); });
}
Result cuArrayCreate_v2(Array* handle, const ArrayShape* shape) {
  return MakeArray(BytesOfFlat(shape), handle,
                   [&] { return TRANCHE_REAL(cuArrayCreate_v2, handle, shape); });
}
Result cuArray3DCreate(Array* handle, const OldArray3dShape* shape) {
  return MakeArray(BytesOfSolid(shape), handle,
                   [&] { return TRANCHE_REAL(cuArray3DCreate, handle, shape); });
}
Result cuArray3DCreate_v2(Array* handle, const Array3dShape* shape) {
  return MakeArray(BytesOfSolid(shape), handle,
                   [&] { return TRANCHE_REAL(cuArray3DCreate_v2, handle, shape); });
}
Result cuArrayDestroy(Array array) {
  return Destroy(Kind::kArray, array, [&] { return TRANCHE_REAL(cuArrayDestroy, array); });
}

Result cuMipmappedArrayCreate(Mipmap* handle, const Array3dShape* shape, unsigned levels) {
  const Span bytes = shape == nullptr ? Span{0, 0} : BytesOfLevels(*shape, levels);
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
