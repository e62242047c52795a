// Functions and kernels: what they are called, what they take, and their attributes.
#include "sim/cuda/capture.h"
#include "sim/cuda/code/modules.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

// body(function) for a function, or a kernel's in the current context.
template <typename Body>
Result FunctionCall(const char* name, Function handle, Body body) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    FunctionObject* function = nullptr;
    const Result found = FindFunction(handle, context, &function);
    return found == kSuccess ? static_cast<Result>(body(*function)) : found;
  });
}

// body(kernel) for a kernel that there is.
template <typename Body>
Result KernelCall(const char* name, Kernel handle, Body body) {
  return InitCall(name, [&](Process& /*process*/) -> Result {
    KernelObject* const kernel = FindKernel(handle);
    return kernel == nullptr ? kInvalidHandle : static_cast<Result>(body(*kernel));
  });
}

// body(function) for a kernel's function in the current context.
template <typename Body>
Result KernelFunctionCall(const char* name, Kernel handle, Body body) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    if (FindKernel(handle) == nullptr) return kInvalidHandle;
    FunctionObject* function = nullptr;
    const Result found = FindFunction(reinterpret_cast<Function>(handle), context, &function);
    return found == kSuccess ? static_cast<Result>(body(*function)) : found;
  });
}

// The same in the primary context of a device, or in the current one if that is of the device.
template <typename Body>
Result KernelOnDeviceCall(const char* name, Kernel handle, Device ordinal, Body body) {
  return DeviceCall(name, ordinal, [&](DeviceObject& device) -> Result {
    if (FindKernel(handle) == nullptr) return kInvalidHandle;
    std::shared_ptr<ContextObject> context;
    const bool current = Process::Get().CurrentContext(&context) == kSuccess;
    if (!current || context->device != &device) context = device.primary;
    if (context == nullptr || !context->alive) return kInvalidContext;
    FunctionObject* function = nullptr;
    const Result found = FindFunction(reinterpret_cast<Function>(handle), *context, &function);
    return found == kSuccess ? static_cast<Result>(body(*function)) : found;
  });
}

Result ParamInfo(const FunctionObject& function, std::size_t index, std::size_t* offset,
                 std::size_t* size) {
  const ptx::Kernel& kernel = function.kernel();
  if (index >= kernel.params.size()) return kInvalidValue;
  *offset = kernel.params[index].offset;
  if (size != nullptr) *size = kernel.params[index].size;
  return kSuccess;
}

Result Name(const ptx::Kernel& kernel, const char** name) {
  *name = kernel.name.c_str();
  return kSuccess;
}

Result SetCache(FunctionObject& function, CacheConfig config) {
  if (config < kCachePreferNone || config > kCachePreferEqual) return kInvalidValue;
  function.settings.cache = config;
  return kSuccess;
}

Result Attribute(const FunctionObject& function, FunctionAttribute attribute, int* value) {
  return FunctionAttributeOf(function, attribute, value) ? kSuccess : kInvalidValue;
}

// The real library reads a name from behind the handle, whether it is initialised or not.
bool NotReady() { return Process::Get().phase() != Phase::kReady; }

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuFuncGetAttribute(int* pi, FunctionAttribute attrib, Function hfunc) {
  if (pi == nullptr && kLibraryVersion >= 12040) return kInvalidValue;  // 12.2 does so later
  return FunctionCall("cuFuncGetAttribute", hfunc, [&](const FunctionObject& function) {
    return pi == nullptr ? kInvalidValue : Attribute(function, attrib, pi);
  });
}

Result cuFuncSetAttribute(Function hfunc, FunctionAttribute attrib, int value) {
  return FunctionCall("cuFuncSetAttribute", hfunc, [&](FunctionObject& function) {
    return SetFunctionAttribute(function, attrib, value);
  });
}

Result cuFuncSetCacheConfig(Function hfunc, CacheConfig config) {
  return FunctionCall("cuFuncSetCacheConfig", hfunc,
                      [&](FunctionObject& function) { return SetCache(function, config); });
}

