#include "shim/contexts.h"

#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/freeing.h"
#include "shim/guest/channel.h"
#include "shim/pools.h"
#include "shim/share.h"
#include "wire/ledger.h"

namespace tranche::shim {
namespace {

constexpr std::uint64_t kBusy = UINT64_MAX;  // DeviceRecord::primary_id while a thread sees to it
constexpr int kPatienceMilliseconds = 1000;
// So long it may take until the first context of a pod has been measured.
constexpr int kFirstMilliseconds = static_cast<int>(wire::kMeasureMilliseconds) + 50;

// One thread at a time measures a device, or charges ahead. Many may make contexts at once, each of
// which is measured within a fraction of a second.
bool BeginMeasuring(WallRecord& wall) {
  for (int waited = 0; waited < 10 * kPatienceMilliseconds; ++waited) {
    std::uint32_t none = 0;
    if (wall.measuring.compare_exchange_strong(none, 1)) return true;
    guest::SleepMilliseconds(1);
  }
  return false;
}

bool AwaitNone(const std::atomic<std::int32_t>& threads, std::int64_t deadline) {
  while (threads.load() != 0) {
    if (guest::NowMilliseconds() >= deadline) return false;
    guest::SleepMilliseconds(1);
  }
  return true;
}

wire::Holding& HoldingOf(const Attachment& pages, unsigned device) {
  return pages.counters->slots[pages.slot].holdings[device];
}

// What the driver has taken for all contexts of this program on a device. Pools may give memory
// back when other threads synchronize, and a thread goes on that has waited for long: then it is
// asked again.
bool MeasureAll(Program& program, unsigned device, std::uint64_t* bytes) {
  const std::int64_t deadline = guest::NowMilliseconds() + wire::kMeasureMilliseconds;
  const WallRecord& wall = program.walls[device];
  const wire::Holding& holding = HoldingOf(Pages(program), device);
  do {
    if (!AwaitNone(wall.under_way, deadline)) return false;
    // What shrinks from here on is noticed afterwards; what has shrunk before is given back.
    const std::uint64_t reserved = ReservedOn(program, device);
    SettlePools(program);
    if (!AwaitNone(wall.settling, deadline)) return false;
    // What a stream is to free may be gone by the time that the driver is asked.
    if (program.frees.count.load() != 0) return false;
    const std::uint64_t begun = holding.begun.load();
    // One that has begun again before that may be between the pages and the driver.
    if (wall.under_way.load() != 0) continue;
    if (!MeasureContext(Pages(program), device, bytes)) return false;
    const bool still = wall.under_way.load() == 0 && holding.begun.load() == begun;
    if (still && ReservedOn(program, device) == reserved) return true;
  } while (guest::NowMilliseconds() < deadline);
  return false;
}

bool Reserve(const Attachment& pages, unsigned device, std::uint64_t bytes, std::uint64_t limit) {
  return wire::Reserve(*pages.counters, pages.slot, device, wire::Part::kContext, bytes, limit);
}

std::uint64_t LimitOf(const Attachment& pages, unsigned device) {
  return pages.limits->devices[device].limit_bytes.load();
}

void ReleaseContext(Program& program, unsigned device, std::uint64_t bytes) {
  const Attachment& pages = Pages(program);
  wire::Release(*pages.counters, pages.slot, device, wire::Part::kContext, bytes);
}

// Tells the node program how the contexts that are made are charged. While others are charged ahead
// it must not put the figure right, since they are part of it.
void TellState(Program& program, unsigned device, wire::ContextState made) {
  WallRecord& wall = program.walls[device];
  wall.made.store(made);
  // A change of the holding, so that the node program does not go by what the driver showed before.
  Reserve(Pages(program), device, 0, wire::kNoLimit);
  HoldingOf(Pages(program), device)
      .context.store(wall.ahead.load() != 0 ? wire::ContextState::kMaking : made);
}

// What is charged for contexts that are there, and not ahead of others.
std::uint64_t ChargedOn(Program& program, unsigned device) {
  const std::uint64_t all = HoldingOf(Pages(program), device).context_bytes.load();
  const std::uint64_t ahead = program.walls[device].ahead.load();
  return all > ahead ? all - ahead : 0;
}

// Charges what a new context has added, measured or at its bound, of which `ahead` is there
// already. False, and nothing is charged, where that does not fit and `room` is to be heeded.
bool Charge(Program& program, unsigned device, std::uint64_t ahead, Room room,
            std::uint64_t* charged) {
  std::uint64_t all = 0;
  const bool known = MeasureAll(program, device, &all);
  const Attachment& pages = Pages(program);
  const std::uint64_t before = ChargedOn(program, device);
  *charged = known ? (all > before ? all - before : 0)
                   : pages.limits->devices[device].context_bound.load();
  if (*charged > ahead) {
    const bool heeded = known && room == Room::kHeeded;
    const std::uint64_t limit = heeded ? LimitOf(pages, device) : wire::kNoLimit;
    if (!Reserve(pages, device, *charged - ahead, limit)) {
      TrimPools(program, device);
      if (!Reserve(pages, device, *charged - ahead, limit)) return false;
    }
  } else if (*charged < ahead) {
    ReleaseContext(program, device, ahead - *charged);
  }
  // Of those that were there before, one was charged at its bound, or has ended meanwhile.
  if (known && all < before) ReleaseContext(program, device, before - all);
  program.walls[device].ahead.fetch_sub(ahead);
  TellState(program, device, known ? wire::ContextState::kKnown : wire::ContextState::kBound);
  return true;
}

// All that a pod has left; 0 where that is nothing.
std::uint64_t ReserveRest(const Attachment& pages, unsigned device, std::uint64_t limit) {
  for (;;) {
    const std::uint64_t used = pages.counters->devices[device].total_bytes.load();
    if (used >= limit) return 0;
    if (Reserve(pages, device, limit - used, limit)) return limit - used;
  }
}

bool TakeAhead(const Attachment& pages, unsigned device, std::uint64_t* ahead) {
  const wire::DeviceLimits& limits = pages.limits->devices[device];
  const std::uint64_t limit = LimitOf(pages, device);
  for (int waited = 0;; ++waited) {
    const bool known = limits.context_known.load() != 0;
    const std::uint64_t used = pages.counters->devices[device].total_bytes.load();
    *ahead = limits.context_bound.load();
    if (used < limit && (*ahead == 0 || Reserve(pages, device, *ahead, limit))) return true;
    *ahead = 0;
    if (known) return false;
    // A guess may be too much: what is left may do. Others may have taken ahead by the same guess,
    // and it is known as soon as the first of them was measured.
    if (used == 0 || waited == kFirstMilliseconds) {
      *ahead = ReserveRest(pages, device, limit);
      return *ahead != 0;
    }
    guest::SleepMilliseconds(1);
  }
}

// Brings the charge to what the contexts that are left take; false where that is not known.
bool Recount(Program& program, unsigned device) {
  WallRecord& wall = program.walls[device];
  if (!BeginMeasuring(wall)) return false;
  std::uint64_t all = 0;
  const bool known = MeasureAll(program, device, &all);
  const Attachment& pages = Pages(program);
  const std::uint64_t before = ChargedOn(program, device);
  if (known && all < before) {
    ReleaseContext(program, device, before - all);
  } else if (known && all > before) {
    Reserve(pages, device, all - before, wire::kNoLimit);
  }
  if (known) TellState(program, device, wire::ContextState::kKnown);
  wall.measuring.store(0);
  return known;
}

// The last context has ended. False: another thread has made one meanwhile.
bool EndLast(Program& program, unsigned device, const std::atomic<std::int32_t>& there) {
  WallRecord& wall = program.walls[device];
  const bool alone = BeginMeasuring(wall);
  const bool last = there.load() <= 0;
  if (last) {
    // The node program may have put the figure right meanwhile: what stands there goes.
    TellState(program, device, wire::ContextState::kNone);
    ReleaseContext(program, device, ChargedOn(program, device));
  }
  // What was allocated under another name of the context, as that of a green one, ended with it.
  Record gone;
  while (last && program.table.TakeOn(device, &gone)) GiveBack(program, gone);
  if (alone) wall.measuring.store(0);
  return last;
}

// A number that tells the primary context from the one that was there before; 0 where there is
// none.
std::uint64_t PrimaryNow(Device ordinal, Context handle) {
  unsigned flags = 0;
  int active = 0;
  const Result asked = CallReal(PlainAddress(Plain::kPrimaryGetState), ordinal, &flags, &active);
  if (asked != kSuccess || active == 0 || handle == nullptr) return 0;
  if (PlainAddress(Plain::kContextGetId) == nullptr) return 1;  // drivers before CUDA 12
  Flags id = 0;
  if (CallReal(PlainAddress(Plain::kContextGetId), handle, &id) != kSuccess) return 0;
  return id + 1 == kBusy ? 1 : id + 1;
}

}  // namespace

bool TakeContext(Program& program, Device ordinal, std::uint64_t* ahead) {
  *ahead = 0;
  const unsigned device = WallOf(program, ordinal);
  if (device >= wire::kMaxDevices) return true;
  WallRecord& wall = program.walls[device];
  const bool alone = BeginMeasuring(wall);  // or it would be taken for a context that is there
  const Attachment& pages = Pages(program);
  HoldingOf(pages, device).context.store(wire::ContextState::kMaking);
  bool taken = TakeAhead(pages, device, ahead);
  if (!taken) {
    TrimPools(program, device);
    taken = TakeAhead(pages, device, ahead);
  }
  wall.ahead.fetch_add(*ahead);
  TellState(program, device, wall.made.load());
  if (alone) wall.measuring.store(0);
  if (!taken) pages.counters->devices[device].refusals.fetch_add(1);
  return taken;
}

void DropContext(Program& program, Device ordinal, std::uint64_t ahead) {
  const unsigned device = WallOf(program, ordinal);
  if (ahead == 0 || device >= wire::kMaxDevices) return;
  WallRecord& wall = program.walls[device];
  const bool alone = BeginMeasuring(wall);
  ReleaseContext(program, device, ahead);
  wall.ahead.fetch_sub(ahead);
  TellState(program, device, wall.made.load());
  if (alone) wall.measuring.store(0);
}

bool ContextMade(Program& program, Device ordinal, std::uint64_t ahead, Room room,
                 std::uint64_t* charged) {
  *charged = 0;
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return true;
  program.devices[ordinal].contexts.fetch_add(1);
  const unsigned device = WallOf(program, ordinal);
  if (device >= wire::kMaxDevices) return true;
  WallRecord& wall = program.walls[device];
  const bool alone = BeginMeasuring(wall);
  const bool fits = Charge(program, device, ahead, room, charged);
  if (alone) wall.measuring.store(0);
  if (fits) return true;
  Pages(program).counters->devices[device].refusals.fetch_add(1);
  program.devices[ordinal].contexts.fetch_sub(1);
  return false;
}

void ForgetContext(Program& program, Context context, Forgotten* forgotten) {
  *forgotten = {};
  Record gone;
  while (program.table.TakeOf(reinterpret_cast<std::uintptr_t>(context), &gone)) {
    if (gone.share != 0 && forgotten->shared_count < Forgotten::kMostShared) {
      forgotten->shared[forgotten->shared_count++] = gone;
      continue;
    }
    if (gone.kind == Kind::kFreeing) NoLongerFreeing(program, gone);
    const std::uint64_t kept = gone.share == 0 ? 0 : EndShare(program, gone);
    if (gone.device < wire::kMaxDevices) forgotten->bytes[gone.device] += gone.bytes - kept;
  }
}

void ContextEnded(Program& program, Device ordinal, std::uint64_t charged,
                  const Forgotten& forgotten) {
  for (unsigned i = 0; i < wire::kMaxDevices; ++i) Give(program, i, forgotten.bytes[i]);
  for (unsigned i = 0; i < forgotten.shared_count; ++i) GiveBack(program, forgotten.shared[i]);
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return;
  const std::int32_t left = program.devices[ordinal].contexts.fetch_sub(1) - 1;
  const unsigned device = WallOf(program, ordinal);
  if (device >= wire::kMaxDevices) return;
  SettlePools(program);
  const std::atomic<std::int32_t>& there = program.devices[ordinal].contexts;
  if (left <= 0 && EndLast(program, device, there)) return;
  if (!Recount(program, device)) ReleaseContext(program, device, charged);
}

void CountAnew(Program& program, Device ordinal, unsigned others) {
  const unsigned device = WallOf(program, ordinal);
  if (device >= wire::kMaxDevices || Recount(program, device)) return;
  const bool alone = BeginMeasuring(program.walls[device]);
  const Attachment& pages = Pages(program);
  const std::uint64_t bound = pages.limits->devices[device].context_bound.load();
  Reserve(pages, device, bound * others, wire::kNoLimit);
  TellState(program, device, wire::ContextState::kBound);
  if (alone) program.walls[device].measuring.store(0);
}

PrimaryUse::PrimaryUse(Program& program, Device ordinal) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return;
  DeviceRecord& record = program.devices[ordinal];
  for (int waited = 0;; ++waited) {
    record.retaining.fetch_add(1);
    if (record.releasing.load() == 0 || waited == kPatienceMilliseconds) break;
    record.retaining.fetch_sub(1);
    guest::SleepMilliseconds(1);
  }
  count_ = &record.retaining;
}

