#include "sim/cuda/forms/pool.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::size_t kPiece = 2U << 20U;
// What a pool takes at least; real pools are seen to grow by this for small requests.
constexpr std::size_t kBlock = 32U << 20U;
constexpr std::size_t kAlignment = 512;

std::size_t RoundUp(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

struct Defaults {
  std::shared_ptr<PoolObject> first;
  std::shared_ptr<PoolObject> current;
};
Defaults& DefaultsOf(DeviceObject& device) {
  static auto* const all = new std::unordered_map<const DeviceObject*, Defaults>();
  return (*all)[&device];
}

// What cuMemFree does with memory of a pool.
Result FreeOfPool(Allocation& allocation) {
  return FreePooled(allocation.pool, allocation.base) ? kSuccess : kInvalidValue;
}

void TrimToThresholds() {
  for (const auto& [handle, pool] : Pools()) pool->TrimToThreshold();
}

}  // namespace

Table<MemoryPool, PoolObject>& Pools() {
  static auto* const pools = [] {
    OnSynchronized(&TrimToThresholds);
    return new Table<MemoryPool, PoolObject>();
  }();
  return *pools;
}

std::shared_ptr<PoolObject> DefaultPool(DeviceObject& device) {
  Defaults& defaults = DefaultsOf(device);
  if (defaults.first == nullptr) {
    PoolProperties properties{};
    properties.allocation_type = kAllocationPinned;
    properties.location = {kLocationDevice, device.ordinal};
    defaults.first = std::make_shared<PoolObject>(device, properties);
    defaults.first->handle = Pools().Add(defaults.first);
  }
  return defaults.first;
}

std::shared_ptr<PoolObject>& CurrentPool(DeviceObject& device) {
  Defaults& defaults = DefaultsOf(device);
  const bool gone = defaults.current == nullptr || defaults.current->ended;
  if (gone) defaults.current = DefaultPool(device);
  return defaults.current;
}

void TrimAllPools() {
  for (const auto& [handle, pool] : Pools()) pool->TrimTo(0);
}

bool FreePooled(MemoryPool handle, DevicePtr address) {
  PoolObject* pool = Pools().Find(handle);
  if (pool == nullptr || !pool->Free(address)) return false;
  if (pool->ended && !pool->in_use()) Pools().Remove(handle);
  return true;
}

PoolObject::~PoolObject() {
  Memory& memory = Process::Get().memory();
  for (const auto& [address, bytes] : given_) memory.Remove(address);
  given_.clear();
  while (!opened_.empty()) Free(opened_.begin()->first);
  while (!blocks_.empty()) Remove(blocks_.size() - 1);
}

void PoolObject::Remove(std::size_t index) {
  const Block& block = *blocks_[index];
  reserved_ -= block.span.bytes;
  FreeSpan(block.span);
  if (block.contents == nullptr) ReleaseBytes(block.reservation);
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
}

Result PoolObject::Reserve(std::size_t bytes, Block* block) {
  return properties_.handle_types == kHandleNone ? Fill(bytes, block) : FillForAll(bytes, block);
}

Result PoolObject::Fill(std::size_t bytes, Block* block) {
  link::ReserveAnswer answer{};
  const Result reserved = ReserveBytes(device_, nullptr, link::MemoryKind::kPool, bytes, &answer);
  if (reserved != kSuccess) return reserved;
  if (!MakeSpan(bytes, kSpanAlignment, Contents::kWith, &block->span)) {
    ReleaseBytes(answer.id);
    return kOutOfMemory;
  }
  block->reservation = answer.id;
  return kSuccess;
}

Result PoolObject::FillForAll(std::size_t bytes, Block* block) {
  std::shared_ptr<Physical> contents;
  const Result made = Physical::Make(&device_, link::MemoryKind::kPool, bytes, &contents);
  if (made != kSuccess) return made;
  if (!MakeSpan(bytes, kSpanAlignment, Contents::kWithout, &block->span)) return kOutOfMemory;
  if (!contents->MapAt(block->span.host, bytes, 0)) {
    FreeSpan(block->span);
    return kOutOfMemory;
  }
  block->contents = std::move(contents);
  return kSuccess;
}

Result PoolObject::AddBlock(std::size_t bytes) {
  const std::size_t size = RoundUp(std::max(bytes, kBlock), kPiece);
  if (properties_.max_size != 0 && reserved_ + size > properties_.max_size) return kOutOfMemory;
  auto block = std::make_unique<Block>();
  Result filled = Reserve(size, block.get());
  if (filled == kOutOfMemory) {
    TrimAllPools();
    filled = Reserve(size, block.get());
  }
  if (filled != kSuccess) return filled;
  block->free[0] = size;
  reserved_ += size;
  reserved_high_ = std::max(reserved_high_, reserved_);
  blocks_.push_back(std::move(block));
  return kSuccess;
}

void PoolObject::Note(Block& block, std::size_t offset, std::size_t bytes, DevicePtr address) {
  Allocation allocation;
  allocation.kind = Allocation::Kind::kPool;
  allocation.base = address;
  allocation.bytes = bytes;
  allocation.host = block.span.host + offset;
  allocation.device = device_.ordinal;
  allocation.pool = handle;
  allocation.free = &FreeOfPool;
  Process::Get().memory().Add(allocation);
}

bool PoolObject::Place(Block& block, std::size_t bytes, DevicePtr* address) {
  const std::size_t taken = RoundUp(bytes, kAlignment);
  const auto fits = [&](const auto& hole) { return hole.second >= taken; };
  const auto hole = std::find_if(block.free.begin(), block.free.end(), fits);
  if (hole == block.free.end()) return false;
  const auto [offset, length] = *hole;
  block.free.erase(hole);
  if (length > taken) block.free[offset + taken] = length - taken;
  *address = AddressOf(block.span.base) + offset;
  Note(block, offset, bytes, *address);
  given_[*address] = taken;
  used_ += taken;
  used_high_ = std::max(used_high_, used_);
  return true;
}

