#include "node/walls/pod_ledger.h"

#include <algorithm>
#include <cstring>

#include "wire/shares.h"

namespace tranche::node::walls {

std::optional<unsigned> PodLedger::Find(unsigned pid) const {
  for (unsigned i = 0; i < slots_.size(); ++i) {
    if (slots_[i] && slots_[i]->pid == pid) return i;
  }
  return std::nullopt;
}

std::optional<unsigned> PodLedger::Attach(const Program& program) {
  if (const auto own = Find(program.pid)) {
    const Program& before = *slots_[*own];
    if (before.start_ticks == program.start_ticks &&
        (before.image == program.image || before.image == 0)) {
      slots_[*own] = program;
      return own;
    }
    // Another process of the same pid, or another image of the same process.
    Leave(*own);
  }
  unsigned slot = 0;
  while (slot < slots_.size() && slots_[slot]) ++slot;
  if (slot == wire::kMaxSlots) return std::nullopt;
  if (slot == slots_.size()) slots_.emplace_back();
  // Whatever a pod has written there before it was anybody's goes.
  Leave(slot);
  Enter(slot, program);
  return slot;
}

void PodLedger::Restore(unsigned slot, const Program& program) {
  if (slot >= wire::kMaxSlots) return;
  if (slot >= slots_.size()) slots_.resize(slot + 1);
  slots_[slot] = program;
}

void PodLedger::Enter(unsigned slot, const Program& program) {
  slots_[slot] = program;
  wire::Slot& entry = pages_.counters().slots[slot];
  entry.pid = program.pid;
  entry.pid_inside = program.pid_inside;
  entry.start_ticks = program.start_ticks;
  entry.passed_through.store(0);  // of who had the slot before
  entry.taken.store(1);
  if (pages_.counters().slots_used.load() <= slot) pages_.counters().slots_used.store(slot + 1);
}

void PodLedger::Leave(unsigned slot) {
  if (slot >= slots_.size()) return;
  wire::Counters& counters = pages_.counters();
  wire::LeaveShares(counters, slot);
  for (unsigned device = 0; device < devices_.size(); ++device) {
    if (!wire::Reclaim(counters, slot, device)) unsettled_ = true;
  }
  counters.slots[slot].taken.store(0);
  std::erase_if(measured_, [slot](const auto& one) { return one.first == slot; });
  std::erase_if(steady_, [slot](const auto& one) { return one.first.first == slot; });
  slots_[slot].reset();
  SweepOrphans();
}

void PodLedger::SweepOrphans() {
  for (unsigned device = 0; device < devices_.size(); ++device) {
    wire::SweepOrphans(pages_.counters(), device);
  }
}

bool PodLedger::HoldsAnything(unsigned slot) const {
  for (unsigned device = 0; device < devices_.size(); ++device) {
    if (HeldBy(slot, device) != 0 || ContextOf(slot, device) != 0) return true;
  }
  return false;
}

std::uint64_t PodLedger::OrphansOn(unsigned device) const {
  return wire::OrphansOn(pages_.counters(), device);
}

bool PodLedger::Settle() {
  if (!unsettled_) return true;
  bool all = true;
  for (unsigned device = 0; device < devices_.size(); ++device) {
    all = wire::Settle(pages_.counters(), static_cast<unsigned>(slots_.size()), device) && all;
  }
  unsettled_ = !all;
  return all;
}

std::size_t PodLedger::programs() const {
  return static_cast<std::size_t>(std::count_if(slots_.begin(), slots_.end(),
                                                [](const auto& slot) { return slot.has_value(); }));
}

std::optional<unsigned> PodLedger::DeviceAt(const std::string& uuid) const {
  for (unsigned i = 0; i < devices_.size(); ++i) {
    if (devices_[i].device == uuid) return i;
  }
  return std::nullopt;
}

std::uint32_t PodLedger::Unwalled(const wire::Hello& hello) const {
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < hello.device_count; ++i) {
    const bool walled = std::any_of(devices_.begin(), devices_.end(), [&](const auto& device) {
      return std::memcmp(device.uuid.bytes, hello.devices[i].bytes, sizeof(wire::Uuid)) == 0;
    });
    if (!walled) bits |= 1U << i;
  }
  return bits;
}

