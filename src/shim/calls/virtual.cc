// Memory that gets an address later: charged by its handle, until neither the program nor a mapping
// has it any more. Where it lies stands in its properties: no context is needed, and what lies in
// the memory of the host is not charged.
#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/share.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

constexpr std::uint64_t kPiece = 2U << 20U;  // the smallest mapping there is
constexpr std::size_t kFabricBytes = 64;     // of a CUmemFabricHandle

// A use of physical memory that is to end. It is dropped before the driver is asked: once the
// memory is free, its handle may be another's.
class Drop {
 public:
  Drop(Program& program, Handle handle)
      : program_(program),
        handle_(handle),
        left_(program.table.Change(Kind::kPhysical, handle, -1, &record_)) {}

  // Where memory may go; kNoWall where none does.
  [[nodiscard]] unsigned device() const { return left_ == 0 ? record_.device : kNoWall; }

  void Done() {
    if (left_ == 0) GiveBack(program_, record_);
  }
  void Undo() {
    if (left_ == 0) {
      Remember(program_, record_);
    } else if (left_ > 0) {
      program_.table.Change(Kind::kPhysical, handle_, 1, &record_);
    }
  }

 private:
  Program& program_;
  Handle handle_;
  Record record_ = {};
  int left_;
};

// One use more of a handle that the driver has given once more; false where it is not known.
bool Keep(Program& program, Handle handle) {
  Record unused;
  return program.table.Change(Kind::kPhysical, handle, 1, &unused) > 0;
}

// The device on which memory lies; kNoWall where it is the host's, or has no wall.
unsigned WallOfHandle(Program& program, Handle handle) {
  AllocationProperties properties = {};
  const Result told = CallReal(PlainAddress(Plain::kPhysicalProperties), &properties, handle);
  if (told != kSuccess || properties.location.type != kLocationDevice) return kNoWall;
  return WallOf(program, properties.location.id);
}

struct Range {
  DevicePtr begin;
  std::size_t bytes;
  std::size_t done;
};
constexpr unsigned kMostFrames = 256;

Result UnmapFrom(Program& program, Range range, unsigned frames) {
  Record mapping;
  while (range.done < range.bytes &&
         !program.table.Take(Kind::kMapping, range.begin + range.done, &mapping)) {
    range.done += kPiece;
  }
  if (range.done >= range.bytes) return TRANCHE_REAL(cuMemUnmap, range.begin, range.bytes);
  Drop drop(program, mapping.owner);
  const UnderWay under_way(program, drop.device());
  range.done += mapping.bytes;
  // Beyond so many, what is left is taken out after the driver's call.
  const bool deeper = frames < kMostFrames;
  const Result result = deeper ? UnmapFrom(program, range, frames + 1)
                               : TRANCHE_REAL(cuMemUnmap, range.begin, range.bytes);
  if (result != kSuccess) {
    Remember(program, mapping);
    drop.Undo();
    return result;
  }
  drop.Done();
  while (!deeper && range.done < range.bytes) {
    const bool known = program.table.Take(Kind::kMapping, range.begin + range.done, &mapping);
    if (known) Drop(program, mapping.owner).Done();
    range.done += known ? mapping.bytes : kPiece;
  }
  return result;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemCreate(Handle* handle, std::size_t size, const AllocationProperties* prop,
                   Flags flags) {
  const auto call = [&] { return TRANCHE_REAL(cuMemCreate, handle, size, prop, flags); };
  Program* program = ThisProgram();
  if (program == nullptr || handle == nullptr || prop == nullptr ||
      prop->location.type != kLocationDevice) {
    return call();
  }
  const Taking taking = Take(*program, prop->location.id, size);
  if (taking.verdict == Verdict::kRefused) return kOutOfMemory;
  const Result result = call();
  if (taking.verdict == Verdict::kUnwalled) return result;
  if (result != kSuccess) {
    Give(*program, taking.device, size);
    return result;
  }
  Remember(*program, {.kind = Kind::kPhysical,
                      .handle = *handle,
                      .bytes = size,
                      .device = taking.device,
                      .owner = 0});
  return result;
}

Result cuMemRelease(Handle handle) {
  Program* program = ThisProgram();
  if (program == nullptr) return TRANCHE_REAL(cuMemRelease, handle);
  Drop drop(*program, handle);
  const UnderWay under_way(*program, drop.device());
  const Result result = TRANCHE_REAL(cuMemRelease, handle);
  if (result == kSuccess) {
    drop.Done();
  } else {
    drop.Undo();
  }
  return result;
}

Result cuMemMap(DevicePtr ptr, std::size_t size, std::size_t offset, Handle handle, Flags flags) {
  const Result result = TRANCHE_REAL(cuMemMap, ptr, size, offset, handle, flags);
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr) return result;
  Record unused;
  if (program->table.Change(Kind::kPhysical, handle, 1, &unused) < 0) return result;
  if (program->table.Look(Kind::kPhysical, handle, &unused)) {
    ImportIs(*program, unused.share, size);
  }
  if (!program->table.Put({.kind = Kind::kMapping,
                           .handle = ptr,
                           .bytes = size,
                           .device = kNoWall,
                           .owner = handle})) {
    // Its end would not be noticed, so it does not count as a use.
    CountTrouble(*program);
    Drop(*program, handle).Done();
  }
  return result;
}

// One call may end several mappings that lie side by side: each drops its use in a frame of its
// own, and the innermost asks the driver.
Result cuMemUnmap(DevicePtr ptr, std::size_t size) {
  Program* program = ThisProgram();
  if (program == nullptr) return TRANCHE_REAL(cuMemUnmap, ptr, size);
  return UnmapFrom(*program, {.begin = ptr, .bytes = size, .done = 0}, 0);
}

Result cuMemRetainAllocationHandle(Handle* handle, void* addr) {
  const Result result = TRANCHE_REAL(cuMemRetainAllocationHandle, handle, addr);
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) (void)Keep(*program, *handle);
  return result;
}

// Its maker is charged for it, and the pod once that one is gone (wire/shares.h). A descriptor says
// nothing of what it stands for; a handle of a fabric names it.
Result cuMemExportToShareableHandle(void* shareable, Handle handle, int handle_type, Flags flags) {
  const Result result =
      TRANCHE_REAL(cuMemExportToShareableHandle, shareable, handle, handle_type, flags);
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr) return result;
  const bool named = handle_type == kHandleFabric;
  NoteExport(*program, Kind::kPhysical, handle, named ? KeyOf(shareable, kFabricBytes) : 0);
  return result;
}
// Imported where it was made, it may be the same handle.
Result cuMemImportFromShareableHandle(Handle* handle, void* os_handle, int sh_handle_type) {
  const auto call = [&] {
    return TRANCHE_REAL(cuMemImportFromShareableHandle, handle, os_handle, sh_handle_type);
  };
  Program* program = ThisProgram();
  if (program == nullptr || program->attachment.load() == nullptr) return call();
  const bool named = sh_handle_type == kHandleFabric && os_handle != nullptr;
  const unsigned share = NoteImport(*program, named ? KeyOf(os_handle, kFabricBytes) : 0);
  const Result result = call();
  if (result != kSuccess || Keep(*program, *handle)) {
    DropImport(*program, share);
    return result;
  }
  const unsigned device = WallOfHandle(*program, *handle);
  if (device == kNoWall || share == 0) {
    DropImport(*program, share);
    return result;
  }
  ImportIsOn(*program, share, device);
  Remember(*program, {.kind = Kind::kPhysical,
                      .handle = *handle,
                      .bytes = 0,
                      .device = kNoWall,
                      .owner = 0,
                      .share = share});
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
