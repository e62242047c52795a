#include "shim/walls.h"

#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/pools.h"
#include "wire/ledger.h"

namespace tranche::shim {
namespace {

constexpr std::uint64_t kPiece = 2U << 20U;  // of which drivers give memory
constexpr std::uint64_t kLarge = 1U << 20U;  // from here on in pieces of an allocation's own
constexpr std::uint64_t kSmall = 512;

const Attachment* Pages(Program& program) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages->counters->epoch.load(std::memory_order_relaxed) != pages->epoch) [[unlikely]] {
    AttachAnew(program);
    pages = program.attachment.load(std::memory_order_acquire);
  }
  return pages;
}

bool Reserve(const Attachment& pages, unsigned device, std::uint64_t bytes) {
  const std::uint64_t limit = pages.limits->devices[device].limit_bytes.load();
  return wire::Reserve(*pages.counters, pages.slot, device, wire::Part::kHeld, bytes, limit);
}

void CountTrouble(Program& program) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages != nullptr) pages->counters->slots[pages->slot].passed_through.fetch_add(1);
}

}  // namespace

Device CurrentDevice() {
  Device device = -1;
  const Result result = CallReal(PlainAddress(Plain::kContextGetDevice), &device);
  return result == kSuccess ? device : -1;
}

std::uint64_t CurrentContext() {
  Context context = nullptr;
  const Result result = CallReal(PlainAddress(Plain::kContextGetCurrent), &context);
  return result == kSuccess ? reinterpret_cast<std::uintptr_t>(context) : 0;
}

std::uint64_t Rounded(std::uint64_t bytes) {
  const std::uint64_t unit = bytes < kLarge ? kSmall : kPiece;
  const std::uint64_t rest = bytes % unit;
  return rest == 0 || bytes > UINT64_MAX - unit ? bytes : bytes - rest + unit;
}

Taking Take(Program& program, Device ordinal, std::uint64_t bytes, bool trims) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return {Verdict::kUnwalled, kNoWall};
  const Phase phase = Attached(program);
  if (phase == Phase::kClosed) return {Verdict::kRefused, kNoWall};
  if (phase != Phase::kWalled) return {Verdict::kUnwalled, kNoWall};
  const Attachment* pages = Pages(program);
  const unsigned device = pages->wall_of[ordinal];
  if (device >= wire::kMaxDevices) return {Verdict::kUnwalled, kNoWall};
  if (Reserve(*pages, device, bytes)) [[likely]]
    return {Verdict::kTaken, device};
  wire::DeviceTotals& totals = pages->counters->devices[device];
  if (trims) {
    totals.trims.fetch_add(1);
    TrimPools(program, device);
    if (Reserve(*pages, device, bytes)) return {Verdict::kTaken, device};
  }
  totals.refusals.fetch_add(1);
  return {Verdict::kRefused, device};
}

bool TakeMore(Program& program, unsigned device, std::uint64_t bytes) {
  if (bytes == 0 || device >= wire::kMaxDevices) return true;
  return Reserve(*Pages(program), device, bytes);
}

void TakeAnyway(Program& program, unsigned device, std::uint64_t bytes) {
  if (bytes == 0 || device >= wire::kMaxDevices) return;
  const Attachment* pages = Pages(program);
  wire::Reserve(*pages->counters, pages->slot, device, wire::Part::kHeld, bytes, wire::kNoLimit);
}

void Give(Program& program, unsigned device, std::uint64_t bytes) {
  if (bytes == 0 || device >= wire::kMaxDevices) return;
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  wire::Release(*pages->counters, pages->slot, device, wire::Part::kHeld, bytes);
}

void Remember(Program& program, const Record& record) {
  if (program.table.Put(record)) [[likely]]
    return;
  Give(program, record.device, record.bytes);
  CountTrouble(program);
}

bool View(Program& program, Device ordinal, std::uint64_t* limit, std::uint64_t* used) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return false;
  if (Attached(program) != Phase::kWalled) return false;
  const Attachment* pages = Pages(program);
  const unsigned device = pages->wall_of[ordinal];
  if (device >= wire::kMaxDevices) return false;
  SettlePools(program);
  *limit = pages->limits->devices[device].limit_bytes.load();
  *used = pages->counters->devices[device].total_bytes.load();
  return true;
}

void ContextMade(Program& program, Device ordinal) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return;
  if (Attached(program) != Phase::kWalled) return;
  if (program.devices[ordinal].contexts.fetch_add(1) != 0) return;
  const Attachment* pages = Pages(program);
  const unsigned device = pages->wall_of[ordinal];
  if (device >= wire::kMaxDevices) return;
  std::uint64_t bytes = pages->limits->devices[device].context_bound.load();
  const bool known = MeasureContext(*pages, device, &bytes);
  wire::Holding& holding = pages->counters->slots[pages->slot].holdings[device];
  wire::Reserve(*pages->counters, pages->slot, device, wire::Part::kContext, bytes, wire::kNoLimit);
  holding.context.store(known ? wire::ContextState::kKnown : wire::ContextState::kBound);
}

void ForgetContext(Program& program, Context context, Forgotten* forgotten) {
  *forgotten = {};
  Record gone;
  while (program.table.TakeOf(reinterpret_cast<std::uintptr_t>(context), &gone)) {
    if (gone.device < wire::kMaxDevices) forgotten->bytes[gone.device] += gone.bytes;
  }
}

void ContextEnded(Program& program, Device ordinal, const Forgotten& forgotten) {
  for (unsigned i = 0; i < wire::kMaxDevices; ++i) Give(program, i, forgotten.bytes[i]);
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return;
  if (program.phase.load() != Phase::kWalled) return;
  const std::int32_t left = program.devices[ordinal].contexts.fetch_sub(1) - 1;
  if (left > 0) return;
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  const unsigned device = pages->wall_of[ordinal];
  if (device >= wire::kMaxDevices) return;
  wire::Holding& holding = pages->counters->slots[pages->slot].holdings[device];
  holding.context.store(wire::ContextState::kNone);
  // The node program may have put the figure right meanwhile: what stands there goes.
  wire::Release(*pages->counters, pages->slot, device, wire::Part::kContext,
                holding.context_bytes.load());
}

}  // namespace tranche::shim
