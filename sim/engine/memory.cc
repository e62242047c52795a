#include "sim/engine/memory.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "sim/engine/chunk.h"

namespace tranche::sim::engine {
namespace {

std::uint64_t RoundUp(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

class DeviceMemory::Parts {
 public:
  explicit Parts(std::uint64_t capacity) : capacity_(capacity), free_(capacity) {}

  [[nodiscard]] std::uint64_t capacity() const { return capacity_; }
  [[nodiscard]] std::uint64_t free() const { return free_; }

  bool AddContext(OwnerId owner, std::uint64_t bytes);
  std::optional<Reservation> ReservePart(OwnerId owner, std::uint64_t bytes);
  std::optional<Reservation> ReservePieces(OwnerId owner, std::uint64_t bytes);
  bool Share(ReservationId id, OwnerId with);
  void Release(ReservationId id, OwnerId owner);
  void RemoveOwner(OwnerId owner);
  [[nodiscard]] Holding Of(OwnerId owner) const;

 private:
  struct Holder {
    OwnerId owner;
    std::uint32_t times;
  };
  struct Held {
    std::uint64_t asked = 0;
    std::uint64_t taken = 0;      // 0: it is a part of a chunk
    std::uint64_t chunk = 0;      // 0: it has pieces of its own
    std::uint64_t offset = 0;     // in the chunk
    std::vector<Holder> holders;  // the first one is charged
  };
  struct Chunk {
    OwnerId owner = 0;
    std::size_t own = 0;                           // how many of the parts are charged to the owner
    std::map<std::uint64_t, ReservationId> parts;  // by offset
  };
  struct Owner {
    Holding holding;
    std::uint64_t context = 0;
    std::set<ReservationId> held;
    FreeParts free_parts;  // of its chunks
  };

  void Take(std::uint64_t bytes, Owner& owner);
  void GiveBack(std::uint64_t bytes, Owner& owner);
  ReservationId Hold(OwnerId owner, Held held);
  FreePart NewChunk(OwnerId owner);
  // The owner lets go wholly.
  void Drop(ReservationId id, OwnerId owner);
  void FreePartOf(const Held& held, OwnerId charged);
  void PassOn(std::uint64_t id, Chunk& chunk);
  void ForgetIfEmpty(OwnerId owner);

  const std::uint64_t capacity_;
  std::uint64_t free_;
  std::uint64_t last_id_ = 0;  // of reservations and chunks
  std::map<OwnerId, Owner> owners_;
  std::map<ReservationId, Held> held_;
  std::map<std::uint64_t, Chunk> chunks_;
};

// ---- taking

bool DeviceMemory::Parts::AddContext(OwnerId owner, std::uint64_t bytes) {
  if (bytes > free_) {
    return false;
  }
  Owner& of = owners_[owner];
  of.context += bytes;
  Take(bytes, of);
  return true;
}

std::optional<Reservation> DeviceMemory::Parts::ReservePieces(OwnerId owner, std::uint64_t bytes) {
  if (bytes == 0 || bytes > free_ || RoundUp(bytes, kGranularity) > free_) {
    return std::nullopt;
  }
  const std::uint64_t taken = RoundUp(bytes, kGranularity);
  Take(taken, owners_[owner]);
  return Reservation{.id = Hold(owner, {.asked = bytes, .taken = taken}), .taken = taken};
}

std::optional<Reservation> DeviceMemory::Parts::ReservePart(OwnerId owner, std::uint64_t bytes) {
  const std::uint64_t length = RoundUp(bytes, kSmallAlignment);
  const auto known = owners_.find(owner);
  std::optional<FreePart> part;
  if (known != owners_.end()) {
    part = known->second.free_parts.Best(length);
  }
  std::uint64_t taken = 0;
  if (!part) {
    if (length == 0 || free_ < kGranularity) {
      return std::nullopt;
    }
    part = NewChunk(owner);
    taken = kGranularity;
  }
  owners_.at(owner).free_parts.TakeFrom(*part, length);
  const ReservationId id =
      Hold(owner, {.asked = bytes, .chunk = part->chunk, .offset = part->offset});
  Chunk& chunk = chunks_.at(part->chunk);
  chunk.parts.emplace(part->offset, id);
  ++chunk.own;
  return Reservation{.id = id, .chunk = part->chunk, .offset = part->offset, .taken = taken};
}

FreePart DeviceMemory::Parts::NewChunk(OwnerId owner) {
  const std::uint64_t id = ++last_id_;
  chunks_.emplace(id, Chunk{.owner = owner});
  const FreePart all = {.bytes = kGranularity, .chunk = id};
  Owner& of = owners_[owner];
  Take(kGranularity, of);
  of.free_parts.Add(all);
  return all;
}

void DeviceMemory::Parts::Take(std::uint64_t bytes, Owner& owner) {
  free_ -= bytes;
  owner.holding.taken += bytes;
}

ReservationId DeviceMemory::Parts::Hold(OwnerId owner, Held held) {
  const ReservationId id = ++last_id_;
  Owner& of = owners_[owner];
  of.holding.asked += held.asked;
  of.held.insert(id);
  held.holders = {{.owner = owner, .times = 1}};
  held_.emplace(id, std::move(held));
  return id;
}

bool DeviceMemory::Parts::Share(ReservationId id, OwnerId with) {
  const auto held = held_.find(id);
  if (held == held_.end()) {
    return false;
  }
  if (owners_[with].held.insert(id).second) {
    held->second.holders.push_back({.owner = with, .times = 1});
    return true;
  }
  for (Holder& holder : held->second.holders) {
    holder.times += holder.owner == with ? 1 : 0;
  }
  return true;
}

// ---- giving back

void DeviceMemory::Parts::Release(ReservationId id, OwnerId owner) {
  const auto held = held_.find(id);
  if (held == held_.end()) {
    return;
  }
  for (Holder& holder : held->second.holders) {
    if (holder.owner == owner) {
      if (--holder.times == 0) {
        Drop(id, owner);
        ForgetIfEmpty(owner);
      }
      return;
    }
  }
}

void DeviceMemory::Parts::RemoveOwner(OwnerId owner) {
  const auto gone = owners_.find(owner);
  if (gone == owners_.end()) {
    return;
  }
  while (!gone->second.held.empty()) {
    Drop(*gone->second.held.begin(), owner);
  }
  GiveBack(gone->second.context, gone->second);
  owners_.erase(gone);
}

void DeviceMemory::Parts::Drop(ReservationId id, OwnerId owner) {
  Owner& from = owners_.at(owner);
  Held& held = held_.at(id);
  const bool charged = held.holders.front().owner == owner;
  from.held.erase(id);
  std::erase_if(held.holders, [&](const Holder& holder) { return holder.owner == owner; });
  if (!charged) {
    return;
  }
  from.holding.asked -= held.asked;
  if (!held.holders.empty()) {
    const OwnerId next = held.holders.front().owner;
    Owner& to = owners_.at(next);
    to.holding.asked += held.asked;
    from.holding.taken -= held.taken;
    to.holding.taken += held.taken;
    if (held.chunk != 0) {
      Chunk& chunk = chunks_.at(held.chunk);
      chunk.own += chunk.owner == next ? 1 : 0;
      chunk.own -= chunk.owner == owner ? 1 : 0;
      PassOn(held.chunk, chunk);
    }
    return;
  }
  GiveBack(held.taken, from);
  if (held.chunk != 0) {
    FreePartOf(held, owner);
  }
  held_.erase(id);
}

void DeviceMemory::Parts::FreePartOf(const Held& held, OwnerId charged) {
  const auto found = chunks_.find(held.chunk);
  Chunk& chunk = found->second;
  Owner& owner = owners_.at(chunk.owner);
  chunk.parts.erase(held.offset);
  chunk.own -= chunk.owner == charged ? 1 : 0;
  if (chunk.parts.empty()) {
    owner.free_parts.RemoveChunk(held.chunk);
    GiveBack(kGranularity, owner);
    chunks_.erase(found);
    return;
  }
  owner.free_parts.Add(
      {.bytes = RoundUp(held.asked, kSmallAlignment), .chunk = held.chunk, .offset = held.offset});
  PassOn(held.chunk, chunk);
}

// A chunk of which its owner uses nothing any more goes to somebody who does.
void DeviceMemory::Parts::PassOn(std::uint64_t id, Chunk& chunk) {
  if (chunk.own > 0) {
    return;
  }
  const auto charged = [this](ReservationId part) { return held_.at(part).holders.front().owner; };
  Owner& from = owners_.at(chunk.owner);
  chunk.owner = charged(chunk.parts.begin()->second);
  Owner& to = owners_.at(chunk.owner);
  chunk.own = static_cast<std::size_t>(
      std::count_if(chunk.parts.begin(), chunk.parts.end(),
                    [&](const auto& part) { return charged(part.second) == chunk.owner; }));
  from.holding.taken -= kGranularity;
  to.holding.taken += kGranularity;
  for (const FreePart& part : from.free_parts.RemoveChunk(id)) {
    to.free_parts.Add(part);
  }
}

void DeviceMemory::Parts::GiveBack(std::uint64_t bytes, Owner& owner) {
  free_ += bytes;
  owner.holding.taken -= bytes;
}

void DeviceMemory::Parts::ForgetIfEmpty(OwnerId owner) {
  const auto found = owners_.find(owner);
  if (found != owners_.end() && found->second.held.empty() && found->second.holding.taken == 0) {
    owners_.erase(found);
  }
}

Holding DeviceMemory::Parts::Of(OwnerId owner) const {
  const auto found = owners_.find(owner);
  return found == owners_.end() ? Holding{} : found->second.holding;
}

// ---- what others call

DeviceMemory::DeviceMemory(std::uint64_t capacity) : parts_(std::make_unique<Parts>(capacity)) {}
DeviceMemory::~DeviceMemory() = default;

std::uint64_t DeviceMemory::capacity() const { return parts_->capacity(); }
std::uint64_t DeviceMemory::Free() const { return parts_->free(); }
bool DeviceMemory::AddContext(OwnerId owner, std::uint64_t bytes) {
  return parts_->AddContext(owner, bytes);
}
std::optional<Reservation> DeviceMemory::Reserve(OwnerId owner, std::uint64_t bytes) {
  return bytes < kSmallest ? parts_->ReservePart(owner, bytes)
                           : parts_->ReservePieces(owner, bytes);
}
std::optional<Reservation> DeviceMemory::ReservePieces(OwnerId owner, std::uint64_t bytes) {
  return parts_->ReservePieces(owner, bytes);
}
bool DeviceMemory::Share(ReservationId id, OwnerId with) { return parts_->Share(id, with); }
void DeviceMemory::Release(ReservationId id, OwnerId owner) { parts_->Release(id, owner); }
void DeviceMemory::RemoveOwner(OwnerId owner) { parts_->RemoveOwner(owner); }
Holding DeviceMemory::Of(OwnerId owner) const { return parts_->Of(owner); }

}  // namespace tranche::sim::engine
