#include "sim/cuda/code/modules.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sim/cuda/contexts.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

template <typename Handle, typename Object>
Table<Handle, Object>& TheTable() {
  static auto* const table = new Table<Handle, Object>();
  return *table;
}
Table<Function, FunctionObject>& Functions() { return TheTable<Function, FunctionObject>(); }
Table<Kernel, KernelObject>& Kernels() { return TheTable<Kernel, KernelObject>(); }

// The driver has freed the memory, or does so right now.
void ForgetModule(ModuleObject& module) {
  for (const auto& function : module.functions) Functions().Remove(function->handle);
  LibraryObject* const owner = Libraries().Find(module.library);
  if (owner != nullptr) owner->modules.erase(module.context);
  Modules().Remove(module.handle);
}

void EndModulesOf(ContextObject& context) {
  std::vector<std::shared_ptr<ModuleObject>> gone;
  for (const auto& [handle, module] : Modules()) {
    if (module->context == &context) gone.push_back(module);
  }
  for (const auto& module : gone) ForgetModule(*module);
}

std::uint64_t RoundUp(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Where each variable of the image begins in a block of its own memory; the block's size.
std::uint64_t LayOut(const ptx::Image& image, std::vector<std::uint64_t>* offsets) {
  std::uint64_t end = 0;
  for (const ptx::Variable& variable : image.variables) {
    const std::uint64_t begin = RoundUp(end, std::max<std::uint64_t>(variable.alignment, 1));
    offsets->push_back(begin);
    end = begin + variable.size;
  }
  return end;
}

std::size_t VariableIndex(const ptx::Image& image, std::string_view name) {
  const auto found =
      std::find_if(image.variables.begin(), image.variables.end(),
                   [&](const ptx::Variable& variable) { return variable.name == name; });
  return static_cast<std::size_t>(found - image.variables.begin());
}

void WriteVariable(const ptx::Image& image, const std::vector<std::uint64_t>& addresses,
                   std::size_t index, char* contents) {
  const ptx::Variable& variable = image.variables[index];
  std::memcpy(contents, variable.initial.data(), variable.initial.size());
  for (const ptx::Pointer& pointer : variable.pointers) {
    const std::size_t to = VariableIndex(image, pointer.to);
    if (to >= addresses.size() || pointer.at + 8 > variable.size) continue;
    const std::uint64_t address = addresses[to] + pointer.plus;
    std::memcpy(contents + pointer.at, &address, sizeof(address));
  }
}

Result MakeVariables(ContextObject& context, ModuleObject& module) {
  const ptx::Image& image = *module.image;
  std::vector<std::uint64_t> addresses;
  const std::uint64_t bytes = LayOut(image, &addresses);
  if (bytes != 0) {
    Allocation* memory = nullptr;
    const Result made = AllocateDevice(context, bytes, &memory);
    if (made != kSuccess) return made;
    module.blocks.push_back(memory->base);
    char* const contents = memory->host;
    std::memset(contents, 0, bytes);
    const std::vector<std::uint64_t> offsets = addresses;
    for (std::uint64_t& address : addresses) address += memory->base;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      WriteVariable(image, addresses, i, contents + offsets[i]);
    }
  }
  module.addresses = std::make_shared<const std::vector<std::uint64_t>>(std::move(addresses));
  return kSuccess;
}

}  // namespace

const ptx::Kernel& FunctionObject::kernel() const { return module->image->kernels[index]; }

Table<Module, ModuleObject>& Modules() { return TheTable<Module, ModuleObject>(); }
Table<Library, LibraryObject>& Libraries() { return TheTable<Library, LibraryObject>(); }

Result LoadModule(ContextObject& context, const std::shared_ptr<const ptx::Image>& image,
                  std::shared_ptr<ModuleObject>* module) {
  OnContextEnd(&EndModulesOf);
  for (const ptx::Variable& variable : image->variables) {
    if (variable.external) return kInvalidPtx;  // "Unresolved extern variable"
  }
  const auto made = std::make_shared<ModuleObject>();
  made->context = &context;
  made->image = image;
  const Result variables = MakeVariables(context, *made);
  if (variables != kSuccess) return variables;
  for (std::size_t i = 0; i < image->kernels.size(); ++i) {
    const auto function = std::make_shared<FunctionObject>();
    function->module = made.get();
    function->index = i;
    function->handle = Functions().Add(function);
    made->functions.push_back(function);
  }
  made->handle = Modules().Add(made);
  *module = made;
  return kSuccess;
}

