#include "shim/walls.h"

#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/guest/channel.h"
#include "shim/pools.h"
#include "shim/share.h"
#include "wire/ledger.h"

namespace tranche::shim {
namespace {

constexpr std::uint64_t kPiece = 2U << 20U;  // drivers give memory in these
constexpr std::uint64_t kLarge = 1U << 20U;  // from here on in pieces of an allocation's own
constexpr std::uint64_t kSmall = 512;
// Milliseconds: a little longer than a context may take to be measured (shim/contexts.cc).
constexpr int kMeasurePatience = 4 * wire::kMeasureMilliseconds;

bool Reserve(const Attachment& pages, unsigned device, std::uint64_t bytes) {
  const std::uint64_t limit = pages.limits->devices[device].limit_bytes.load();
  return wire::Reserve(*pages.counters, pages.slot, device, wire::Part::kHeld, bytes, limit);
}

Verdict TakeOn(Program& program, unsigned device, std::uint64_t bytes) {
  const Attachment& pages = Pages(program);
  if (Reserve(pages, device, bytes)) [[likely]]
    return Verdict::kTaken;
  wire::DeviceTotals& totals = pages.counters->devices[device];
  totals.trims.fetch_add(1);
  TrimPools(program, device);
  if (Reserve(pages, device, bytes)) return Verdict::kTaken;
  totals.refusals.fetch_add(1);
  return Verdict::kRefused;
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

UnderWay::UnderWay(Program& program, unsigned device) {
  if (device >= wire::kMaxDevices) return;
  WallRecord& wall = program.walls[device];
  for (int waited = 0;; ++waited) {
    wall.under_way.fetch_add(1);
    if (wall.measuring.load() == 0 || waited == kMeasurePatience) [[likely]]
      break;
    wall.under_way.fetch_sub(1);
    guest::SleepMilliseconds(1);
  }
  count_ = &wall.under_way;
  // The pages that it has now: it may be given others before the call is over.
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages == nullptr) return;
  told_ = &pages->counters->slots[pages->slot].holdings[device].under_way;
  told_->fetch_add(1);
}

UnderWay::~UnderWay() {
  if (told_ != nullptr) told_->fetch_sub(1);
  if (count_ != nullptr) count_->fetch_sub(1);
}

const Attachment& Pages(Program& program) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages->counters->epoch.load(std::memory_order_relaxed) != pages->epoch) [[unlikely]] {
    AttachAnew(program);
    pages = program.attachment.load(std::memory_order_acquire);
  }
  return *pages;
}

unsigned WallOf(Program& program, Device ordinal) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages == nullptr || ordinal < 0 || ordinal >= kMaxOrdinals) return kNoWall;
  return pages->wall_of[ordinal];
}

Taking Take(Program& program, Device ordinal, std::uint64_t bytes) {
  const auto decided = [](Verdict verdict) { return Taking{{}, verdict, kNoWall}; };
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return decided(Verdict::kUnwalled);
  const Phase phase = Attached(program);
  if (phase == Phase::kClosed) return decided(Verdict::kRefused);
  if (phase != Phase::kWalled) return decided(Verdict::kUnwalled);
  const unsigned device = WallOf(program, ordinal);
  if (device >= wire::kMaxDevices) return decided(Verdict::kUnwalled);
  return {UnderWay(program, device), TakeOn(program, device, bytes), device};
}

bool TakeMore(Program& program, unsigned device, std::uint64_t bytes) {
  if (bytes == 0 || device >= wire::kMaxDevices) return true;
  return Reserve(Pages(program), device, bytes);
}

void TakeAnyway(Program& program, unsigned device, std::uint64_t bytes) {
  if (bytes == 0 || device >= wire::kMaxDevices) return;
  const Attachment& pages = Pages(program);
  wire::Reserve(*pages.counters, pages.slot, device, wire::Part::kHeld, bytes, wire::kNoLimit);
}

void Give(Program& program, unsigned device, std::uint64_t bytes) {
  if (bytes == 0 || device >= wire::kMaxDevices) return;
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  wire::Release(*pages->counters, pages->slot, device, wire::Part::kHeld, bytes);
}

void Remember(Program& program, const Record& record) {
  if (program.table.Put(record)) [[likely]]
    return;
  GiveBack(program, record);
  CountTrouble(program);
}

void CountTrouble(Program& program) {
  const Attachment* pages = program.attachment.load(std::memory_order_acquire);
  if (pages != nullptr) pages->counters->slots[pages->slot].passed_through.fetch_add(1);
}

bool View(Program& program, Device ordinal, std::uint64_t* limit, std::uint64_t* used) {
  if (ordinal < 0 || ordinal >= kMaxOrdinals) return false;
  if (Attached(program) != Phase::kWalled) return false;
  const unsigned device = WallOf(program, ordinal);
  if (device >= wire::kMaxDevices) return false;
  SettlePools(program);
  const Attachment& pages = Pages(program);
  *limit = pages.limits->devices[device].limit_bytes.load();
  *used = pages.counters->devices[device].total_bytes.load();
  return true;
}

}  // namespace tranche::shim
