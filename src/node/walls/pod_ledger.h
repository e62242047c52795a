// PodLedger is one pod's pages and the programs that are attached to them.
//
// Which program has which slot is known here; what a slot says of itself is not believed.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "node/walls/pod_pages.h"

namespace tranche::node::walls {

// A program of the pod: one process, and one image of it.
struct Program {
  unsigned pid = 0;
  unsigned pid_inside = 0;
  std::uint64_t start_ticks = 0;
  std::uint64_t image = 0;
  friend bool operator==(const Program&, const Program&) = default;
};

class PodLedger {
 public:
  // A program's call may be under way, of which the ledger and the driver show one side each. Even
  // on a busy machine it goes on within this time.
  static constexpr std::uint64_t kSteadyUs = 2'000'000;

  PodLedger(PodPages pages, std::vector<WalledDevice> devices)
      : pages_(std::move(pages)), devices_(std::move(devices)) {}

  // The slot of a program: its own, or a new one. What an earlier image of the process held comes
  // back. nullopt: all are taken.
  std::optional<unsigned> Attach(const Program& program);
  // Puts a program into the slot that it had before this program began.
  void Restore(unsigned slot, const Program& program);
  // The program of a slot has ended: what it held comes back.
  void Leave(unsigned slot);
  // Takes away what killed programs have left of changes under way; false: to be tried again.
  bool Settle();
  // Gives back what no program has any more of memory whose owner has gone. Programs do so as well,
  // but for what they share by descriptors.
  void SweepOrphans();
  // Another count of what the slots hold, whoever left what.
  void SettleLater() { unsettled_ = true; }

  [[nodiscard]] std::optional<unsigned> Find(unsigned pid) const;
  [[nodiscard]] const std::vector<std::optional<Program>>& slots() const { return slots_; }
  [[nodiscard]] std::size_t programs() const;
  [[nodiscard]] const std::vector<WalledDevice>& devices() const { return devices_; }
  [[nodiscard]] std::optional<unsigned> DeviceAt(const std::string& uuid) const;
  // Bit N: Hello::devices[N] has no wall.
  [[nodiscard]] std::uint32_t Unwalled(const wire::Hello& hello) const;
  [[nodiscard]] PodPages& pages() { return pages_; }
  [[nodiscard]] const PodPages& pages() const { return pages_; }

  // Of all programs together. These are the pod's own words.
  struct Use {
    std::uint64_t used_bytes = 0;
    std::uint64_t context_bytes = 0;
    std::uint64_t refusals = 0;
  };
  [[nodiscard]] Use UseOf(unsigned device) const;
  [[nodiscard]] bool HoldsAnything(unsigned slot) const;
  // What has no owner any more, and is in no slot.
  [[nodiscard]] std::uint64_t OrphansOn(unsigned device) const;
  [[nodiscard]] std::uint64_t HeldBy(unsigned slot, unsigned device) const;
  [[nodiscard]] std::uint64_t ContextOf(unsigned slot, unsigned device) const;
  // Whether the program has reserved and released nothing there since NoteChanges.
  void NoteChanges();
  [[nodiscard]] bool Unchanged(unsigned slot, unsigned device) const;
  [[nodiscard]] std::uint64_t PassedThrough() const;
  // A context that was charged at its bound is now known to take less, by what the driver showed
  // since NoteChanges; no effect where the holding has changed since, or did within kSteadyUs.
  void CorrectContext(unsigned slot, unsigned device, std::uint64_t bytes, std::uint64_t time_us);
  // What the contexts of a program take was measured: from its first one the pod learns what to
  // count a context as that is not measured yet.
  void LearnContext(unsigned slot, unsigned device, std::uint64_t bytes);

 private:
  void Enter(unsigned slot, const Program& program);

  PodPages pages_;
  std::vector<WalledDevice> devices_;
  std::vector<std::optional<Program>> slots_;  // those that were ever in use
  bool unsettled_ = false;
  std::vector<std::uint64_t> noted_;                  // changes that were begun, by slot and device
  std::set<std::pair<unsigned, unsigned>> measured_;  // slots, and devices where they were
  struct Steady {
    std::uint64_t bytes = 0;
    std::uint64_t begun = 0;     // changes of the holding
    std::uint64_t since_us = 0;  // all looks have shown the same bytes, and no change was begun
  };
  std::map<std::pair<unsigned, unsigned>, Steady> steady_;
  std::map<unsigned, std::uint64_t> smallest_context_;  // measured, by device
};

}  // namespace tranche::node::walls
