// Contexts as programs see them: made, current, and what each is set to.
#include "sim/cuda/capture.h"
#include "sim/cuda/contexts.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/streams.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

Result Create(const char* name, Context* context, unsigned flags, Device device,
              unsigned api_version) {
  return InitCall(name, [&](Process& process) -> Result {
    if (context == nullptr || !ValidContextFlags(flags)) return kInvalidValue;
    DeviceObject* found = nullptr;
    if (const Result result = process.FindDevice(device, &found); result != kSuccess) {
      return result;
    }
    auto object = std::make_shared<ContextObject>();
    object->device = found;
    object->flags = flags;
    object->api_version = api_version;
    if (const Result begun = BeginContext(object); begun != kSuccess) return begun;
    object->handle = process.contexts().Add(object);
    PushContext(object->handle);
    *context = object->handle;
    return kSuccess;
  });
}

Result Destroy(const char* name, Context context) {
  if (context == nullptr) return kInvalidValue;
  return InitCall(name, [&](Process& process) -> Result {
    const auto object = process.contexts().Share(context);
    if (object == nullptr || object->primary) return kInvalidContext;
    EndContext(*object);
    auto& stack = Process::CurrentStack();
    if (!stack.empty() && stack.back() == context) PopContext();
    return kSuccess;
  });
}

Result Push(const char* name, Context context) {
  return InitCall(name, [&](Process& process) {
    if (process.contexts().Find(context) == nullptr) return kInvalidContext;
    PushContext(context);
    return kSuccess;
  });
}

Result Pop(const char* name, Context* context) {
  return InitCall(name, [&](Process& /*process*/) {
    if (Process::CurrentStack().empty()) return kInvalidContext;
    const Context top = PopContext();
    if (context != nullptr) *context = top;
    return kSuccess;
  });
}

// The context that a handle means, or the current one for a null handle.
template <typename Body>
Result GivenContextCall(const char* name, Context handle, Body body) {
  return InitCall(name, [&](Process& process) -> Result {
    std::shared_ptr<ContextObject> context;
    if (handle == nullptr) {
      if (const Result found = process.CurrentContext(&context); found != kSuccess) return found;
    } else {
      context = process.contexts().Share(handle);
      if (context == nullptr) return kInvalidContext;
      if (!context->alive) return kContextIsDestroyed;
    }
    return body(*context);
  });
}

