#include "shim/pools.h"

#include "shim/driver.h"
#include "shim/graphs.h"

namespace tranche::shim {
namespace {

// The device of CUDA's whose graphs a handle stands for; -1 for a pool of the driver's.
Device GraphsOf(Pool pool) {
  const auto number = reinterpret_cast<std::uintptr_t>(pool);
  return number <= kMaxOrdinals ? static_cast<Device>(number) - 1 : -1;
}

bool AskReserved(Pool pool, std::uint64_t* bytes) {
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
    const std::uint64_t shrunk = charged > to ? charged - to : 0;
    Give(program, device, taken - kept + shrunk);
    settling.fetch_sub(1);
    return growth <= taken;
  }
}

}  // namespace

bool IsCapturing(Stream stream) {
  int status = 0;
  CallReal(PlainAddress(Plain::kIsCapturing), stream, &status);
  return status != 0;
}

void AddPool(Program& program, Pool pool, unsigned device) {
  if (Find(program, pool) == nullptr) Add(program, pool, device);
}

std::uint64_t RemovePool(Program& program, Pool pool, unsigned* device) {
  PoolRecord* record = Find(program, pool);
  *device = kNoWall;
  if (record == nullptr) return 0;
  *device = record->device.load();
  const std::uint64_t bytes = BytesOf(record->charge.exchange(0));
  record->pool.store(nullptr);
  return bytes;
}

void PutBackPool(Program& program, Pool pool, unsigned device, std::uint64_t bytes) {
  PoolRecord* record = Add(program, pool, device);
  if (record != nullptr) record->charge.store(bytes);
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
  const std::uint32_t used = program.pools_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used && i < kMaxPools; ++i) {
    const Pool pool = program.pools[i].pool.load();
    if (pool == nullptr || program.pools[i].device.load() != device) continue;
    if (const Device ordinal = GraphsOf(pool); ordinal >= 0) {
      const GraphTaking taking(program);
      if (taking.alone()) (void)TRANCHE_REAL(cuDeviceGraphMemTrim, ordinal);
    } else {
      (void)TRANCHE_REAL(cuMemPoolTrimTo, pool, std::size_t{0});
    }
    Settle(program, program.pools[i], 0);
  }
}

}  // namespace tranche::shim
