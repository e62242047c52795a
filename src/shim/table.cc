#include "shim/table.h"

#include <sys/mman.h>

namespace tranche::shim {
namespace {

// Keys that no handle has: a kind is never 0, and no handle is.
constexpr std::uint64_t kEmpty = 0;
constexpr std::uint64_t kGone = 1;
constexpr std::uint64_t kBusy = 2;
constexpr unsigned kKindBits = 4;
constexpr unsigned kDeviceBits = 8;

std::uint64_t KeyOf(Kind kind, std::uint64_t handle) {
  return (handle << kKindBits) | static_cast<std::uint64_t>(kind);
}
bool IsLive(std::uint64_t key) { return (key >> kKindBits) != 0; }
Kind KindOf(std::uint64_t key) { return static_cast<Kind>(key & ((1U << kKindBits) - 1)); }

bool EndsWithContext(Kind kind) {
  return kind <= Kind::kMipmap || kind == Kind::kImport || kind == Kind::kFreeing;
}

std::uint64_t Spread(std::uint64_t key) {
  key *= 0x9E3779B97F4A7C15U;
  return key ^ (key >> 29U);
}

}  // namespace

Table::Entry* Table::Segment(unsigned index) {
  Entry* there = segments_[index].load(std::memory_order_acquire);
  if (there != nullptr) return there;
  const std::size_t bytes = Entries(index) * sizeof(Entry);
  void* made = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return nullptr;
  if (segments_[index].compare_exchange_strong(there, static_cast<Entry*>(made))) {
    return static_cast<Entry*>(made);
  }
  munmap(made, bytes);
  return there;
}

bool Table::Put(const Record& record) {
  const std::uint64_t key = KeyOf(record.kind, record.handle);
  for (unsigned segment = 0; segment < kSegments; ++segment) {
    Entry* entries = Segment(segment);
    if (entries == nullptr) return false;
    const std::uint64_t mask = Entries(segment) - 1;
    for (unsigned probe = 0; probe < kProbes; ++probe) {
      Entry& entry = entries[(Spread(key) + probe) & mask];
      std::uint64_t there = entry.key.load();
      if (there != kEmpty && there != kGone) continue;
      if (!entry.key.compare_exchange_strong(there, kBusy)) continue;
      entry.bytes.store(record.bytes);
      entry.owner.store(record.owner);
      entry.device.store(record.device | record.share << kDeviceBits);
      entry.uses.store(1);
      entry.key.store(key);
      return true;
    }
  }
  return false;
}

Table::Entry* Table::Find(std::uint64_t key) {
  for (unsigned segment = 0; segment < kSegments; ++segment) {
    Entry* entries = segments_[segment].load(std::memory_order_acquire);
    if (entries == nullptr) return nullptr;
    const std::uint64_t mask = Entries(segment) - 1;
    for (unsigned probe = 0; probe < kProbes; ++probe) {
      Entry& entry = entries[(Spread(key) + probe) & mask];
      const std::uint64_t there = entry.key.load();
      if (there == key) return &entry;
      if (there == kEmpty) break;
    }
  }
  return nullptr;
}

void Table::Read(const Entry& entry, std::uint64_t key, Record* record) {
  const std::uint32_t device = entry.device.load();
  *record = {.kind = KindOf(key),
             .handle = key >> kKindBits,
             .bytes = entry.bytes.load(),
             .device = device & ((1U << kDeviceBits) - 1),
             .owner = entry.owner.load(),
             .share = device >> kDeviceBits};
}

bool Table::TakeEntry(Entry& entry, std::uint64_t key, Record* record) {
  if (!entry.key.compare_exchange_strong(key, kBusy)) return false;
  Read(entry, key, record);
  entry.key.store(kGone);
  return true;
}

bool Table::Take(Kind kind, std::uint64_t handle, Record* record) {
  if (handle == 0) return false;
  const std::uint64_t key = KeyOf(kind, handle);
  Entry* entry = Find(key);
  return entry != nullptr && TakeEntry(*entry, key, record);
}

bool Table::Look(Kind kind, std::uint64_t handle, Record* record) {
  if (handle == 0) return false;
  const std::uint64_t key = KeyOf(kind, handle);
  const Entry* entry = Find(key);
  if (entry == nullptr) return false;
  Read(*entry, key, record);
  return entry->key.load() == key;
}

void Table::SetOwner(Kind kind, std::uint64_t handle, std::uint64_t owner) {
  Entry* entry = Find(KeyOf(kind, handle));
  if (entry != nullptr) entry->owner.store(owner);
}

bool Table::SetShare(Kind kind, std::uint64_t handle, unsigned share) {
  Entry* entry = Find(KeyOf(kind, handle));
  if (entry == nullptr) return false;
  std::uint32_t device = entry->device.load();
  if (device >> kDeviceBits != 0) return false;
  return entry->device.compare_exchange_strong(device, device | share << kDeviceBits);
}

int Table::Change(Kind kind, std::uint64_t handle, int by, Record* record) {
  if (handle == 0) return -1;
  const std::uint64_t key = KeyOf(kind, handle);
  Entry* entry = Find(key);
  if (entry == nullptr) return -1;
  const std::int32_t left = entry->uses.fetch_add(by) + by;
  if (left > 0) return left;
  return TakeEntry(*entry, key, record) ? 0 : -1;
}

template <typename Fits>
bool Table::TakeAny(Fits fits, Record* record) {
  for (unsigned segment = 0; segment < kSegments; ++segment) {
    Entry* entries = segments_[segment].load(std::memory_order_acquire);
    if (entries == nullptr) return false;
    for (std::uint64_t i = 0; i < Entries(segment); ++i) {
      const std::uint64_t key = entries[i].key.load();
      if (!IsLive(key) || !EndsWithContext(KindOf(key))) continue;
      if (fits(entries[i]) && TakeEntry(entries[i], key, record)) return true;
    }
  }
  return false;
}

bool Table::TakeOf(std::uint64_t context, Record* record) {
  return TakeAny([&](const Entry& entry) { return entry.owner.load() == context; }, record);
}

bool Table::TakeOn(unsigned device, Record* record) {
  const auto lies_there = [&](const Entry& entry) {
    return (entry.device.load() & ((1U << kDeviceBits) - 1)) == device;
  };
  return TakeAny(lies_there, record);
}

bool Table::Next(Kind kind, std::uint64_t* place, Record* record) {
  std::uint64_t first = 0;  // place of the segment's first entry
  for (unsigned segment = 0; segment < kSegments; ++segment) {
    Entry* entries = segments_[segment].load(std::memory_order_acquire);
    if (entries == nullptr) return false;
    const std::uint64_t behind = first + Entries(segment);
    while (*place < behind) {
      const Entry& entry = entries[(*place)++ - first];
      const std::uint64_t key = entry.key.load();
      if (!IsLive(key) || KindOf(key) != kind) continue;
      Read(entry, key, record);
      return true;
    }
    first = behind;
  }
  return false;
}

bool Table::FindMapping(std::uint64_t address, Record* record) {
  for (unsigned segment = 0; segment < kSegments; ++segment) {
    Entry* entries = segments_[segment].load(std::memory_order_acquire);
    if (entries == nullptr) return false;
    for (std::uint64_t i = 0; i < Entries(segment); ++i) {
      const std::uint64_t key = entries[i].key.load();
      if (!IsLive(key) || KindOf(key) != Kind::kMapping) continue;
      const std::uint64_t base = key >> kKindBits;
      const std::uint64_t bytes = entries[i].bytes.load();
      if (address < base || address - base >= bytes) continue;
      Read(entries[i], key, record);
      return true;
    }
  }
  return false;
}

}  // namespace tranche::shim