void PrimaryUse::End() {
  if (count_ != nullptr) count_->fetch_sub(1);
  count_ = nullptr;
}

PrimaryEnd::PrimaryEnd(Program& program, Device ordinal) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return;
  DeviceRecord& record = program.devices[ordinal];
  count_ = &record.releasing;
  count_->fetch_add(1);
  (void)AwaitNone(record.retaining, guest::NowMilliseconds() + kPatienceMilliseconds);
}

PrimaryEnd::~PrimaryEnd() {
  if (count_ != nullptr) count_->fetch_sub(1);
}

bool FollowPrimary(Program& program, Device ordinal, Context handle, std::uint64_t ahead,
                   Room room) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals || program.attachment.load() == nullptr) return true;
  DeviceRecord& record = program.devices[ordinal];
  const unsigned device = WallOf(program, ordinal);
  for (int waited = 0; waited < kPatienceMilliseconds;) {
    const Context context = handle != nullptr ? handle : record.primary.load();
    const std::uint64_t now = PrimaryNow(ordinal, context);
    std::uint64_t seen = record.primary_id.load();
    if (seen == now) break;
    // The thread that has taken memory ahead for it also charges it.
    const bool others = now != 0 && ahead == 0 && device < wire::kMaxDevices &&
                        program.walls[device].ahead.load() != 0;
    if (seen == kBusy || others) {
      guest::SleepMilliseconds(1);
      ++waited;
      continue;
    }
    if (!record.primary_id.compare_exchange_strong(seen, kBusy)) continue;
    if (seen != 0) {
      Forgotten forgotten;
      ForgetContext(program, record.primary.load(), &forgotten);
      ContextEnded(program, ordinal, record.primary_bytes.load(), forgotten);
    }
    std::uint64_t charged = 0;
    record.primary.store(context);
    const bool fits = now == 0 || ContextMade(program, ordinal, ahead, room, &charged);
    if (now != 0 && fits) ahead = 0;
    record.primary_bytes.store(charged);
    record.primary_id.store(fits ? now : 0);
    if (!fits) return false;
  }
  DropContext(program, ordinal, ahead);
  return true;
}

}  // namespace tranche::shim
