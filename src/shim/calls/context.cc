// What makes and ends contexts. The driver's own bytes are measured when the first one is made on a
// device; when a context ends, the allocations made in it end with it.
#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

template <typename Call>
Result Create(Context* made, Device ordinal, Call call) {
  const Result result = call();
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr) return result;
  ContextMade(*program, ordinal);
  if (program->phase.load(std::memory_order_acquire) == Phase::kWalled) {
    Remember(*program, {.kind = Kind::kContext,
                        .handle = reinterpret_cast<std::uintptr_t>(*made),
                        .bytes = 0,
                        .device = static_cast<unsigned>(ordinal),
                        .owner = 0});
  }
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
    ContextEnded(*program, static_cast<Device>(record.device), forgotten);
  } else {
    Remember(*program, record);
  }
  return result;
}

// Whether a primary context is there after it was released or reset, only the driver knows.
void PrimaryGone(Device ordinal, Result result) {
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr || ordinal < 0 || ordinal >= kMaxOrdinals) return;
  unsigned flags = 0;
  int active = 1;
  if (CallReal(PlainAddress(Plain::kPrimaryGetState), ordinal, &flags, &active) != kSuccess) return;
  if (active != 0) return;
  Context context = program->devices[ordinal].primary.exchange(nullptr);
  if (context == nullptr) return;
  Forgotten forgotten;
  ForgetContext(*program, context, &forgotten);
  ContextEnded(*program, ordinal, forgotten);
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
  const Result result = TRANCHE_REAL(cuDevicePrimaryCtxRetain, pctx, dev);
  Program* program = ThisProgram();
  if (result != kSuccess || program == nullptr || dev < 0 || dev >= kMaxOrdinals) return result;
  Context none = nullptr;
  if (program->devices[dev].primary.load(std::memory_order_relaxed) == *pctx) return result;
  if (program->devices[dev].primary.compare_exchange_strong(none, *pctx)) {
    ContextMade(*program, dev);
  }
  return result;
}
Result cuDevicePrimaryCtxRelease(Device dev) {
  const Result result = TRANCHE_REAL(cuDevicePrimaryCtxRelease, dev);
  PrimaryGone(dev, result);
  return result;
}
Result cuDevicePrimaryCtxRelease_v2(Device dev) {
  const Result result = TRANCHE_REAL(cuDevicePrimaryCtxRelease_v2, dev);
  PrimaryGone(dev, result);
  return result;
}
Result cuDevicePrimaryCtxReset(Device dev) {
  const Result result = TRANCHE_REAL(cuDevicePrimaryCtxReset, dev);
  PrimaryGone(dev, result);
  return result;
}
Result cuDevicePrimaryCtxReset_v2(Device dev) {
  const Result result = TRANCHE_REAL(cuDevicePrimaryCtxReset_v2, dev);
  PrimaryGone(dev, result);
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
