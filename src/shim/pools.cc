#include "shim/pools.h"

#include "shim/driver.h"
#include "shim/freeing.h"
#include "shim/graphs.h"
#include "shim/pool_share.h"
#include "shim/share.h"

namespace tranche::shim {
namespace {

// The device of CUDA's whose graphs a handle stands for; -1 for a pool of the driver's.
Device GraphsOf(Pool pool) {
  const auto number = reinterpret_cast<std::uintptr_t>(pool);
  return number <= kMaxOrdinals ? static_cast<Device>(number) - 1 : -1;
}

bool AskReserved(Pool pool, std::uint64_t* bytes) {
  if (pool == NoPool()) return false;
  if (const Device ordinal = GraphsOf(pool); ordinal >= 0) {
    return CallReal(PlainAddress(Plain::kGraphMemory), ordinal, kGraphMemReservedCurrent,
                    static_cast<void*>(bytes)) == kSuccess;
  }
  return CallReal(PlainAddress(Plain::kPoolGetAttribute), pool, kPoolReservedCurrent,
                  static_cast<void*>(bytes)) == kSuccess;
}

// PoolRecord::charge: bytes, and above them how often it was settled.
constexpr unsigned kByteBits = 48;
std::uint64_t BytesOf(std::uint64_t charge) {
  return charge & ((std::uint64_t{1} << kByteBits) - 1);
}
std::uint64_t Next(std::uint64_t charge, std::uint64_t bytes) {
  return (((charge >> kByteBits) + 1) << kByteBits) | bytes;
}

PoolRecord* Find(Program& program, Pool pool) {
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    if (program.pools[i].pool.load() == pool) return &program.pools[i];
  }
  return nullptr;
}

// Records are never given up for another pool while there are fresh ones; a destroyed pool's has
// none charged.
PoolRecord* Add(Program& program, Pool pool, unsigned device) {
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < kMaxPools; ++i) {
    Pool none = nullptr;
    PoolRecord& record = program.pools[i];
    if (!record.pool.compare_exchange_strong(none, pool)) {
      if (none == pool) return &record;  // another thread was faster
      continue;
    }
    record.device.store(device);
    std::uint32_t known = used;
    while (known < i + 1 && !program.pools_used.compare_exchange_weak(known, i + 1)) {
    }
    return &record;
  }
  CountTrouble(program);
  return nullptr;
}

// Brings the charge of a pool to what it has reserved, of which up to `taken` has been taken
// already; what of that is left over is given back. False: it has more than was taken.
//
// Each settling changes `charge`, also where the bytes stay as they were: so what the driver said
// is dropped where another thread has settled meanwhile what it had let the pool grow by.
bool Settle(Program& program, PoolRecord& record, std::uint64_t taken) {
  const unsigned device = record.device.load();
  std::atomic<std::int32_t> none = 0;
  std::atomic<std::int32_t>& settling =
      device < wire::kMaxDevices ? program.walls[device].settling : none;
  settling.fetch_add(1);
  for (;;) {
    std::uint64_t before = record.charge.load();
    const std::uint64_t charged = BytesOf(before);
    std::uint64_t reserved = charged;
    const Pool pool = record.pool.load();
    if (pool == nullptr || !AskReserved(pool, &reserved)) reserved = charged;
    const std::uint64_t growth = reserved > charged ? reserved - charged : 0;
    const std::uint64_t kept = growth < taken ? growth : taken;
    const std::uint64_t to = reserved > charged ? charged + kept : reserved;
    if (!record.charge.compare_exchange_strong(before, Next(before, to))) continue;
    if (record.made.load() != 0) Ahead(program, record, -taken);
    const std::uint64_t shrunk = charged > to ? charged - to : 0;
    Give(program, device, taken - kept + shrunk);
    settling.fetch_sub(1);
    return growth <= taken;
  }
}

// Takes out of a pool's charge what is charged elsewhere from now on.
void Uncharge(PoolRecord& record, std::uint64_t bytes) {
  std::uint64_t before = record.charge.load();
  std::uint64_t left = 0;
  do {
    left = BytesOf(before) > bytes ? BytesOf(before) - bytes : 0;
  } while (!record.charge.compare_exchange_weak(before, Next(before, left)));
}

Result DestroyNow(Program& program, PoolRecord& record) {
  Pool pool = record.pool.load();
  const unsigned device = record.device.load();
  // From then on its handle may be another pool's.
  if (pool == NoPool() || !record.pool.compare_exchange_strong(pool, NoPool())) return kSuccess;
  const Result result = TRANCHE_REAL(cuMemPoolDestroy, pool);
  if (result != kSuccess) {
    record.pool.store(pool);
    return result;
  }
  Give(program, device, BytesOf(record.charge.exchange(0)));
  Forget(record);
  return result;
}

// One that the program has destroyed goes once nothing of it is in use.
void LookAtEnded(Program& program, PoolRecord& record) {
  const Relaxed relaxed;
  const Pool pool = record.pool.load();
  std::uint64_t left = 1;
  if (pool == nullptr || pool == NoPool()) return;
  (void)TRANCHE_REAL(cuMemPoolTrimTo, pool, std::size_t{0});
  Settle(program, record, 0);
  if (AskReserved(pool, &left) && left == 0) (void)DestroyNow(program, record);
}

}  // namespace

