#include "shim/pool_share.h"

#include "shim/pools.h"
#include "shim/share.h"
#include "wire/shares.h"

namespace tranche::shim {
namespace {

std::uint64_t BytesOf(const PoolRecord& record) { return ChargeOf(record) + record.ahead.load(); }

// Brings the note of an exported pool up to date. Each who changes what it tells does so
// afterwards, and again where another has changed it meanwhile.
void UpdateNote(Program& program, const PoolRecord& record) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  const std::uint32_t share = record.share.load();
  if (pages == nullptr || share == 0 || share > wire::kMaxShares) return;
  for (;;) {
    const std::uint64_t bytes = BytesOf(record);
    pages->counters->shares[share - 1].bytes.store(bytes);
    if (BytesOf(record) == bytes) return;
  }
}

}  // namespace

void NotePoolExport(Program& program, PoolRecord& record, std::uint64_t key) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  const unsigned device = record.device.load();
  if (pages == nullptr || device >= wire::kMaxDevices || record.share.load() != 0) return;
  const unsigned index = wire::AddShare(*pages->counters, wire::ShareKind::kExport, pages->slot,
                                        device, key, BytesOf(record));
  std::uint32_t none = 0;
  if (index == wire::kNoShare) {
    CountTrouble(program);
  } else if (!record.share.compare_exchange_strong(none, index + 1)) {
    wire::DropShare(*pages->counters, wire::ShareKind::kExport, pages->slot, index);
  } else {
    UpdateNote(program, record);
  }
}

void Ahead(Program& program, PoolRecord& record, std::uint64_t change) {
  record.ahead.fetch_add(change);
  if (record.share.load() != 0) [[unlikely]]
    UpdateNote(program, record);
}

std::uint64_t EndPoolExport(Program& program, PoolRecord& record) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  const std::uint32_t share = record.share.exchange(0);
  if (pages == nullptr || share == 0 || share > wire::kMaxShares) return 0;
  return wire::EndExport(*pages->counters, pages->slot, share - 1, ChargeOf(record));
}

void BeginPoolImport(PoolRecord& record, unsigned share) {
  record.share.store(share);
  record.uses.store(1);
}

bool AddPoolUse(PoolRecord& record) {
  std::uint32_t uses = record.uses.load();
  while (uses != 0) {
    if (record.uses.compare_exchange_weak(uses, uses + 1)) return true;
  }
  return false;
}

void EndPoolUse(Program& program, unsigned place) {
  if (place == 0 || place > kMaxPools) return;
  PoolRecord& record = program.pools[place - 1];
  if (record.uses.fetch_sub(1) != 1) return;
  DropImport(program, record.share.load());
  Forget(record);
}

unsigned PlaceOf(const Program& program, const PoolRecord& record) {
  return static_cast<unsigned>(&record - program.pools) + 1;
}

void Forget(PoolRecord& record) {
  record.charge.store(0);
  record.made.store(0);
  record.ended.store(false);
  record.share.store(0);
  record.ahead.store(0);
  record.uses.store(0);
  record.pool.store(nullptr);
}

}  // namespace tranche::shim
