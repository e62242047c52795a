#include "gpu/nvml/library.h"

#include <dlfcn.h>

#include <array>
#include <string_view>

#include "base/file.h"
#include "base/log.h"
#include "gpu/nvml/strings.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr const char* kLibraryName = "libnvidia-ml.so.1";
// Upstream's places, in its order.
constexpr std::array<std::string_view, 6> kPlaces = {
    "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu",
    "lib64",     "lib/x86_64-linux-gnu",     "lib/aarch64-linux-gnu"};

// A function pointer out of what dlsym gives (POSIX: they convert).
template <class Function>
void Find(void* handle, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(handle, name));
}

Table FindFunctions(void* handle) {
  Table table;
#define TRANCHE_NVML_FIND(name, ...) Find(handle, #name, table.name);
  TRANCHE_NVML_SYSTEM_FUNCTIONS(TRANCHE_NVML_FIND)
  TRANCHE_NVML_DEVICE_FUNCTIONS(TRANCHE_NVML_FIND)
  TRANCHE_NVML_READING_FUNCTIONS(TRANCHE_NVML_FIND)
  TRANCHE_NVML_PROCESS_FUNCTIONS(TRANCHE_NVML_FIND)
  TRANCHE_NVML_LINK_FUNCTIONS(TRANCHE_NVML_FIND)
  TRANCHE_NVML_MIG_FUNCTIONS(TRANCHE_NVML_FIND)
  TRANCHE_NVML_EVENT_FUNCTIONS(TRANCHE_NVML_FIND)
#undef TRANCHE_NVML_FIND
  return table;
}

std::string LoaderError() {
  const char* error = dlerror();
  return error == nullptr ? "unknown loader error" : base::Printable(error);
}

// nullptr and why not.
void* Load(const std::string& path, std::string& error) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) error = LoaderError();
  return handle;
}

}  // namespace

Result<std::shared_ptr<NvmlLibrary>> NvmlLibrary::Open(const std::string& driver_root) {
  std::string error;
  bool present = false;
  void* handle = nullptr;
  if (!driver_root.empty() && driver_root != "/") {
    for (const std::string_view place : kPlaces) {
      const std::string path = base::JoinPath(base::JoinPath(driver_root, place), kLibraryName);
      if (!base::Exists(path)) continue;
      present = true;
      handle = Load(path, error);
      if (handle != nullptr) break;
    }
  }
  // A library in the root that does not load is said to be broken, not passed over for another one.
  if (handle == nullptr && !present) handle = Load(kLibraryName, error);
  if (handle != nullptr) return Initialise(FindFunctions(handle), handle);
  // glibc's words where no file of that name is in its search path
  present = present || error.find("No such file or directory") == std::string::npos;
  return Status(present ? Code::kUnavailable : Code::kNotFound, error);
}

Result<std::shared_ptr<NvmlLibrary>> NvmlLibrary::Initialise(const Table& table, void* handle) {
  std::shared_ptr<NvmlLibrary> library(new NvmlLibrary(table, handle));
  if (table.nvmlInit_v2 == nullptr && table.nvmlInit == nullptr) {
    return Status(Code::kUnavailable, std::string(kLibraryName) +
                                          " has no function nvmlInit: it is not NVIDIA's library");
  }
  const Return result = CallNewest(table.nvmlInit_v2, table.nvmlInit);
  if (result != nvml::kSuccess) {
    const Code code = result == nvml::kDriverNotLoaded ? Code::kDataLoss : Code::kUnavailable;
    return Status(code, ReturnStatus(result, "nvmlInit").message());
  }
  library->initialised_ = true;
  return library;
}

NvmlLibrary::~NvmlLibrary() {
  if (initialised_) {
    const Return result = Call(table_.nvmlShutdown);
    if (result != nvml::kSuccess) {
      base::LogDebug("shutting NVML down", {base::Kv("error", ReturnText(result))});
    }
  }
  if (handle_ != nullptr) dlclose(handle_);
}

}  // namespace tranche::gpu::nvml
