#include "shim/pools.h"

#include "shim/driver.h"

namespace tranche::shim {
namespace {

bool Ask(Pool pool, int attribute, std::uint64_t* bytes) {
  return CallReal(PlainAddress(Plain::kPoolGetAttribute), pool, attribute,
                  static_cast<void*>(bytes)) == kSuccess;
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
  return nullptr;
}

// Brings the charge of a pool to what it has reserved, of which up to `taken` has been taken
// already; what of that is left over is given back. False: it has more than was taken.
bool Settle(Program& program, PoolRecord& record, std::uint64_t taken) {
  const unsigned device = record.device.load();
  for (;;) {
    std::uint64_t charged = record.charged.load();
    std::uint64_t reserved = charged;
    const Pool pool = record.pool.load();
    if (pool == nullptr || !Ask(pool, kPoolReservedCurrent, &reserved)) reserved = charged;
    const std::uint64_t growth = reserved > charged ? reserved - charged : 0;
    const std::uint64_t kept = growth < taken ? growth : taken;
    const std::uint64_t to = reserved > charged ? charged + kept : reserved;
    if (!record.charged.compare_exchange_strong(charged, to)) continue;
    const std::uint64_t shrunk = charged > to ? charged - to : 0;
    Give(program, device, taken - kept + shrunk);
    return growth <= taken;
  }
}

}  // namespace

void AddPool(Program& program, Pool pool, unsigned device) {
  if (Find(program, pool) == nullptr) Add(program, pool, device);
}

void RemovePool(Program& program, Pool pool) {
  PoolRecord* record = Find(program, pool);
  if (record == nullptr) return;
  const unsigned device = record->device.load();
  Give(program, device, record->charged.exchange(0));
  record->pool.store(nullptr);
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
  *taken = 0;
  if (record.device.load() == kNoWall) return {Verdict::kUnwalled, kNoWall};
  const std::uint64_t growth = Rounded(bytes < kPoolBlock ? kPoolBlock : bytes);
  Taking taking = Take(program, ordinal, growth, false);
  if (taking.verdict == Verdict::kTaken) *taken = growth;
  if (taking.verdict != Verdict::kRefused || taking.device == kNoWall) return taking;
  // What is free inside the pool needs no growth; a piece that is too small shows afterwards.
  const Pool pool = record.pool.load();
  std::uint64_t reserved = 0;
  std::uint64_t used = 0;
  const bool known =
      Ask(pool, kPoolReservedCurrent, &reserved) && Ask(pool, kPoolUsedCurrent, &used);
  if (known && reserved >= used && reserved - used >= bytes) {
    return {Verdict::kTaken, taking.device};
  }
  taking = Take(program, ordinal, growth, true);
  if (taking.verdict == Verdict::kTaken) *taken = growth;
  return taking;
}

bool SettleGrowth(Program& program, PoolRecord& record, std::uint64_t taken) {
  if (Settle(program, record, taken)) return true;
  // It has grown by more than a driver was known to: take that too, where there is room.
  const unsigned device = record.device.load();
  std::uint64_t reserved = 0;
  if (!Ask(record.pool.load(), kPoolReservedCurrent, &reserved)) return true;
  const std::uint64_t charged = record.charged.load();
  if (reserved <= charged) return true;
  const bool fits = TakeMore(program, device, reserved - charged);
  if (!fits) TakeAnyway(program, device, reserved - charged);
  Settle(program, record, reserved - charged);
  return fits;
}

void SettlePools(Program& program) {
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    PoolRecord& record = program.pools[i];
    if (record.pool.load() != nullptr && record.device.load() != kNoWall) {
      Settle(program, record, 0);
    }
  }
}

void TrimPools(Program& program, unsigned device) {
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    const Pool pool = program.pools[i].pool.load();
    if (pool == nullptr || program.pools[i].device.load() != device) continue;
    (void)TRANCHE_REAL(cuMemPoolTrimTo, pool, std::size_t{0});
    Settle(program, program.pools[i], 0);
  }
}

}  // namespace tranche::shim
