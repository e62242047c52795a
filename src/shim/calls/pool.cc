// Stream-ordered memory, and the calls after which pools may have given memory back.
#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/pools.h"

namespace tranche::shim {
namespace {

template <typename Call, typename Undo>
Result Allocate(Pool named, std::uint64_t bytes, Stream stream, Call call, Undo undo) {
  Program* program = ThisProgram();
  if (program == nullptr || bytes == 0) return call();
  const Phase phase = Attached(*program);
  if (phase == Phase::kClosed) return kOutOfMemory;
  if (phase != Phase::kWalled || IsCapturing(stream)) return call();
  const Device ordinal = CurrentDevice();
  PoolRecord* record = RecordOf(*program, named, ordinal);
  if (record == nullptr) return call();
  std::uint64_t taken = 0;
  const Taking taking = TakeGrowth(*program, *record, ordinal, bytes, &taken);
  if (taking.verdict == Verdict::kRefused) return kOutOfMemory;
  const Result result = call();
  if (taking.verdict == Verdict::kUnwalled) return result;
  if (SettleGrowth(*program, *record, taken) || result != kSuccess) return result;
  undo();
  TrimPools(*program, taking.device);
  return kOutOfMemory;
}

template <typename Call>
Result Then(Call call) {
  const Result result = call();
  Program* program = ThisProgram();
  if (program != nullptr && program->pools_used.load(std::memory_order_relaxed) != 0) {
    SettlePools(*program);
  }
  return result;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemAllocAsync(DevicePtr* dptr, std::size_t bytesize, Stream stream) {
  return Allocate(
      nullptr, bytesize, stream,
      [&] { return TRANCHE_REAL(cuMemAllocAsync, dptr, bytesize, stream); },
      [&] { (void)TRANCHE_REAL(cuMemFreeAsync, *dptr, stream); });
}
Result cuMemAllocAsync_ptsz(DevicePtr* dptr, std::size_t bytesize, Stream stream) {
  return Allocate(
      nullptr, bytesize, stream,
      [&] { return TRANCHE_REAL(cuMemAllocAsync_ptsz, dptr, bytesize, stream); },
      [&] { (void)TRANCHE_REAL(cuMemFreeAsync_ptsz, *dptr, stream); });
}
Result cuMemAllocFromPoolAsync(DevicePtr* dptr, std::size_t bytesize, Pool pool, Stream stream) {
  return Allocate(
      pool, bytesize, stream,
      [&] { return TRANCHE_REAL(cuMemAllocFromPoolAsync, dptr, bytesize, pool, stream); },
      [&] { (void)TRANCHE_REAL(cuMemFreeAsync, *dptr, stream); });
}
Result cuMemAllocFromPoolAsync_ptsz(DevicePtr* dptr, std::size_t bytesize, Pool pool,
                                    Stream stream) {
  return Allocate(
      pool, bytesize, stream,
      [&] { return TRANCHE_REAL(cuMemAllocFromPoolAsync_ptsz, dptr, bytesize, pool, stream); },
      [&] { (void)TRANCHE_REAL(cuMemFreeAsync_ptsz, *dptr, stream); });
}

Result cuMemPoolCreate(Pool* pool, const PoolProperties* pool_props) {
  const Result result = TRANCHE_REAL(cuMemPoolCreate, pool, pool_props);
  if (result != kSuccess) return result;
  Program* program = ThisProgram();
  if (program == nullptr || Attached(*program) != Phase::kWalled) return result;
  const Device ordinal = pool_props->location.id;
  const bool on_device =
      pool_props->location.type == kLocationDevice && ordinal >= 0 && ordinal < kMaxOrdinals;
  const Attachment* pages = program->attachment.load(std::memory_order_acquire);
  AddPool(*program, *pool, on_device ? pages->wall_of[ordinal] : kNoWall);
  return result;
}
Result cuMemPoolDestroy(Pool pool) {
  Program* program = ThisProgram();
  if (program == nullptr) return TRANCHE_REAL(cuMemPoolDestroy, pool);
  unsigned device = kNoWall;
  const std::uint64_t bytes = RemovePool(*program, pool, &device);
  const UnderWay under_way(*program, device);
  const Result result = TRANCHE_REAL(cuMemPoolDestroy, pool);
  if (result == kSuccess) {
    Give(*program, device, bytes);
  } else if (bytes != 0) {
    PutBackPool(*program, pool, device, bytes);
  }
  return result;
}
Result cuMemPoolTrimTo(Pool pool, std::size_t min_bytes_to_keep) {
  return Then([&] { return TRANCHE_REAL(cuMemPoolTrimTo, pool, min_bytes_to_keep); });
}
// Who made the pool is charged for it.
Result cuMemPoolImportFromShareableHandle(Pool* pool_out, void* handle, int handle_type,
                                          Flags flags) {
  const Result result =
      TRANCHE_REAL(cuMemPoolImportFromShareableHandle, pool_out, handle, handle_type, flags);
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) AddPool(*program, *pool_out, kNoWall);
  return result;
}

Result cuStreamSynchronize(Stream stream) {
  return Then([&] { return TRANCHE_REAL(cuStreamSynchronize, stream); });
}
Result cuStreamSynchronize_ptsz(Stream stream) {
  return Then([&] { return TRANCHE_REAL(cuStreamSynchronize_ptsz, stream); });
}
Result cuCtxSynchronize() {
  return Then([&] { return TRANCHE_REAL(cuCtxSynchronize); });
}
Result cuCtxSynchronize_v2(Context ctx) {
  return Then([&] { return TRANCHE_REAL(cuCtxSynchronize_v2, ctx); });
}
Result cuEventSynchronize(Event event) {
  return Then([&] { return TRANCHE_REAL(cuEventSynchronize, event); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
