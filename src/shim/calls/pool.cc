// Stream-ordered memory, and the calls after which pools may have given memory back.
#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/pool_share.h"
#include "shim/pools.h"
#include "shim/share.h"

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
  if (record->ended.load(std::memory_order_relaxed)) return kInvalidValue;
  std::uint64_t taken = 0;
  const Taking taking = TakeGrowth(*program, *record, ordinal, bytes, &taken);
  if (taking.verdict == Verdict::kRefused) return kOutOfMemory;
  if (taking.verdict == Verdict::kTaken && record->made.load() != 0) {
    Ahead(*program, *record, taken);
  }
  const Result result = call();
  if (taking.verdict == Verdict::kUnwalled) return result;
  if (SettleGrowth(*program, *record, taken) || result != kSuccess) return result;
  undo();
  TrimPools(*program, taking.device);
  return kOutOfMemory;
}

// An import of another program's pool is destroyed. What was opened of it is left.
template <typename Call>
Result EndImport(Program& program, PoolRecord& record, Call call) {
  const Pool pool = record.pool.load();
  record.pool.store(NoPool());  // from now on its handle may be another pool's
  const Result result = call();
  if (result == kSuccess) {
    EndPoolUse(program, PlaceOf(program, record));
  } else {
    record.pool.store(pool);
  }
  return result;
}

template <typename Call>
Result Then(Call call) {
  const Result result = call();
  Program* program = ThisProgram();
  if (program != nullptr && (program->pools_used.load(std::memory_order_relaxed) |
                             program->frees.count.load(std::memory_order_relaxed)) != 0) {
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
  PoolRecord* record = AddPool(*program, *pool, on_device ? pages->wall_of[ordinal] : kNoWall);
  if (record != nullptr && on_device) record->made.store(static_cast<unsigned>(ordinal) + 1);
  return result;
}
Result cuMemPoolDestroy(Pool pool) {
  const auto call = [&] { return TRANCHE_REAL(cuMemPoolDestroy, pool); };
  Program* program = ThisProgram();
  PoolRecord* record = program == nullptr ? nullptr : FindPool(*program, pool);
  if (record == nullptr) return call();
  if (record->ended.load()) return kInvalidValue;
  if (record->made.load() != 0) {
    const UnderWay under_way(*program, record->device.load());
    return DestroyPool(*program, *record);
  }
  return record->uses.load() != 0 ? EndImport(*program, *record, call) : call();
}
Result cuMemPoolTrimTo(Pool pool, std::size_t min_bytes_to_keep) {
  return Then([&] { return TRANCHE_REAL(cuMemPoolTrimTo, pool, min_bytes_to_keep); });
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
