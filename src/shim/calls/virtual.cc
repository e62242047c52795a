// Memory that gets an address later: charged by its handle, until neither the program nor a mapping
// has it any more. Where it lies stands in its properties: no context is needed, and what lies in
// the memory of the host is not charged.
#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

constexpr std::uint64_t kPiece = 2U << 20U;  // the smallest mapping there is

// One use less; with the last of them the memory is free.
void Drop(Program& program, Handle handle) {
  Record record;
  if (program.table.Change(Kind::kPhysical, handle, -1, &record) == 0) {
    Give(program, record.device, record.bytes);
  }
}

// One use more of a handle that the driver has given once more.
void Keep(Program& program, Handle handle) {
  Record unused;
  program.table.Change(Kind::kPhysical, handle, 1, &unused);
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
  const Result result = TRANCHE_REAL(cuMemRelease, handle);
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) Drop(*program, handle);
  return result;
}

Result cuMemMap(DevicePtr ptr, std::size_t size, std::size_t offset, Handle handle, Flags flags) {
  const Result result = TRANCHE_REAL(cuMemMap, ptr, size, offset, handle, flags);
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr) return result;
  Record unused;
  if (program->table.Change(Kind::kPhysical, handle, 1, &unused) < 0) return result;
  Remember(
      *program,
      {.kind = Kind::kMapping, .handle = ptr, .bytes = size, .device = kNoWall, .owner = handle});
  return result;
}

// One call may end several mappings that lie side by side.
Result cuMemUnmap(DevicePtr ptr, std::size_t size) {
  const Result result = TRANCHE_REAL(cuMemUnmap, ptr, size);
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr) return result;
  for (std::uint64_t done = 0; done < size;) {
    Record mapping;
    const bool known = program->table.Take(Kind::kMapping, ptr + done, &mapping);
    if (known) Drop(*program, mapping.owner);
    done += known && mapping.bytes != 0 ? mapping.bytes : kPiece;
  }
  return result;
}

Result cuMemRetainAllocationHandle(Handle* handle, void* addr) {
  const Result result = TRANCHE_REAL(cuMemRetainAllocationHandle, handle, addr);
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) Keep(*program, *handle);
  return result;
}

// Who made the memory is charged for it. Imported where it was made, it may be the same handle.
Result cuMemImportFromShareableHandle(Handle* handle, void* os_handle, int sh_handle_type) {
  const Result result =
      TRANCHE_REAL(cuMemImportFromShareableHandle, handle, os_handle, sh_handle_type);
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) Keep(*program, *handle);
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