void UnloadModule(ModuleObject& module) {
  const auto kept = Modules().Share(module.handle);
  ForgetModule(module);
  for (const DevicePtr block : module.blocks) {
    const Allocation* memory = Process::Get().memory().Find(block);
    if (memory != nullptr) FreeDevice(*memory);
  }
}

Result MakeLibrary(const Code& code, const Jit& jit, std::shared_ptr<LibraryObject>* library) {
  Process& process = Process::Get();
  // The GPU that is likely to be used first tells whether the code can be used.
  std::shared_ptr<ContextObject> context;
  const DeviceObject& device =
      process.CurrentContext(&context) == kSuccess ? *context->device : *process.devices().front();
  std::shared_ptr<const ptx::Image> image;
  const Result read = ReadImageFor(device, code, jit, &image);
  if (read != kSuccess) return read;
  const auto made = std::make_shared<LibraryObject>();
  made->code = code;
  made->images.emplace(device.gpu.compute_major * 10 + device.gpu.compute_minor, image);
  for (const ptx::Kernel& kernel : image->kernels) {
    const auto object = std::make_shared<KernelObject>();
    object->library = made.get();
    object->name = kernel.name;
    object->handle = Kernels().Add(object);
    made->kernels.push_back(object);
  }
  made->handle = Libraries().Add(made);
  *library = made;
  return kSuccess;
}

void EndLibrary(LibraryObject& library) {
  const auto kept = Libraries().Share(library.handle);
  const auto modules = library.modules;
  for (const auto& [context, handle] : modules) {
    ModuleObject* const module = Modules().Find(handle);
    if (module != nullptr) UnloadModule(*module);
  }
  for (const auto& kernel : library.kernels) Kernels().Remove(kernel->handle);
  Libraries().Remove(library.handle);
}

Result ModuleOf(LibraryObject& library, ContextObject& context, ModuleObject** module) {
  const auto found = library.modules.find(&context);
  if (found != library.modules.end()) {
    *module = Modules().Find(found->second);
    return *module == nullptr ? kInvalidHandle : kSuccess;
  }
  const DeviceObject& device = *context.device;
  auto& image = library.images[device.gpu.compute_major * 10 + device.gpu.compute_minor];
  if (image == nullptr) {
    const Result read = ReadImageFor(device, library.code, {}, &image);
    if (read != kSuccess) return read;
  }
  std::shared_ptr<ModuleObject> made;
  const Result loaded = LoadModule(context, image, &made);
  if (loaded != kSuccess) return loaded;
  made->library = library.handle;
  library.modules.emplace(&context, made->handle);
  *module = made.get();
  return kSuccess;
}

KernelObject* FindKernel(Kernel handle) { return Kernels().Find(handle); }

FunctionObject* FindFunction(Function handle) { return Functions().Find(handle); }

Result FindFunction(Function handle, ContextObject& context, FunctionObject** function) {
  *function = Functions().Find(handle);
  if (*function != nullptr) return kSuccess;
  // A kernel's handle is one of a function, too.
  const KernelObject* const kernel = Kernels().Find(reinterpret_cast<Kernel>(handle));
  if (kernel == nullptr) return kInvalidHandle;
  ModuleObject* module = nullptr;
  const Result loaded = ModuleOf(*kernel->library, context, &module);
  return loaded == kSuccess ? FunctionCalled(*module, kernel->name.c_str(), function) : loaded;
}

Result FunctionCalled(const ModuleObject& module, const char* name, FunctionObject** function) {
  for (const auto& one : module.functions) {
    if (one->kernel().name != name) continue;
    *function = one.get();
    return kSuccess;
  }
  return kNotFound;
}

Result VariableCalled(const ModuleObject& module, const char* name, Variables among,
                      DevicePtr* address, std::size_t* bytes) {
  const std::size_t index = VariableIndex(*module.image, name);
  if (index >= module.image->variables.size()) return kNotFound;
  const ptx::Variable& variable = module.image->variables[index];
  if (among == Variables::kManaged && !variable.managed) return kNotFound;
  if (address != nullptr) *address = (*module.addresses)[index];
  if (bytes != nullptr) *bytes = variable.size;
  return kSuccess;
}

}  // namespace tranche::sim::cuda
