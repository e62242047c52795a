#include "shim/freeing.h"

#include "shim/driver.h"
#include "shim/share.h"

namespace tranche::shim {
namespace {

std::atomic<std::int32_t>* UnderWayOn(Program& program, unsigned device) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages == nullptr || device >= wire::kMaxDevices) return nullptr;
  return &pages->counters->slots[pages->slot].holdings[device].under_way;
}

// An event of the stream's context, at the stream's end as it is now; null where there is none.
Event EventIn(Stream stream) {
  Context context = nullptr;
  if (CallReal(PlainAddress(Plain::kStreamContext), stream, &context) != kSuccess) return nullptr;
  if (CallReal(PlainAddress(Plain::kContextPush), context) != kSuccess) return nullptr;
  Event event = nullptr;
  Result result = CallReal(PlainAddress(Plain::kEventCreate), &event, kEventPlain);
  if (result == kSuccess) {
    result = CallReal(PlainAddress(Plain::kEventRecord), event, stream);
    if (result != kSuccess) CallReal(PlainAddress(Plain::kEventDestroy), event);
  }
  CallReal(PlainAddress(Plain::kContextPop), &context);
  return result == kSuccess ? event : nullptr;
}

// Among those that are looked at first, or, where there is no room, with all that is in the table.
void LookAtLater(FreeRecord& frees, std::uint64_t event) {
  for (std::uint32_t i = 0; i < kMaxFrees; ++i) {
    std::uint64_t none = 0;
    if (!frees.events[i].compare_exchange_strong(none, event)) continue;
    std::uint32_t used = frees.used.load();
    while (used < i + 1 && !frees.used.compare_exchange_weak(used, i + 1)) {
    }
    return;
  }
  frees.beyond.store(true);
}

enum class Freed { kNotYet, kDone };

// Gives back what the stream has come to. It may have ended with its context, and its event, too.
Freed LookAt(Program& program, Kind kind, std::uint64_t handle) {
  auto* const event = reinterpret_cast<Event>(handle);  // NOLINT
  Record record;
  if (!program.table.Look(kind, handle, &record)) return Freed::kDone;
  const Result result = CallReal(PlainAddress(Plain::kEventQuery), event);
  const bool gone = result == kInvalidHandle || result == kContextIsDestroyed;
  if (result != kSuccess && !gone) return Freed::kNotYet;
  if (!program.table.Take(kind, handle, &record)) return Freed::kDone;
  if (!gone) CallReal(PlainAddress(Plain::kEventDestroy), event);
  GiveBack(program, record);
  return Freed::kDone;
}

void LookAt(Program& program, std::atomic<std::uint64_t>& place) {
  const std::uint64_t event = place.load();
  if (event == 0) return;
  const Kind kind = (event & 1U) != 0 ? Kind::kFreeingPointer : Kind::kFreeing;
  if (LookAt(program, kind, event & ~std::uint64_t{1}) == Freed::kDone) place.store(0);
}

// As slow as the table is large.
void LookAtAll(Program& program) {
  program.frees.beyond.store(false);
  for (const Kind kind : {Kind::kFreeing, Kind::kFreeingPointer}) {
    Record record;
    std::uint64_t place = 0;
    while (program.table.Next(kind, &place, &record)) {
      if (LookAt(program, kind, record.handle) == Freed::kNotYet) program.frees.beyond.store(true);
    }
  }
}

}  // namespace

Relaxed::Relaxed() : mode_(kCaptureRelaxed) { CallReal(PlainAddress(Plain::kCaptureMode), &mode_); }
Relaxed::~Relaxed() { CallReal(PlainAddress(Plain::kCaptureMode), &mode_); }

bool TakeFreed(Program& program, std::uint64_t address, Record* record) {
  if (program.table.Take(Kind::kAddress, address, record)) return true;
  return program.pointers.load(std::memory_order_relaxed) != 0 &&
         program.table.Take(Kind::kPoolPointer, address, record);
}

void FreeLater(Program& program, const Record& record, Stream stream) {
  const Relaxed relaxed;
  Event event = EventIn(stream);
  if (event == nullptr) {
    GiveBack(program, record);
    return;
  }
  Record later = record;
  later.kind = record.kind == Kind::kPoolPointer ? Kind::kFreeingPointer : Kind::kFreeing;
  later.handle = reinterpret_cast<std::uintptr_t>(event);
  // Until it is given back the driver may have less than the pages say.
  if (auto* count = UnderWayOn(program, record.device)) count->fetch_add(1);
  program.frees.count.fetch_add(1);
  if (!program.table.Put(later)) {
    CallReal(PlainAddress(Plain::kEventDestroy), event);
    CountTrouble(program);
    GiveBack(program, later);
    return;
  }
  const bool pointer = later.kind == Kind::kFreeingPointer;
  LookAtLater(program.frees, later.handle | (pointer ? 1U : 0U));
  SettleFrees(program);
}

void SettleFrees(Program& program) {
  FreeRecord& frees = program.frees;
  if (frees.count.load(std::memory_order_relaxed) == 0) return;
  if (frees.looking.exchange(true)) return;  // another thread is at it
  {
    const Relaxed relaxed;
    const std::uint32_t used = frees.used.load();
    for (std::uint32_t i = 0; i < used; ++i) LookAt(program, frees.events[i]);
    if (frees.beyond.load()) LookAtAll(program);
  }
  frees.looking.store(false);
}

void NoLongerFreeing(Program& program, const Record& record) {
  if (auto* count = UnderWayOn(program, record.device)) count->fetch_sub(1);
  program.frees.count.fetch_sub(1);
}

}  // namespace tranche::shim
