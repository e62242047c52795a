// Launches in every form.
#include "sim/cuda/code/launch.h"

#include <cstring>

#include "sim/cuda/code/modules.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

KernelNodeParams ParamsOf(const LaunchConfig& config, Function f, void** parameters, void** extra) {
  return {.function = f,
          .grid_x = config.grid_x,
          .grid_y = config.grid_y,
          .grid_z = config.grid_z,
          .block_x = config.block_x,
          .block_y = config.block_y,
          .block_z = config.block_z,
          .shared_bytes = config.shared_bytes,
          .parameters = parameters,
          .extra = extra};
}

// After a cuInit that failed, the real library takes every handle for a wrong one.
bool NoHandles() { return Process::Get().phase() == Phase::kFailed; }

Result Launch(const Entry& entry, Stream stream, const KernelNodeParams& parameters,
              const LaunchTraits& traits) {
  if (NoHandles()) return kInvalidHandle;
  return StreamCall(entry, stream,
                    [&](StreamObject& found) { return LaunchKernel(found, parameters, traits); });
}

Result LaunchEx(const Entry& entry, const LaunchConfig* config, Function f, void** parameters,
                void** extra) {
  if (config == nullptr) return kInvalidValue;
  if (NoHandles()) return kInvalidHandle;
  return StreamCall(entry, config->stream, [&](StreamObject& stream) {
    LaunchTraits traits;
    const Result read = TraitsOf(*config, &traits);
    if (read != kSuccess) return read;
    return LaunchKernel(stream, ParamsOf(*config, f, parameters, extra), traits);
  });
}

// Each on the device of its own stream.
Result LaunchOnDevices(const char* name, const CooperativeLaunch* list, unsigned count) {
  const Phase phase = Process::Get().phase();
  if (phase == Phase::kFailed) return kInvalidValue;
  if (phase == Phase::kReady && (list == nullptr || count == 0)) return kInvalidValue;
  const Result ready = ContextCall(name, [](const ContextObject& /*context*/) { return kSuccess; });
  if (ready != kSuccess) return ready;
  for (unsigned i = 0; i < count; ++i) {
    const CooperativeLaunch& one = list[i];
    // They may not use default streams.
    if (one.stream == nullptr) return kInvalidHandle;
    const KernelNodeParams parameters{.function = one.function,
                                      .grid_x = one.grid_x,
                                      .grid_y = one.grid_y,
                                      .grid_z = one.grid_z,
                                      .block_x = one.block_x,
                                      .block_y = one.block_y,
                                      .block_z = one.block_z,
                                      .shared_bytes = one.shared_bytes,
                                      .parameters = one.parameters};
    const Result launched = Launch({name}, one.stream, parameters, {.cooperative = true});
    if (launched != kSuccess) return launched;
  }
  return kSuccess;
}

// ---- the first CUDA's launches, whose block and parameters belong to the function

// body(function) for a function of the current context.
template <typename Body>
Result LegacyCall(const char* name, Function handle, Body body) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    FunctionObject* function = nullptr;
    const Result found = FindFunction(handle, context, &function);
    return found == kSuccess ? static_cast<Result>(body(*function)) : found;
  });
}

Result LegacyLaunchOn(const char* name, Function f, int width, int height, Stream stream) {
  if (Process::Get().phase() != Phase::kReady) return kNotInitialized;
  return StreamCall({name}, stream, [&](StreamObject& found) -> Result {
    FunctionObject* function = nullptr;
    const Result known = FindFunction(f, *found.context, &function);
    if (known != kSuccess) return known;
    if (width <= 0 || height <= 0) return kInvalidValue;
    LegacyLaunch& legacy = function->legacy;
    std::size_t size = legacy.parameters.size();
    // NOLINTBEGIN(performance-no-int-to-ptr): CUDA passes numbers in the place of pointers
    void* extra[] = {reinterpret_cast<void*>(kLaunchParamBufferPointer), legacy.parameters.data(),
                     reinterpret_cast<void*>(kLaunchParamBufferSize), &size,
                     reinterpret_cast<void*>(kLaunchParamEnd)};
    // NOLINTEND(performance-no-int-to-ptr)
    const KernelNodeParams parameters{.function = f,
                                      .grid_x = static_cast<unsigned>(width),
                                      .grid_y = static_cast<unsigned>(height),
                                      .grid_z = 1,
                                      .block_x = legacy.block[0],
                                      .block_y = legacy.block[1],
                                      .block_z = legacy.block[2],
                                      .shared_bytes = legacy.shared,
                                      .extra = extra};
    return LaunchKernel(found, parameters, {});
  });
}

constexpr int kMaxLegacyBytes = 4096;