bool IsCapturing(Stream stream) {
  int status = 0;
  CallReal(PlainAddress(Plain::kIsCapturing), stream, &status);
  return status != 0;
}

std::uint64_t ChargeOf(const PoolRecord& record) { return BytesOf(record.charge.load()); }

PoolRecord* FindPool(Program& program, Pool pool) { return Find(program, pool); }

PoolRecord* AddPool(Program& program, Pool pool, unsigned device) {
  PoolRecord* known = Find(program, pool);
  return known != nullptr ? known : Add(program, pool, device);
}

Result DestroyPool(Program& program, PoolRecord& record) {
  const Pool pool = record.pool.load();
  const auto ordinal = static_cast<Device>(record.made.load()) - 1;
  std::uint64_t left = 0;
  Settle(program, record, 0);
  // What others still have of it is the pod's from now on.
  const std::uint64_t kept = EndPoolExport(program, record);
  Uncharge(record, kept);
  (void)TRANCHE_REAL(cuMemPoolTrimTo, pool, std::size_t{0});
  Settle(program, record, 0);
  if (record.device.load() == kNoWall || !AskReserved(pool, &left) || left == 0) {
    return DestroyNow(program, record);
  }
  // As the driver's own call does.
  Pool current = nullptr;
  Pool own = nullptr;
  const Result told = CallReal(PlainAddress(Plain::kDeviceGetPool), &current, ordinal);
  if (told == kSuccess && current == pool &&
      CallReal(PlainAddress(Plain::kDeviceGetDefaultPool), &own, ordinal) == kSuccess) {
    CallReal(PlainAddress(Plain::kDeviceSetPool), ordinal, own);
  }
  std::uint64_t nothing = 0;
  CallReal(PlainAddress(Plain::kPoolSetAttribute), pool, kPoolReleaseThreshold,
           static_cast<void*>(&nothing));
  record.ended.store(true);
  return kSuccess;
}

PoolRecord* RecordOf(Program& program, Pool named, Device ordinal) {
  Pool pool = named;
  if (pool == nullptr) {
    const Result result = CallReal(PlainAddress(Plain::kDeviceGetPool), &pool, ordinal);
    if (result != kSuccess || pool == nullptr) return nullptr;
  }
  PoolRecord* known = Find(program, pool);
  if (known != nullptr) return known;
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages == nullptr || ordinal < 0 || ordinal >= kMaxOrdinals) return nullptr;
  return Add(program, pool, pages->wall_of[ordinal]);
}

Taking TakeGrowth(Program& program, PoolRecord& record, Device ordinal, std::uint64_t bytes,
                  std::uint64_t* taken) {
  *taken = Rounded(bytes < kPoolBlock ? kPoolBlock : bytes);
  if (record.device.load() == kNoWall) return {{}, Verdict::kUnwalled, kNoWall};
  return Take(program, ordinal, *taken);
}

bool SettleGrowth(Program& program, PoolRecord& record, std::uint64_t taken) {
  if (Settle(program, record, taken)) return true;
  // It has grown by more than a driver was known to: take that too, where there is room.
  const unsigned device = record.device.load();
  std::uint64_t reserved = 0;
  if (!AskReserved(record.pool.load(), &reserved)) return true;
  const std::uint64_t charged = BytesOf(record.charge.load());
  if (reserved <= charged) return true;
  const bool fits = TakeMore(program, device, reserved - charged);
  if (!fits) TakeAnyway(program, device, reserved - charged);
  if (record.made.load() != 0) Ahead(program, record, reserved - charged);
  Settle(program, record, reserved - charged);
  return fits;
}

void SettlePools(Program& program) {
  SettleFrees(program);
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    PoolRecord& record = program.pools[i];
    if (record.pool.load() == nullptr || record.device.load() == kNoWall) continue;
    if (record.ended.load()) {
      LookAtEnded(program, record);
    } else {
      Settle(program, record, 0);
    }
  }
}

std::uint64_t ReservedOn(Program& program, unsigned device) {
  std::uint64_t sum = 0;
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    const Pool pool = program.pools[i].pool.load();
    std::uint64_t bytes = 0;
    if (pool == nullptr || program.pools[i].device.load() != device) continue;
    if (AskReserved(pool, &bytes)) sum += bytes;
  }
  return sum;
}

void TrimPools(Program& program, unsigned device) {
  SettleFrees(program);
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    const Pool pool = program.pools[i].pool.load();
    if (pool == nullptr || pool == NoPool() || program.pools[i].device.load() != device) continue;
    if (const Device ordinal = GraphsOf(pool); ordinal >= 0) {
      const GraphTaking taking(program);
      if (taking.alone()) (void)TRANCHE_REAL(cuDeviceGraphMemTrim, ordinal);
    } else {
      (void)TRANCHE_REAL(cuMemPoolTrimTo, pool, std::size_t{0});
    }
    if (program.pools[i].ended.load()) {
      LookAtEnded(program, program.pools[i]);
    } else {
      Settle(program, program.pools[i], 0);
    }
  }
}

}  // namespace tranche::shim
