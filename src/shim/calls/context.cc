// What makes and ends contexts. The driver's own bytes are measured when one is made; when a
// context ends, the allocations made in it end with it.
#include "shim/attach.h"
#include "shim/contexts.h"
#include "shim/driver.h"
#include "shim/early.h"

namespace tranche::shim {
namespace {

// What a context may need is taken before the driver is asked; one that turns out to be too large
// is ended again.
template <typename Call>
Result Create(Context* made, Device ordinal, Call call) {
  Program* program = ThisProgram();
  if (program == nullptr || made == nullptr) return call();
  if (Attached(*program) != Phase::kWalled) {
    const Result result = call();
    if (result == kSuccess) NoteEarlyContext(*program, ordinal, *made);
    return result;
  }
  std::uint64_t ahead = 0;
  std::uint64_t charged = 0;
  if (!TakeContext(*program, ordinal, &ahead)) return kOutOfMemory;
  const Result result = call();
  if (result != kSuccess) {
    DropContext(*program, ordinal, ahead);
    return result;
  }
  if (!ContextMade(*program, ordinal, ahead, Room::kHeeded, &charged)) {
    (void)TRANCHE_REAL(cuCtxDestroy_v2, *made);
    DropContext(*program, ordinal, ahead);
    *made = nullptr;
    return kOutOfMemory;
  }
  // Were there no memory to remember it, its bytes would stay charged until the program ends.
  const bool known = program->table.Put({.kind = Kind::kContext,
                                         .handle = reinterpret_cast<std::uintptr_t>(*made),
                                         .bytes = charged,
                                         .device = static_cast<unsigned>(ordinal),
                                         .owner = 0});
  if (!known) CountTrouble(*program);
  return result;
}

// What was allocated in it is forgotten before the driver is asked: its handle and its addresses
// may be another's afterwards.
template <typename Call>
Result DestroyContext(Context context, Call call) {
  Program* program = ThisProgram();
  Record record;
  if (program == nullptr ||
      !program->table.Take(Kind::kContext, reinterpret_cast<std::uintptr_t>(context), &record)) {
    return call();
  }
  Forgotten forgotten;
  ForgetContext(*program, context, &forgotten);
  const Result result = call();
  if (result == kSuccess) {
    ContextEnded(*program, static_cast<Device>(record.device), record.bytes, forgotten);
  } else if (!program->table.Put(record)) {
    CountTrouble(*program);
  }
  return result;
}

// Whether a primary context is there after it was released or reset, only the driver knows.
template <typename Call>
Result EndPrimary(Device ordinal, Call call) {
  Program* program = ThisProgram();
  if (program == nullptr || program->attachment.load() == nullptr) return call();
  Result result = kSuccess;
  {
    const PrimaryEnd end(*program, ordinal);
    result = call();
  }
  if (result == kSuccess) (void)FollowPrimary(*program, ordinal, nullptr, 0);
  return result;
}

// Whether the primary context would be made by retaining it.
bool PrimaryIsThere(Device ordinal) {
  unsigned flags = 0;
  int active = 0;
  const Result asked = CallReal(PlainAddress(Plain::kPrimaryGetState), ordinal, &flags, &active);
  return asked != kSuccess || active != 0;
}

template <typename Call>
Result Retain(Context* made, Device ordinal, Call call) {
  Program* program = ThisProgram();
  if (program == nullptr || made == nullptr) return call();
  if (Attached(*program) != Phase::kWalled) {
    const Result result = call();
    if (result == kSuccess) NoteEarlyPrimary(*program, ordinal, *made);
    return result;
  }
  std::uint64_t ahead = 0;
  PrimaryUse use(*program, ordinal);
  if (!PrimaryIsThere(ordinal)) {
    use.End();
    if (!TakeContext(*program, ordinal, &ahead)) return kOutOfMemory;
  }
  const Result result = call();
  use.End();
  if (result != kSuccess) {
    DropContext(*program, ordinal, ahead);
    return result;
  }
  if (FollowPrimary(*program, ordinal, *made, ahead)) return result;
  {
    const PrimaryEnd end(*program, ordinal);
    (void)TRANCHE_REAL(cuDevicePrimaryCtxRelease_v2, ordinal);
  }
  // Other threads may have retained it meanwhile, and it stays.
  if (PrimaryIsThere(ordinal)) {
    (void)FollowPrimary(*program, ordinal, *made, ahead, Room::kTaken);
  } else {
    DropContext(*program, ordinal, ahead);
  }
  *made = nullptr;
  return kOutOfMemory;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuCtxCreate(Context* pctx, unsigned flags, Device dev) {
  return Create(pctx, dev, [&] { return TRANCHE_REAL(cuCtxCreate, pctx, flags, dev); });
}
Result cuCtxCreate_v2(Context* pctx, unsigned flags, Device dev) {
  return Create(pctx, dev, [&] { return TRANCHE_REAL(cuCtxCreate_v2, pctx, flags, dev); });
}
Result cuCtxCreate_v3(Context* pctx, void* params, int num_params, unsigned flags, Device dev) {
  return Create(pctx, dev,
                [&] { return TRANCHE_REAL(cuCtxCreate_v3, pctx, params, num_params, flags, dev); });
}
Result cuCtxCreate_v4(Context* pctx, void* params, unsigned flags, Device dev) {
  return Create(pctx, dev, [&] { return TRANCHE_REAL(cuCtxCreate_v4, pctx, params, flags, dev); });
}
Result cuCtxDestroy(Context ctx) {
  return DestroyContext(ctx, [&] { return TRANCHE_REAL(cuCtxDestroy, ctx); });
}
Result cuCtxDestroy_v2(Context ctx) {
  return DestroyContext(ctx, [&] { return TRANCHE_REAL(cuCtxDestroy_v2, ctx); });
}

Result cuDevicePrimaryCtxRetain(Context* pctx, Device dev) {
  return Retain(pctx, dev, [&] { return TRANCHE_REAL(cuDevicePrimaryCtxRetain, pctx, dev); });
}
Result cuDevicePrimaryCtxRelease(Device dev) {
  return EndPrimary(dev, [&] { return TRANCHE_REAL(cuDevicePrimaryCtxRelease, dev); });
}
Result cuDevicePrimaryCtxRelease_v2(Device dev) {
  return EndPrimary(dev, [&] { return TRANCHE_REAL(cuDevicePrimaryCtxRelease_v2, dev); });
}
Result cuDevicePrimaryCtxReset(Device dev) {
  return EndPrimary(dev, [&] { return TRANCHE_REAL(cuDevicePrimaryCtxReset, dev); });
}
Result cuDevicePrimaryCtxReset_v2(Device dev) {
  return EndPrimary(dev, [&] { return TRANCHE_REAL(cuDevicePrimaryCtxReset_v2, dev); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
