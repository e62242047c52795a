// The objects behind modules, functions, libraries and kernels, and how code gets into a context.
//
// A module is code loaded into one context: its global variables have memory there. A library is
// code that belongs to no context: what is asked of it in a context loads it there first, as a
// module. A function is a kernel of a module, and a kernel one of a library. Where CUDA takes a
// function it takes a kernel too, and means the function of the context at hand.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/code/jit.h"
#include "sim/cuda/objects.h"
#include "sim/ptx/image.h"

namespace tranche::sim::cuda {

struct ModuleObject;

// What cuFuncSetAttribute and cuFuncSetCacheConfig set.
struct FunctionSettings {
  int dynamic_shared = -1;  // the most that a launch may add; -1: what fits without asking
  int carveout = -1;
  CacheConfig cache = kCachePreferNone;
  int cluster_required = 0;
  int cluster[3] = {};
  int cluster_non_portable = 0;
  int cluster_policy = 0;
};

// What the functions of the first CUDA set for the next cuLaunch.
struct LegacyLaunch {
  unsigned block[3] = {1, 1, 1};
  unsigned shared = 0;
  std::vector<char> parameters;
};

struct FunctionObject {
  Function handle = nullptr;
  ModuleObject* module = nullptr;
  std::size_t index = 0;  // of the kernel in the module's image
  FunctionSettings settings;
  LegacyLaunch legacy;
  [[nodiscard]] const ptx::Kernel& kernel() const;
};

struct ModuleObject {
  Module handle = nullptr;
  ContextObject* context = nullptr;
  Library library = nullptr;  // whose module it is; none of a program's own
  std::shared_ptr<const ptx::Image> image;
  std::shared_ptr<const std::vector<std::uint64_t>> addresses;  // of the image's variables
  std::vector<DevicePtr> blocks;                                // of memory, to be freed
  std::vector<std::shared_ptr<FunctionObject>> functions;       // in the image's order
};

struct LibraryObject;

struct KernelObject {
  Kernel handle = nullptr;
  LibraryObject* library = nullptr;
  std::string name;
};

struct LibraryObject {
  Library handle = nullptr;
  Code code;
  // Its image for an architecture; all have the same kernels.
  std::map<int, std::shared_ptr<const ptx::Image>> images;
  std::vector<std::shared_ptr<KernelObject>> kernels;
  std::unordered_map<ContextObject*, Module> modules;
};

Table<Module, ModuleObject>& Modules();
Table<Library, LibraryObject>& Libraries();

// Loads the code into the context. `jit` gets the compiler's log.
Result LoadModule(ContextObject& context, const std::shared_ptr<const ptx::Image>& image,
                  std::shared_ptr<ModuleObject>* module);
void UnloadModule(ModuleObject& module);

Result MakeLibrary(const Code& code, const Jit& jit, std::shared_ptr<LibraryObject>* library);
void EndLibrary(LibraryObject& library);
// The library's module in the context, loaded where it is not yet.
Result ModuleOf(LibraryObject& library, ContextObject& context, ModuleObject** module);

KernelObject* FindKernel(Kernel handle);
// kInvalidHandle for what is neither a function nor a kernel; a kernel's function in `context`.
Result FindFunction(Function handle, ContextObject& context, FunctionObject** function);
// The same, of a function in the context that it belongs to.
FunctionObject* FindFunction(Function handle);
// kNotFound where the module has no kernel or variable of that name.
Result FunctionCalled(const ModuleObject& module, const char* name, FunctionObject** function);
// Of which variables a name is looked for.
enum class Variables { kAll, kManaged };
Result VariableCalled(const ModuleObject& module, const char* name, Variables among,
                      DevicePtr* address, std::size_t* bytes);

// A function's attribute; false: there is no such attribute.
bool FunctionAttributeOf(const FunctionObject& function, FunctionAttribute attribute, int* value);
Result SetFunctionAttribute(FunctionObject& function, FunctionAttribute attribute, int value);

}  // namespace tranche::sim::cuda
