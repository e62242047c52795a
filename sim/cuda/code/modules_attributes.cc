// What a function answers for each CUfunction_attribute.
#include "sim/cuda/code/modules.h"
#include "sim/cuda/code/occupancy.h"

namespace tranche::sim::cuda {
namespace {

std::uint64_t ConstantBytes(const ptx::Image& image) {
  std::uint64_t bytes = 0;
  for (const ptx::Variable& variable : image.variables) {
    if (variable.space == ptx::VariableSpace::kConst) bytes += variable.size;
  }
  return bytes;
}

}  // namespace

bool FunctionAttributeOf(const FunctionObject& function, FunctionAttribute attribute, int* value) {
  const ptx::Kernel& kernel = function.kernel();
  const FunctionSettings& settings = function.settings;
  const DeviceObject& device = DeviceOf(function);
  const int architecture = device.gpu.compute_major * 10 + device.gpu.compute_minor;
  const auto answer = [&](std::uint64_t number) {
    *value = static_cast<int>(number);
    return true;
  };
  switch (attribute) {
    case kFunctionMaxThreadsPerBlock:
      return answer(MaxThreadsOf(function));
    case kFunctionSharedSizeBytes:
      return answer(kernel.shared_bytes);
    case kFunctionConstSizeBytes:
      return answer(ConstantBytes(*function.module->image));
    case kFunctionLocalSizeBytes:
      return answer(kernel.local_bytes);
    case kFunctionNumRegs:
      return answer(RegistersOf(function));
    case kFunctionPtxVersion:
      return answer(static_cast<std::uint64_t>(function.module->image->architecture));
    case kFunctionBinaryVersion: {
      // PTX text is compiled for the GPU at hand.
      const bool cubin = function.module->image->form == ptx::Form::kCubin;
      *value = cubin ? function.module->image->architecture : architecture;
      return true;
    }
    case kFunctionCacheModeCa:
      return answer(0);
    case kFunctionMaxDynamicSharedSizeBytes:
      return answer(MaxDynamicSharedOf(function));
    case kFunctionPreferredSharedMemoryCarveout:
      *value = settings.carveout;
      return true;
    case kFunctionClusterSizeMustBeSet:
      *value = settings.cluster_required;
      return true;
    case kFunctionRequiredClusterWidth:
    case kFunctionRequiredClusterHeight:
    case kFunctionRequiredClusterDepth:
      *value = settings.cluster[attribute - kFunctionRequiredClusterWidth];
      return true;
    case kFunctionNonPortableClusterSizeAllowed:
      *value = settings.cluster_non_portable;
      return true;
    case kFunctionClusterSchedulingPolicyPreference:
      *value = settings.cluster_policy;
      return true;
  }
  return false;
}

Result SetFunctionAttribute(FunctionObject& function, FunctionAttribute attribute, int value) {
  FunctionSettings& settings = function.settings;
  switch (attribute) {
    case kFunctionMaxDynamicSharedSizeBytes: {
      const std::uint64_t most = LimitOf(function, kAttributeMaxSharedMemoryPerBlockOptin);
      const auto wanted = static_cast<std::uint64_t>(value < 0 ? 0 : value);
      if (value < 0 || wanted + function.kernel().shared_bytes > most) return kInvalidValue;
      settings.dynamic_shared = value;
      return kSuccess;
    }
    case kFunctionPreferredSharedMemoryCarveout:
      if (value < -1 || value > 100) return kInvalidValue;
      settings.carveout = value;
      return kSuccess;
    case kFunctionRequiredClusterWidth:
    case kFunctionRequiredClusterHeight:
    case kFunctionRequiredClusterDepth:
      if (value < 0) return kInvalidValue;
      settings.cluster[attribute - kFunctionRequiredClusterWidth] = value;
      return kSuccess;
    case kFunctionNonPortableClusterSizeAllowed:
      if (value != 0 && value != 1) return kInvalidValue;
      settings.cluster_non_portable = value;
      return kSuccess;
    case kFunctionClusterSchedulingPolicyPreference:
      if (value < 0 || value > 2) return kInvalidValue;
      settings.cluster_policy = value;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

}  // namespace tranche::sim::cuda
