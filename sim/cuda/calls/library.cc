// Libraries: code that belongs to no context, and is loaded into those in which it is used.
#include "sim/cuda/library.h"

#include "sim/cuda/capture.h"
#include "sim/cuda/code/jit.h"
#include "sim/cuda/code/modules.h"
#include "sim/cuda/declarations.h"

namespace tranche::sim::cuda {
namespace {

Result Load(const Code& code, const Jit& jit, Library* library) {
  std::shared_ptr<LibraryObject> made;
  const Result result = MakeLibrary(code, jit, &made);
  if (result == kSuccess) *library = made->handle;
  return result;
}

// body(library) for a library that there is.
template <typename Body>
Result LibraryCall(const char* name, Library handle, Body body) {
  return InitCall(name, [&](Process& /*process*/) -> Result {
    LibraryObject* const library = Libraries().Find(handle);
    return library == nullptr ? kInvalidHandle : static_cast<Result>(body(*library));
  });
}

// body(module) for the library's module in the current context.
template <typename Body>
Result LibraryModuleCall(const char* name, Library handle, Body body) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    LibraryObject* const library = Libraries().Find(handle);
    if (library == nullptr) return kInvalidHandle;
    ModuleObject* module = nullptr;
    const Result loaded = ModuleOf(*library, context, &module);
    return loaded == kSuccess ? static_cast<Result>(body(*module)) : loaded;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

// The options of the library itself say how NVIDIA's driver keeps its memory.
Result cuLibraryLoadData(Library* library, const void* code, JitOption* jit_options,
                         void** jit_options_values, unsigned num_jit_options,
                         LibraryOption* /*library_options*/, void** /*library_option_values*/,
                         unsigned /*num_library_options*/) {
  if (library == nullptr || code == nullptr) return kInvalidValue;
  const Jit jit{num_jit_options, jit_options, jit_options_values};
  return InitCall("cuLibraryLoadData", [&](Process& /*process*/) {
    const Result options = jit.Check();
    return options == kSuccess ? Load(CopyCode(code), jit, library) : options;
  });
}

Result cuLibraryLoadFromFile(Library* library, const char* file_name, JitOption* jit_options,
                             void** jit_options_values, unsigned num_jit_options,
                             LibraryOption* /*library_options*/, void** /*library_option_values*/,
                             unsigned /*num_library_options*/) {
  if (library == nullptr || file_name == nullptr) return kInvalidValue;
  const Jit jit{num_jit_options, jit_options, jit_options_values};
  return InitCall("cuLibraryLoadFromFile", [&](Process& /*process*/) {
    Code code;
    Result result = jit.Check();
    if (result == kSuccess) result = ReadCode(file_name, &code);
    return result == kSuccess ? Load(code, jit, library) : result;
  });
}

Result cuLibraryUnload(Library library) {
  if (library == nullptr) return kInvalidHandle;
  return LibraryCall("cuLibraryUnload", library, [](LibraryObject& found) {
    EndLibrary(found);
    return kSuccess;
  });
}

Result cuLibraryGetKernel(Kernel* kernel, Library library, const char* name) {
  if (kernel == nullptr || library == nullptr || name == nullptr) return kInvalidValue;
  return LibraryCall("cuLibraryGetKernel", library, [&](const LibraryObject& found) {
    for (const auto& one : found.kernels) {
      if (one->name != name) continue;
      *kernel = one->handle;
      return kSuccess;
    }
    return kNotFound;
  });
}

Result cuLibraryGetKernelCount(unsigned* count, Library lib) {
  if (count == nullptr || lib == nullptr) return kInvalidValue;
  return LibraryCall("cuLibraryGetKernelCount", lib, [&](const LibraryObject& found) {
    *count = static_cast<unsigned>(found.kernels.size());
    return kSuccess;
  });
}

Result cuLibraryEnumerateKernels(Kernel* kernels, unsigned num_kernels, Library lib) {
  if (kernels == nullptr || lib == nullptr) return kInvalidValue;
  return LibraryCall("cuLibraryEnumerateKernels", lib, [&](const LibraryObject& found) {
    for (unsigned i = 0; i < num_kernels && i < found.kernels.size(); ++i) {
      kernels[i] = found.kernels[i]->handle;
    }
    return kSuccess;
  });
}

Result cuLibraryGetModule(Module* module, Library library) {
  if (module == nullptr || library == nullptr) return kInvalidValue;
  return LibraryModuleCall("cuLibraryGetModule", library, [&](const ModuleObject& found) {
    *module = found.handle;
    return kSuccess;
  });
}

Result cuLibraryGetGlobal(DevicePtr* dptr, std::size_t* bytes, Library library, const char* name) {
  if (library == nullptr || name == nullptr || *name == '\0') return kInvalidValue;
  return LibraryModuleCall("cuLibraryGetGlobal", library, [&](const ModuleObject& found) {
    return VariableCalled(found, name, Variables::kAll, dptr, bytes);
  });
}

Result cuLibraryGetManaged(DevicePtr* dptr, std::size_t* bytes, Library library, const char* name) {
  if (library == nullptr || name == nullptr || *name == '\0') return kInvalidValue;
  return LibraryModuleCall("cuLibraryGetManaged", library, [&](const ModuleObject& found) {
    return VariableCalled(found, name, Variables::kManaged, dptr, bytes);
  });
}

// Unified functions are for systems with one memory for all.
Result cuLibraryGetUnifiedFunction(void** fptr, Library library, const char* symbol) {
  return LibraryCall("cuLibraryGetUnifiedFunction", library, [&](const LibraryObject& /*found*/) {
    return fptr == nullptr || symbol == nullptr ? kInvalidValue : kNotFound;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
