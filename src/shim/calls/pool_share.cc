// Pools that programs share. Their maker is charged for all of them, and the pod once that one is
// gone (shim/pool_share.h).
#include "shim/pool_share.h"

#include "shim/driver.h"
#include "shim/pools.h"
#include "shim/share.h"
#include "wire/shares.h"

namespace tranche::shim {
namespace {

constexpr std::size_t kFabricBytes = 64;  // of a CUmemFabricHandle

// A handle of a fabric names its pool; a descriptor does not.
std::uint64_t KeyOfPool(const void* handle, int handle_type) {
  return handle_type == kHandleFabric && handle != nullptr ? KeyOf(handle, kFabricBytes)
                                                           : wire::kPoolKey;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemPoolExportToShareableHandle(void* handle_out, Pool pool, int handle_type, Flags flags) {
  const Result result =
      TRANCHE_REAL(cuMemPoolExportToShareableHandle, handle_out, pool, handle_type, flags);
  Program* program = ThisProgram();
  PoolRecord* record =
      result != kSuccess || program == nullptr ? nullptr : FindPool(*program, pool);
  if (record != nullptr) NotePoolExport(*program, *record, KeyOfPool(handle_out, handle_type));
  return result;
}

// Noted before the driver is asked (wire/shares.h).
Result cuMemPoolImportFromShareableHandle(Pool* pool_out, void* handle, int handle_type,
                                          Flags flags) {
  Program* program = ThisProgram();
  const unsigned share =
      program == nullptr ? 0 : NoteImport(*program, KeyOfPool(handle, handle_type));
  const Result result =
      TRANCHE_REAL(cuMemPoolImportFromShareableHandle, pool_out, handle, handle_type, flags);
  if (program == nullptr) return result;
  PoolRecord* record = result == kSuccess ? AddPool(*program, *pool_out, kNoWall) : nullptr;
  if (record != nullptr && share != 0) {
    BeginPoolImport(*record, share);
  } else if (result != kSuccess) {
    DropImport(*program, share);
  }
  return result;
}

Result cuMemPoolImportPointer(DevicePtr* ptr_out, Pool pool, void* share_data) {
  const Result result = TRANCHE_REAL(cuMemPoolImportPointer, ptr_out, pool, share_data);
  Program* program = ThisProgram();
  PoolRecord* record =
      result != kSuccess || program == nullptr ? nullptr : FindPool(*program, pool);
  if (record == nullptr || !AddPoolUse(*record)) return result;
  program->pointers.fetch_add(1);
  // Where there is no memory for it, the pool stays with the pod until this program ends.
  if (!program->table.Put({.kind = Kind::kPoolPointer,
                           .handle = *ptr_out,
                           .bytes = 0,
                           .device = kNoWall,
                           .owner = 0,
                           .share = PlaceOf(*program, *record)})) {
    CountTrouble(*program);
  }
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