Result SetParameter(const char* name, Function handle, int offset, const void* value,
                    std::size_t bytes) {
  return LegacyCall(name, handle, [&](FunctionObject& function) {
    if (offset < 0 || value == nullptr || offset > kMaxLegacyBytes || bytes > kMaxLegacyBytes) {
      return kInvalidValue;
    }
    std::vector<char>& parameters = function.legacy.parameters;
    const std::size_t end = static_cast<std::size_t>(offset) + bytes;
    if (parameters.size() < end) parameters.resize(end);
    std::memcpy(parameters.data() + offset, value, bytes);
    return kSuccess;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

#define TRANCHE_CUDA_SHAPE                                                               \
  KernelNodeParams {                                                                     \
    .function = f, .grid_x = grid_dim_x, .grid_y = grid_dim_y, .grid_z = grid_dim_z,     \
    .block_x = block_dim_x, .block_y = block_dim_y, .block_z = block_dim_z,              \
    .shared_bytes = shared_mem_bytes, .parameters = kernel_params, .extra = extra_params \
  }

static Result LaunchPlain(const Entry& entry, Function f, unsigned grid_dim_x, unsigned grid_dim_y,
                          unsigned grid_dim_z, unsigned block_dim_x, unsigned block_dim_y,
                          unsigned block_dim_z, unsigned shared_mem_bytes, Stream stream,
                          void** kernel_params, void** extra_params) {
  return Launch(entry, stream, TRANCHE_CUDA_SHAPE, {});
}
static Result LaunchCooperative(const Entry& entry, Function f, unsigned grid_dim_x,
                                unsigned grid_dim_y, unsigned grid_dim_z, unsigned block_dim_x,
                                unsigned block_dim_y, unsigned block_dim_z,
                                unsigned shared_mem_bytes, Stream stream, void** kernel_params) {
  void** const extra_params = nullptr;
  return Launch(entry, stream, TRANCHE_CUDA_SHAPE, {.cooperative = true});
}
#undef TRANCHE_CUDA_SHAPE

TRANCHE_CUDA_EXPORT_TWICE(cuLaunchKernel, cuLaunchKernel_ptsz, LaunchPlain,
                          (Function f, unsigned grid_dim_x, unsigned grid_dim_y,
                           unsigned grid_dim_z, unsigned block_dim_x, unsigned block_dim_y,
                           unsigned block_dim_z, unsigned shared_mem_bytes, Stream stream,
                           void** kernel_params, void** extra),
                          f, grid_dim_x, grid_dim_y, grid_dim_z, block_dim_x, block_dim_y,
                          block_dim_z, shared_mem_bytes, stream, kernel_params, extra)
TRANCHE_CUDA_EXPORT_TWICE(cuLaunchCooperativeKernel, cuLaunchCooperativeKernel_ptsz,
                          LaunchCooperative,
                          (Function f, unsigned grid_dim_x, unsigned grid_dim_y,
                           unsigned grid_dim_z, unsigned block_dim_x, unsigned block_dim_y,
                           unsigned block_dim_z, unsigned shared_mem_bytes, Stream stream,
                           void** kernel_params),
                          f, grid_dim_x, grid_dim_y, grid_dim_z, block_dim_x, block_dim_y,
                          block_dim_z, shared_mem_bytes, stream, kernel_params)
TRANCHE_CUDA_EXPORT_TWICE(cuLaunchKernelEx, cuLaunchKernelEx_ptsz, LaunchEx,
                          (const LaunchConfig* config, Function f, void** kernel_params,
                           void** extra),
                          config, f, kernel_params, extra)

extern "C" {

Result cuLaunchCooperativeKernelMultiDevice(CooperativeLaunch* launch_params_list,
                                            unsigned num_devices, unsigned /*flags*/) {
  return LaunchOnDevices("cuLaunchCooperativeKernelMultiDevice", launch_params_list, num_devices);
}

Result cuLaunch(Function f) { return LegacyLaunchOn("cuLaunch", f, 1, 1, nullptr); }

Result cuLaunchGrid(Function f, int grid_width, int grid_height) {
  return LegacyLaunchOn("cuLaunchGrid", f, grid_width, grid_height, nullptr);
}

Result cuLaunchGridAsync(Function f, int grid_width, int grid_height, Stream stream) {
  return LegacyLaunchOn("cuLaunchGridAsync", f, grid_width, grid_height, stream);
}

Result cuFuncSetBlockShape(Function f, int x, int y, int z) {
  return LegacyCall("cuFuncSetBlockShape", f, [&](FunctionObject& function) {
    if (x <= 0 || y <= 0 || z <= 0) return kInvalidValue;
    function.legacy.block[0] = static_cast<unsigned>(x);
    function.legacy.block[1] = static_cast<unsigned>(y);
    function.legacy.block[2] = static_cast<unsigned>(z);
    return kSuccess;
  });
}

Result cuFuncSetSharedSize(Function f, unsigned bytes) {
  return LegacyCall("cuFuncSetSharedSize", f, [&](FunctionObject& function) {
    function.legacy.shared = bytes;
    return kSuccess;
  });
}

Result cuParamSetSize(Function f, unsigned bytes) {
  return LegacyCall("cuParamSetSize", f, [&](FunctionObject& function) {
    if (bytes > kMaxLegacyBytes) return kInvalidValue;
    function.legacy.parameters.resize(bytes);
    return kSuccess;
  });
}

Result cuParamSeti(Function f, int offset, unsigned value) {
  return SetParameter("cuParamSeti", f, offset, &value, sizeof(value));
}

Result cuParamSetf(Function f, int offset, float value) {
  return SetParameter("cuParamSetf", f, offset, &value, sizeof(value));
}

Result cuParamSetv(Function f, int offset, void* value, unsigned bytes) {
  return SetParameter("cuParamSetv", f, offset, value, bytes);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
