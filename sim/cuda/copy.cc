#include "sim/cuda/copy.h"

#include <cstring>
#include <memory>

#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

namespace {

std::size_t PitchOf(const CopySide& side, const Copy& copy) {
  return side.pitch != 0 ? side.pitch : copy.width;
}
std::size_t SliceOf(const CopySide& side, const Copy& copy) {
  return PitchOf(side, copy) * (side.rows != 0 ? side.rows : copy.height);
}
// From the first byte to the last one.
std::size_t Extent(const CopySide& side, const Copy& copy) {
  return SliceOf(side, copy) * (copy.depth - 1) + PitchOf(side, copy) * (copy.height - 1) +
         copy.width;
}

struct Where {
  bool on_host = false;
  bool pinned = false;  // or managed, or the device's
  bool known = false;   // memory of CUDA's
};
Where WhereIs(const CopySide& side) {
  const Allocation* found = Process::Get().memory().Find(side.address);
  if (found == nullptr) return {.on_host = true};
  return {.on_host = found->on_host(), .pinned = true, .known = true};
}

char* Contents(const CopySide& side, std::size_t bytes) {
  Memory& memory = Process::Get().memory();
  if (side.place == CopySide::Place::kDevice) return memory.Translate(side.address, bytes);
  return memory.TranslateAny(side.address, bytes);
}

Result Check(const CopySide& side, const Copy& copy) {
  if (side.address == 0) return kInvalidValue;
  if (PitchOf(side, copy) < copy.width && (copy.height > 1 || copy.depth > 1)) {
    return kInvalidValue;
  }
  return Contents(side, Extent(side, copy)) != nullptr ? kSuccess : kInvalidValue;
}

void Move(char* to, const char* from, const Copy& copy) {
  for (std::size_t z = 0; z < copy.depth; ++z) {
    char* row_to = to + z * SliceOf(copy.to, copy);
    const char* row_from = from + z * SliceOf(copy.from, copy);
    for (std::size_t y = 0; y < copy.height; ++y) {
      std::memmove(row_to, row_from, copy.width);
      row_to += PitchOf(copy.to, copy);
      row_from += PitchOf(copy.from, copy);
    }
  }
}

// A source that the program may change as soon as the call is back is kept until the copy is due.
enum class Source { kAsItWillBe, kAsItIs };
Effect EffectOf(const Copy& copy, Source source) {
  std::shared_ptr<std::string> kept;
  if (source == Source::kAsItIs) {
    const std::size_t bytes = Extent(copy.from, copy);
    kept = std::make_shared<std::string>(Contents(copy.from, bytes), bytes);
  }
  return [copy, kept] {
    char* to = Contents(copy.to, Extent(copy.to, copy));
    const char* from =
        kept != nullptr ? kept->data() : Contents(copy.from, Extent(copy.from, copy));
    if (to == nullptr || from == nullptr) return kIllegalAddress;
    Move(to, from, copy);
    return kSuccess;
  };
}

link::Work WorkOf(const Where& to, const Where& from) {
  if (to.on_host) return link::Work::kCopyToHost;
  return from.on_host ? link::Work::kCopyToDevice : link::Work::kCopyOnDevice;
}

enum class End { kTo, kFrom };

template <typename Given>
Result Side(const Given& given, End end, CopySide* side) {
  const bool to = end == End::kTo;
  const MemoryType type = to ? given.dst_type : given.src_type;
  side->pitch = to ? given.dst_pitch : given.src_pitch;
  switch (type) {
    case kMemoryTypeHost:
      side->place = CopySide::Place::kHost;
      side->address = AddressOf(to ? given.dst_host : given.src_host);
      return kSuccess;
    case kMemoryTypeDevice:
      side->place = CopySide::Place::kDevice;
      side->address = to ? given.dst_device : given.src_device;
      return kSuccess;
    case kMemoryTypeUnified:
      side->place = CopySide::Place::kAny;
      side->address = to ? given.dst_device : given.src_device;
      return kSuccess;
    case kMemoryTypeArray:
      side->pitch = 0;
      return SideOfArray(to ? given.dst_array : given.src_array, side);
  }
  return kInvalidValue;
}

// What a captured copy looks like to who reads its node.
std::shared_ptr<const NodeParameters> NodeOf(const Copy& copy, Context context) {
  auto node = std::make_shared<NodeParameters>();
  node->type = kNodeMemcpy;
  node->memcpy.context = context;
  Memcpy3d& given = node->memcpy.copy;
  const auto is_host = [](const CopySide& side) { return WhereIs(side).on_host; };
  given.dst_type = is_host(copy.to) ? kMemoryTypeHost : kMemoryTypeDevice;
  given.dst_host = is_host(copy.to) ? PointerTo(copy.to.address) : nullptr;
  given.dst_device = is_host(copy.to) ? 0 : copy.to.address;
  given.dst_pitch = PitchOf(copy.to, copy);
  given.dst_height = copy.to.rows != 0 ? copy.to.rows : copy.height;
  given.src_type = is_host(copy.from) ? kMemoryTypeHost : kMemoryTypeDevice;
  given.src_host = is_host(copy.from) ? PointerTo(copy.from.address) : nullptr;
  given.src_device = is_host(copy.from) ? 0 : copy.from.address;
  given.src_pitch = PitchOf(copy.from, copy);
  given.src_height = copy.from.rows != 0 ? copy.from.rows : copy.height;
  given.width_bytes = copy.width;
  given.height = copy.height;
  given.depth = copy.depth;
  return node;
}

std::shared_ptr<const NodeParameters> NodeOf(const Fill& fill, Context context) {
  auto node = std::make_shared<NodeParameters>();
  node->type = kNodeMemset;
  node->memset.set = {.dst = fill.address,
                      .pitch = fill.pitch,
                      .value = fill.value,
                      .element_size = static_cast<unsigned>(fill.element),
                      .width = fill.width,
                      .height = fill.height};
  node->memset.context = context;
  return node;
}

void Offset(CopySide* side, const Copy& copy, std::size_t x, std::size_t y, std::size_t z) {
  side->address += z * SliceOf(*side, copy) + y * PitchOf(*side, copy) + x;
}

}  // namespace

