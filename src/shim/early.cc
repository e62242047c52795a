#include "shim/early.h"

#include "shim/contexts.h"

namespace tranche::shim {
namespace {

void ChargeEarlyOn(Program& program, Device ordinal) {
  DeviceRecord& record = program.devices[ordinal];
  if (record.early.exchange(0) == 0) return;
  (void)FollowPrimary(program, ordinal, nullptr, 0, Room::kTaken);
  // Of those that it made itself, some may have ended since.
  const std::uint32_t noted = record.early_made.exchange(0);
  const std::int32_t primary = record.primary_id.load() != 0 ? 1 : 0;
  const std::int32_t left = record.contexts.load() - primary;
  if (noted == 0 || left <= 0) return;
  const auto there = static_cast<std::uint32_t>(left);
  CountAnew(program, ordinal, there < noted ? there : noted);
}

// The mark is set first and the pages are looked for second; who gets the pages does it the other
// way round. So one of the two charges it, and the mark sees to it that it is only one.
void Mark(Program& program, Device ordinal) {
  program.devices[ordinal].early.store(1);
  if (program.attachment.load() != nullptr) ChargeEarlyOn(program, ordinal);
}

bool Matters(const Program& program, Device ordinal) {
  return program.phase.load() != Phase::kOpen && ordinal >= 0 && ordinal < kMaxOrdinals;
}

}  // namespace

void NoteEarlyPrimary(Program& program, Device ordinal, Context made) {
  if (!Matters(program, ordinal)) return;
  program.devices[ordinal].primary.store(made);
  Mark(program, ordinal);
}

void NoteEarlyContext(Program& program, Device ordinal, Context made) {
  if (!Matters(program, ordinal)) return;
  DeviceRecord& record = program.devices[ordinal];
  // Without memory to remember it by, it would count as there until the program ends.
  if (!program.table.Put({.kind = Kind::kContext,
                          .handle = reinterpret_cast<std::uintptr_t>(made),
                          .bytes = 0,
                          .device = static_cast<unsigned>(ordinal),
                          .owner = 0})) {
    CountTrouble(program);
  }
  record.contexts.fetch_add(1);
  record.early_made.fetch_add(1);
  Mark(program, ordinal);
}

void ChargeEarly(Program& program) {
  for (Device ordinal = 0; ordinal < kMaxOrdinals; ++ordinal) ChargeEarlyOn(program, ordinal);
}

}  // namespace tranche::shim