Result PoolObject::Tell(DevicePtr address, PoolPointer* told) const {
  const Allocation* given = Process::Get().memory().Find(address);
  if (given == nullptr || given_.find(address) == given_.end()) return kInvalidValue;
  for (const auto& block : blocks_) {
    const DevicePtr base = AddressOf(block->span.base);
    if (address < base || address >= base + block->span.bytes) continue;
    if (block->contents == nullptr) return kInvalidValue;
    told->offset = address - base;
    told->bytes = given->bytes;
    return block->contents->Share(&told->key);
  }
  return kInvalidValue;
}

Result PoolObject::Open(const PoolPointer& told, DevicePtr* address) {
  constexpr std::size_t kPage = 4096;
  std::shared_ptr<Physical> contents;
  const Result opened = Physical::Open(told.key, &contents);
  if (opened != kSuccess) return opened;
  const std::size_t begin = told.offset / kPage * kPage;
  const std::size_t end = told.offset + told.bytes;
  Span span;
  if (end <= begin || end > contents->bytes()) return kInvalidValue;
  if (!MakeSpan(end - begin, kSpanAlignment, Contents::kWithout, &span)) return kOutOfMemory;
  if (!contents->MapAt(span.host, span.bytes, begin)) {
    FreeSpan(span);
    return kOutOfMemory;
  }
  Allocation allocation;
  allocation.kind = Allocation::Kind::kPool;
  allocation.base = AddressOf(span.base) + (told.offset - begin);
  allocation.bytes = told.bytes;
  allocation.host = span.host + (told.offset - begin);
  allocation.device = device_.ordinal;
  allocation.pool = handle;
  allocation.free = &FreeOfPool;
  Process::Get().memory().Add(allocation);
  opened_[allocation.base] = {span, std::move(contents)};
  *address = allocation.base;
  return kSuccess;
}

Result PoolObject::Allocate(std::size_t bytes, DevicePtr* address) {
  if (imported_) return kInvalidValue;
  for (const auto& block : blocks_) {
    if (Place(*block, bytes, address)) return kSuccess;
  }
  if (const Result added = AddBlock(bytes); added != kSuccess) return added;
  return Place(*blocks_.back(), bytes, address) ? kSuccess : kOutOfMemory;
}

bool PoolObject::Free(DevicePtr address) {
  if (const auto opened = opened_.find(address); opened != opened_.end()) {
    Process::Get().memory().Remove(address);
    FreeSpan(opened->second.span);
    opened_.erase(opened);
    return true;
  }
  const auto given = given_.find(address);
  if (given == given_.end()) return false;
  const std::size_t bytes = given->second;
  given_.erase(given);
  used_ -= bytes;
  Process::Get().memory().Remove(address);
  for (const auto& block : blocks_) {
    const DevicePtr base = AddressOf(block->span.base);
    if (address < base || address >= base + block->span.bytes) continue;
    auto& holes = block->free;
    auto at = holes.emplace(address - base, bytes).first;
    const auto next = std::next(at);
    if (next != holes.end() && at->first + at->second == next->first) {
      at->second += next->second;
      holes.erase(next);
    }
    if (at != holes.begin()) {
      const auto before = std::prev(at);
      if (before->first + before->second == at->first) {
        before->second += at->second;
        holes.erase(at);
      }
    }
  }
  return true;
}

void PoolObject::TrimTo(std::uint64_t keep) {
  for (std::size_t i = blocks_.size(); i-- > 0 && reserved_ > keep;) {
    const Block& block = *blocks_[i];
    const bool unused = block.free.size() == 1 && block.free.begin()->second == block.span.bytes;
    if (unused && reserved_ - block.span.bytes >= keep) Remove(i);
  }
}

Result PoolObject::Get(PoolAttribute attribute, void* value) const {
  const auto put = [&](std::uint64_t number) { std::memcpy(value, &number, sizeof number); };
  switch (attribute) {
    case kPoolReuseFollowEventDependencies:
    case kPoolReuseAllowOpportunistic:
    case kPoolReuseAllowInternalDependencies:
      std::memcpy(value, &reuse_[attribute - 1], sizeof reuse_[0]);
      return kSuccess;
    case kPoolReleaseThreshold:
      return put(release_threshold_), kSuccess;
    case kPoolReservedCurrent:
      return put(reserved_), kSuccess;
    case kPoolReservedHigh:
      return put(reserved_high_), kSuccess;
    case kPoolUsedCurrent:
      return put(used_), kSuccess;
    case kPoolUsedHigh:
      return put(used_high_), kSuccess;
  }
  return kInvalidValue;
}

Result PoolObject::Set(PoolAttribute attribute, const void* value) {
  std::uint64_t number = 0;
  switch (attribute) {
    case kPoolReuseFollowEventDependencies:
    case kPoolReuseAllowOpportunistic:
    case kPoolReuseAllowInternalDependencies:
      std::memcpy(&reuse_[attribute - 1], value, sizeof reuse_[0]);
      return kSuccess;
    case kPoolReleaseThreshold:
      std::memcpy(&release_threshold_, value, sizeof release_threshold_);
      return kSuccess;
    case kPoolReservedHigh:
    case kPoolUsedHigh:  // these can only be begun anew
      std::memcpy(&number, value, sizeof number);
      if (number != 0) return kInvalidValue;
      (attribute == kPoolUsedHigh ? used_high_ : reserved_high_) =
          attribute == kPoolUsedHigh ? used_ : reserved_;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

}  // namespace tranche::sim::cuda
