// Modules: code loaded into the current context.
#include "sim/cuda/capture.h"
#include "sim/cuda/code/jit.h"
#include "sim/cuda/code/modules.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

Result Load(ContextObject& context, const Code& code, const Jit& jit, Module* module) {
  const Result allowed = AllowsUnsafeCall(Process::Get());
  if (allowed != kSuccess) return allowed;
  std::shared_ptr<const ptx::Image> image;
  const Result read = ReadImageFor(*context.device, code, jit, &image);
  if (read != kSuccess) return read;
  std::shared_ptr<ModuleObject> made;
  const Result loaded = LoadModule(context, image, &made);
  if (loaded == kSuccess) *module = made->handle;
  return loaded;
}

Result LoadData(const char* name, Module* module, const void* image, const Jit& jit) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    if (module == nullptr || image == nullptr) return kInvalidValue;
    const Result options = jit.Check();
    return options == kSuccess ? Load(context, CopyCode(image), jit, module) : options;
  });
}

// body(module) for a module that there is.
template <typename Body>
Result ModuleCall(const char* name, Module handle, Body body) {
  return ContextCall(name, [&](ContextObject& /*context*/) -> Result {
    ModuleObject* const module = Modules().Find(handle);
    return module == nullptr ? kInvalidHandle : static_cast<Result>(body(*module));
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuModuleLoad(Module* module, const char* fname) {
  return ContextCall("cuModuleLoad", [&](ContextObject& context) -> Result {
    if (module == nullptr || fname == nullptr) return kInvalidValue;
    Code code;
    const Result read = ReadCode(fname, &code);
    return read == kSuccess ? Load(context, code, {}, module) : read;
  });
}

Result cuModuleLoadData(Module* module, const void* image) {
  return LoadData("cuModuleLoadData", module, image, {});
}

Result cuModuleLoadDataEx(Module* module, const void* image, unsigned num_options,
                          JitOption* options, void** option_values) {
  return LoadData("cuModuleLoadDataEx", module, image, {num_options, options, option_values});
}

Result cuModuleLoadFatBinary(Module* module, const void* fat_cubin) {
  return LoadData("cuModuleLoadFatBinary", module, fat_cubin, {});
}

Result cuModuleUnload(Module hmod) {
  return ModuleCall("cuModuleUnload", hmod, [&](ModuleObject& module) {
    const Result allowed = AllowsUnsafeCall(Process::Get());
    if (allowed != kSuccess) return allowed;
    if (module.library != nullptr) return kNotPermitted;  // it goes with its library
    UnloadModule(module);
    return kSuccess;
  });
}

Result cuModuleGetLoadingMode(LoadingMode* mode) {
  return InitCall("cuModuleGetLoadingMode", [&](Process& /*process*/) {
    if (mode == nullptr) return kInvalidValue;
    *mode = kLoadingLazy;
    return kSuccess;
  });
}

Result cuModuleGetFunction(Function* hfunc, Module hmod, const char* name) {
  return ModuleCall("cuModuleGetFunction", hmod, [&](const ModuleObject& module) {
    if (hfunc == nullptr || name == nullptr || *name == '\0') return kInvalidValue;
    FunctionObject* function = nullptr;
    const Result found = FunctionCalled(module, name, &function);
    if (found == kSuccess) *hfunc = function->handle;
    return found;
  });
}

Result cuModuleGetFunctionCount(unsigned* count, Module module) {
  if (count == nullptr || module == nullptr) return kInvalidValue;
  return ModuleCall("cuModuleGetFunctionCount", module, [&](const ModuleObject& found) {
    *count = static_cast<unsigned>(found.functions.size());
    return kSuccess;
  });
}

Result cuModuleEnumerateFunctions(Function* functions, unsigned num_functions, Module module) {
  if (functions == nullptr || module == nullptr) return kInvalidValue;
  return ModuleCall("cuModuleEnumerateFunctions", module, [&](const ModuleObject& found) {
    for (unsigned i = 0; i < num_functions && i < found.functions.size(); ++i) {
      functions[i] = found.functions[i]->handle;
    }
    return kSuccess;
  });
}

Result cuModuleGetGlobal_v2(DevicePtr* dptr, std::size_t* bytes, Module hmod, const char* name) {
  return ModuleCall("cuModuleGetGlobal_v2", hmod, [&](const ModuleObject& module) {
    if (name == nullptr) return kInvalidValue;
    return VariableCalled(module, name, Variables::kAll, dptr, bytes);
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