Result CopyOf(const Memcpy2d& given, Copy* copy) {
  copy->width = given.width_bytes;
  copy->height = given.height;
  Result result = Side(given, End::kTo, &copy->to);
  if (result == kSuccess) result = Side(given, End::kFrom, &copy->from);
  if (result != kSuccess) return result;
  Offset(&copy->to, *copy, given.dst_x_bytes, given.dst_y, 0);
  Offset(&copy->from, *copy, given.src_x_bytes, given.src_y, 0);
  return kSuccess;
}

Result CopyOf(const Memcpy3d& given, Copy* copy) {
  copy->width = given.width_bytes;
  copy->height = given.height;
  copy->depth = given.depth;
  copy->to.rows = given.dst_height;
  copy->from.rows = given.src_height;
  Result result = Side(given, End::kTo, &copy->to);
  if (result == kSuccess) result = Side(given, End::kFrom, &copy->from);
  if (result != kSuccess) return result;
  if (given.src_lod != 0 || given.dst_lod != 0) return kInvalidValue;
  Offset(&copy->to, *copy, given.dst_x_bytes, given.dst_y, given.dst_z);
  Offset(&copy->from, *copy, given.src_x_bytes, given.src_y, given.src_z);
  return kSuccess;
}

Result MakeOperation(const Copy& copy, Operation* operation) {
  Result result = Check(copy.to, copy);
  if (result == kSuccess) result = Check(copy.from, copy);
  if (result != kSuccess) return result;
  operation->work = WorkOf(WhereIs(copy.to), WhereIs(copy.from));
  operation->amount = copy.width * copy.height * copy.depth;
  operation->effect = EffectOf(copy, Source::kAsItWillBe);
  return kSuccess;
}