PodLedger::Use PodLedger::UseOf(unsigned device) const {
  const wire::Counters& counters = pages_.counters();
  Use use{.used_bytes = counters.devices[device].total_bytes.load(),
          .refusals = counters.devices[device].refusals.load()};
  for (unsigned slot = 0; slot < slots_.size(); ++slot)
    use.context_bytes += ContextOf(slot, device);
  return use;
}

std::uint64_t PodLedger::HeldBy(unsigned slot, unsigned device) const {
  return pages_.counters().slots[slot].holdings[device].held_bytes.load();
}

std::uint64_t PodLedger::ContextOf(unsigned slot, unsigned device) const {
  return pages_.counters().slots[slot].holdings[device].context_bytes.load();
}

void PodLedger::NoteChanges() {
  noted_.clear();
  for (unsigned slot = 0; slot < slots_.size(); ++slot) {
    for (unsigned device = 0; device < devices_.size(); ++device) {
      const wire::Holding& holding = pages_.counters().slots[slot].holdings[device];
      noted_.push_back({.begun = holding.begun.load(), .idle = holding.under_way.load() == 0});
    }
  }
}

bool PodLedger::Unchanged(unsigned slot, unsigned device) const {
  const std::size_t at = slot * devices_.size() + device;
  return at < noted_.size() &&
         noted_[at].begun == pages_.counters().slots[slot].holdings[device].begun.load();
}

bool PodLedger::Idle(unsigned slot, unsigned device) const {
  return Unchanged(slot, device) && noted_[slot * devices_.size() + device].idle &&
         pages_.counters().slots[slot].holdings[device].under_way.load() == 0;
}

std::uint64_t PodLedger::PassedThrough() const {
  std::uint64_t calls = 0;
  for (unsigned slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot]) calls += pages_.counters().slots[slot].passed_through.load();
  }
  return calls;
}

void PodLedger::CorrectContext(unsigned slot, unsigned device, std::uint64_t bytes,
                               std::uint64_t time_us) {
  Steady& steady = steady_[{slot, device}];
  wire::Holding& holding = pages_.counters().slots[slot].holdings[device];
  const std::uint64_t begun = holding.begun.load();
  const bool goes_on = steady.since_us != 0 && time_us >= steady.since_us && steady.begun == begun;
  if (!goes_on || !Idle(slot, device) || steady.bytes != bytes) {
    steady = {.bytes = bytes, .begun = begun, .since_us = time_us};
  }
  if (time_us - steady.since_us < kSteadyUs) return;
  // No context takes less than the least that was measured.
  const auto least = smallest_context_.find(device);
  const std::uint64_t to = std::max(bytes, least == smallest_context_.end() ? 0 : least->second);
  // Read first: a charge ahead that comes later is no part of it, and one that came earlier has
  // changed the state, so that the exchange below fails.
  const std::uint64_t charged = holding.context_bytes.load();
  auto bound = wire::ContextState::kBound;
  auto known = wire::ContextState::kKnown;
  if (!holding.context.compare_exchange_strong(bound, known)) return;
  if (!Idle(slot, device)) {
    holding.context.compare_exchange_strong(known, wire::ContextState::kBound);
    return;
  }
  if (charged <= to) return;
  const std::uint64_t taken = wire::Lower(holding.context_bytes, charged - to);
  wire::Lower(pages_.counters().devices[device].total_bytes, taken);
}

void PodLedger::LearnContext(unsigned slot, unsigned device, std::uint64_t bytes) {
  // A program that lies about itself only makes its own pod's contexts count for something else.
  if (!measured_.insert({slot, device}).second) return;
  // Two of one program that are made at once are measured as one.
  const auto at = smallest_context_.emplace(device, PodPages::kMostContextBytes).first;
  at->second = std::min(at->second, bytes);
  pages_.SetContextBytes(device, at->second);
}

}  // namespace tranche::node::walls