Result SynchronizeContext(const char* name, Context handle) {
  return GivenContextCall(name, handle, [&](ContextObject& context) {
    Process& process = Process::Get();
    if (const Result error = process.ErrorOf(context); error != kSuccess) return error;
    Result allowed = AllowsWait(context);
    if (allowed == kSuccess) allowed = AllowsUnsafeCall(process);
    return allowed == kSuccess ? Synchronize(context) : allowed;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuCtxCreate(Context* context, unsigned flags, Device device) {
  return Create("cuCtxCreate", context, flags, device, 3010);
}
Result cuCtxCreate_v2(Context* context, unsigned flags, Device device) {
  return Create("cuCtxCreate_v2", context, flags, device, 3020);
}
Result cuCtxCreate_v3(Context* context, AffinityParam* /*params_array*/, int num_params,
                      unsigned flags, Device device) {
  if (num_params == 0) return Create("cuCtxCreate_v3", context, flags, device, 3020);
  return InitCall("cuCtxCreate_v3", [](Process& /*process*/) { return kUnsupportedExecAffinity; });
}
Result cuCtxCreate_v4(Context* context, ContextCreateParams* ctx_create_params, unsigned flags,
                      Device device) {
  const bool plain = ctx_create_params == nullptr ||
                     (ctx_create_params->affinity_count == 0 && ctx_create_params->cig == nullptr);
  if (plain) return Create("cuCtxCreate_v4", context, flags, device, 3020);
  return InitCall("cuCtxCreate_v4", [](Process& /*process*/) { return kUnsupportedExecAffinity; });
}

Result cuCtxDestroy(Context context) { return Destroy("cuCtxDestroy", context); }
Result cuCtxDestroy_v2(Context context) { return Destroy("cuCtxDestroy_v2", context); }

Result cuCtxAttach(Context* context, unsigned flags) {
  return ContextCall("cuCtxAttach", [&](ContextObject& current) {
    if (context == nullptr || flags != 0) return kInvalidValue;
    ++current.uses;
    *context = current.handle;
    return kSuccess;
  });
}
Result cuCtxDetach(Context context) {
  bool last = false;
  const Result result = InitCall("cuCtxDetach", [&](Process& process) {
    ContextObject* object = process.contexts().Find(context);
    if (object == nullptr || object->primary) return kInvalidContext;
    last = --object->uses == 0;
    return kSuccess;
  });
  return last ? Destroy("cuCtxDetach", context) : result;
}

Result cuCtxPushCurrent(Context context) { return Push("cuCtxPushCurrent", context); }
Result cuCtxPushCurrent_v2(Context context) { return Push("cuCtxPushCurrent_v2", context); }
Result cuCtxPopCurrent(Context* context) { return Pop("cuCtxPopCurrent", context); }
Result cuCtxPopCurrent_v2(Context* context) { return Pop("cuCtxPopCurrent_v2", context); }

Result cuCtxSetCurrent(Context context) {
  return InitCall("cuCtxSetCurrent", [&](Process& process) {
    if (context != nullptr && process.contexts().Find(context) == nullptr) return kInvalidContext;
    ReplaceContext(context);
    return kSuccess;
  });
}
Result cuCtxGetCurrent(Context* context) {
  return InitCall("cuCtxGetCurrent", [&](Process& /*process*/) {
    if (context == nullptr) return kInvalidValue;
    const auto& stack = Process::CurrentStack();
    *context = stack.empty() ? nullptr : stack.back();
    return kSuccess;
  });
}

Result cuCtxGetDevice(Device* device) {
  return GivenContextCall("cuCtxGetDevice", nullptr, [&](const ContextObject& context) {
    if (device == nullptr) return kInvalidValue;
    *device = context.device->ordinal;
    return kSuccess;
  });
}
Result cuCtxGetDevice_v2(Device* device, Context context) {
  return GivenContextCall("cuCtxGetDevice_v2", context, [&](const ContextObject& found) {
    if (device == nullptr) return kInvalidValue;
    *device = found.device->ordinal;
    return kSuccess;
  });
}

Result cuCtxGetFlags(unsigned* flags) {
  if (flags == nullptr) return kInvalidValue;
  return GivenContextCall("cuCtxGetFlags", nullptr, [&](const ContextObject& context) {
    *flags = context.flags;
    return kSuccess;
  });
}
Result cuCtxSetFlags(unsigned flags) {
  return ContextCall("cuCtxSetFlags", [&](ContextObject& context) {
    if (!ValidContextFlags(flags)) return kInvalidValue;
    context.flags = flags;
    return kSuccess;
  });
}

Result cuCtxGetId(Context context, unsigned long long* ctx_id) {
  if (ctx_id == nullptr) return kInvalidValue;
  return GivenContextCall("cuCtxGetId", context, [&](const ContextObject& found) {
    *ctx_id = found.id;
    return kSuccess;
  });
}

Result cuCtxGetApiVersion(Context context, unsigned* version) {
  return GivenContextCall("cuCtxGetApiVersion", context, [&](const ContextObject& found) {
    if (version == nullptr) return kInvalidValue;
    *version = found.api_version;
    return kSuccess;
  });
}

Result cuCtxSynchronize() { return SynchronizeContext("cuCtxSynchronize", nullptr); }
Result cuCtxSynchronize_v2(Context context) {
  return SynchronizeContext("cuCtxSynchronize_v2", context);
}

Result cuCtxGetStreamPriorityRange(int* least_priority, int* greatest_priority) {
  return ContextCall("cuCtxGetStreamPriorityRange", [&](const ContextObject& /*context*/) {
    if (least_priority != nullptr) *least_priority = kLeastPriority;
    if (greatest_priority != nullptr) *greatest_priority = kGreatestPriority;
    return kSuccess;
  });
}

Result cuCtxGetLimit(std::size_t* pvalue, Limit limit) {
  return ContextCall("cuCtxGetLimit", [&](const ContextObject& context) {
    if (pvalue == nullptr) return kInvalidValue;
    const std::size_t defaults[] = {1024, 1U << 20U, 8U << 20U, 2, 2048, 64, 0};
    if (limit < 0 || static_cast<std::size_t>(limit) >= std::size(defaults)) {
      return kUnsupportedLimit;
    }
    const auto set = context.limits.find(limit);
    *pvalue = set != context.limits.end() ? set->second : defaults[limit];
    return kSuccess;
  });
}
Result cuCtxSetLimit(Limit limit, std::size_t value) {
  return ContextCall("cuCtxSetLimit", [&](ContextObject& context) {
    if (limit < 0 || limit > kLimitPersistingL2CacheSize) return kUnsupportedLimit;
    if (limit == kLimitDevRuntimeSyncDepth && context.device->gpu.compute_major >= 9) {
      return kUnsupportedLimit;
    }
    context.limits[limit] = value;
    return kSuccess;
  });
}

Result cuCtxGetCacheConfig(CacheConfig* pconfig) {
  return ContextCall("cuCtxGetCacheConfig", [&](const ContextObject& context) {
    if (pconfig == nullptr) return kInvalidValue;
    *pconfig = context.cache_config;
    return kSuccess;
  });
}
Result cuCtxSetCacheConfig(CacheConfig config) {
  return ContextCall("cuCtxSetCacheConfig", [&](ContextObject& context) {
    if (config < kCachePreferNone || config > kCachePreferEqual) return kInvalidValue;
    context.cache_config = config;
    return kSuccess;
  });
}
Result cuCtxGetSharedMemConfig(SharedConfig* config) {
  return ContextCall("cuCtxGetSharedMemConfig", [&](const ContextObject& context) {
    if (config == nullptr) return kInvalidValue;
    *config = context.shared_config == kSharedDefaultBankSize ? kSharedFourByteBankSize
                                                              : context.shared_config;
    return kSuccess;
  });
}
Result cuCtxSetSharedMemConfig(SharedConfig config) {
  return ContextCall("cuCtxSetSharedMemConfig", [&](ContextObject& context) {
    if (config < kSharedDefaultBankSize || config > kSharedEightByteBankSize) return kInvalidValue;
    context.shared_config = config;
    return kSuccess;
  });
}
Result cuCtxResetPersistingL2Cache() {
  return ContextCall("cuCtxResetPersistingL2Cache",
                     [](const ContextObject& /*context*/) { return kSuccess; });
}
Result cuCtxGetExecAffinity(AffinityParam* exec_affinity, AffinityType type) {
  return ContextCall("cuCtxGetExecAffinity", [&](const ContextObject& /*context*/) {
    if (exec_affinity == nullptr || type != kAffinitySmCount) return kInvalidValue;
    return kUnsupportedExecAffinity;  // under MPS alone
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