Result EnqueueCopy(StreamObject& stream, const Copy& copy, Wait wait) {
  if (copy.width == 0 || copy.height == 0 || copy.depth == 0) return kSuccess;
  Operation operation;
  Result result = MakeOperation(copy, &operation);
  if (result != kSuccess) return result;
  if (stream.capture != nullptr) {
    operation.node = NodeOf(copy, stream.context->handle);
    return Enqueue(stream, operation);
  }
  const Where to = WhereIs(copy.to);
  const Where from = WhereIs(copy.from);
  if (wait == Wait::kUnpinned && !from.known && !StalledStreams().empty())
    operation.effect = EffectOf(copy, Source::kAsItIs);
  result = Enqueue(stream, operation);
  if (result != kSuccess) return result;
  const bool within_device = !to.on_host && !from.on_host;
  const bool unpinned = to.on_host && !to.pinned;
  return (wait == Wait::kUntilDone && !within_device) || unpinned ? Synchronize(stream) : kSuccess;
}

Result MakeCopyOperation(ContextObject& context, const Memcpy3d& given, Operation* operation) {
  Copy copy;
  Result result = CopyOf(given, &copy);
  if (result == kSuccess) result = MakeOperation(copy, operation);
  if (result != kSuccess) return result;
  NodeParameters node;
  node.type = kNodeMemcpy;
  node.memcpy.context = context.handle;
  node.memcpy.copy = given;
  operation->node = std::make_shared<NodeParameters>(node);
  return kSuccess;
}

// ---- fills

namespace {

// Memory that is the program's own, pinned or managed, is only written.
void FillRow(char* at, const Fill& fill, std::size_t bytes, bool is_programs) {
  if (fill.value == 0 && !is_programs) {
    ForgetContents(at, bytes);
    return;
  }
  if (fill.element == 1) {
    std::memset(at, static_cast<int>(fill.value & 0xFF), bytes);
    return;
  }
  for (std::size_t x = 0; x < bytes; x += fill.element) {
    std::memcpy(at + x, &fill.value, fill.element);
  }
}

}  // namespace

Result MakeOperation(const Fill& fill, Operation* operation) {
  const std::size_t element = fill.element;
  if ((element != 1 && element != 2 && element != 4) || fill.address % element != 0) {
    return kInvalidValue;
  }
  const std::size_t row = fill.width * element;
  if (fill.height > 1 && fill.pitch < row) return kInvalidValue;
  const std::size_t pitch = fill.height > 1 ? fill.pitch : row;
  const std::size_t bytes = pitch * (fill.height - 1) + row;
  if (row / element != fill.width || bytes < row ||
      Process::Get().memory().Translate(fill.address, bytes) == nullptr) {
    return kInvalidValue;
  }
  operation->work = link::Work::kFill;
  operation->amount = row * fill.height;
  operation->effect = [=] {
    char* at = Process::Get().memory().Translate(fill.address, bytes);
    if (at == nullptr) return kIllegalAddress;
    const bool is_programs = AddressOf(at) == fill.address;
    for (std::size_t y = 0; y < fill.height; ++y) FillRow(at + y * pitch, fill, row, is_programs);
    return kSuccess;
  };
  return kSuccess;
}

Result EnqueueFill(StreamObject& stream, const Fill& fill) {
  if (fill.width == 0 || fill.height == 0) return kSuccess;
  Operation operation;
  if (const Result made = MakeOperation(fill, &operation); made != kSuccess) return made;
  if (stream.capture != nullptr) operation.node = NodeOf(fill, stream.context->handle);
  return Enqueue(stream, operation);
}

Result MakeFillOperation(ContextObject& context, const MemsetNodeParams& given,
                         Operation* operation) {
  const Fill fill{given.dst,          given.pitch, given.value,
                  given.element_size, given.width, given.height};
  if (fill.width == 0 || fill.height == 0) return kInvalidValue;
  const Result result = MakeOperation(fill, operation);
  if (result == kSuccess) operation->node = NodeOf(fill, context.handle);
  return result;
}

}  // namespace tranche::sim::cuda