Result cuFuncSetSharedMemConfig(Function hfunc, SharedConfig config) {
  return FunctionCall("cuFuncSetSharedMemConfig", hfunc, [&](const FunctionObject& /*function*/) {
    const bool known = config >= kSharedDefaultBankSize && config <= kSharedEightByteBankSize;
    return known ? kSuccess : kInvalidValue;
  });
}

Result cuFuncGetModule(Module* hmod, Function hfunc) {
  return FunctionCall("cuFuncGetModule", hfunc, [&](const FunctionObject& function) {
    if (hmod == nullptr) return kInvalidValue;
    *hmod = function.module->handle;
    return kSuccess;
  });
}

Result cuFuncGetName(const char** name, Function hfunc) {
  if (name == nullptr || hfunc == nullptr) return kInvalidValue;
  if (NotReady()) return kSuccess;
  return FunctionCall("cuFuncGetName", hfunc, [&](const FunctionObject& function) {
    return Name(function.kernel(), name);
  });
}

Result cuFuncGetParamInfo(Function function, std::size_t param_index, std::size_t* param_offset,
                          std::size_t* param_size) {
  if (param_offset == nullptr || function == nullptr) return kInvalidValue;
  if (NotReady()) return kInvalidValue;
  return FunctionCall("cuFuncGetParamInfo", function, [&](const FunctionObject& found) {
    return ParamInfo(found, param_index, param_offset, param_size);
  });
}

// 12.4's; CUfunctionLoadingState: 0 for not loaded, 1 for loaded.
Result cuFuncIsLoaded(int* state, Function function) {
  if (state == nullptr || function == nullptr) return kInvalidValue;
  return FunctionCall("cuFuncIsLoaded", function, [&](const FunctionObject& /*found*/) {
    *state = 1;
    return kSuccess;
  });
}

Result cuFuncLoad(Function function) {
  if (function == nullptr) return kInvalidHandle;
  return FunctionCall("cuFuncLoad", function,
                      [](const FunctionObject& /*found*/) { return kSuccess; });
}

Result cuKernelGetFunction(Function* function, Kernel kernel) {
  if (function == nullptr || kernel == nullptr) return kInvalidValue;
  return KernelFunctionCall("cuKernelGetFunction", kernel, [&](const FunctionObject& found) {
    *function = found.handle;
    return kSuccess;
  });
}

// 12.5's.
Result cuKernelGetLibrary(Library* library, Kernel kernel) {
  if (library == nullptr || kernel == nullptr) return kInvalidValue;
  return KernelCall("cuKernelGetLibrary", kernel, [&](const KernelObject& found) {
    *library = found.library->handle;
    return kSuccess;
  });
}

Result cuKernelGetName(const char** name, Kernel hfunc) {
  if (name == nullptr || hfunc == nullptr) return kInvalidValue;
  if (NotReady()) return kSuccess;
  return KernelCall("cuKernelGetName", hfunc, [&](const KernelObject& kernel) {
    *name = kernel.name.c_str();
    return kSuccess;
  });
}

Result cuKernelGetParamInfo(Kernel kernel, std::size_t param_index, std::size_t* param_offset,
                            std::size_t* param_size) {
  if (param_offset == nullptr || kernel == nullptr) return kInvalidValue;
  return KernelFunctionCall("cuKernelGetParamInfo", kernel, [&](const FunctionObject& found) {
    return ParamInfo(found, param_index, param_offset, param_size);
  });
}

Result cuKernelGetAttribute(int* pi, FunctionAttribute attrib, Kernel kernel, Device device) {
  return KernelOnDeviceCall(
      "cuKernelGetAttribute", kernel, device, [&](const FunctionObject& function) {
        return pi == nullptr ? kInvalidValue : Attribute(function, attrib, pi);
      });
}

Result cuKernelSetAttribute(FunctionAttribute attrib, int val, Kernel kernel, Device device) {
  return KernelOnDeviceCall("cuKernelSetAttribute", kernel, device, [&](FunctionObject& function) {
    return SetFunctionAttribute(function, attrib, val);
  });
}

Result cuKernelSetCacheConfig(Kernel kernel, CacheConfig config, Device device) {
  return KernelOnDeviceCall("cuKernelSetCacheConfig", kernel, device,
                            [&](FunctionObject& function) { return SetCache(function, config); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
