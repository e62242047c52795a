// NvmlLibrary finds, loads and initialises libnvidia-ml.so.1. Any of its functions may be absent.
//
// The library is shut down and unloaded when the last shared pointer to it is released.
//
// Threading: safe on any thread, as NVML itself is.
// Errors: kNotFound where there is no library, kDataLoss where it says that the driver is not
// loaded, kUnavailable where it cannot be used.
#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include "base/status.h"
#include "gpu/nvml/functions.h"

namespace tranche::gpu::nvml {

// The functions that we call, by name; nullptr where the library has none.
struct Table {
#define TRANCHE_NVML_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
  TRANCHE_NVML_SYSTEM_FUNCTIONS(TRANCHE_NVML_MEMBER)
  TRANCHE_NVML_DEVICE_FUNCTIONS(TRANCHE_NVML_MEMBER)
  TRANCHE_NVML_READING_FUNCTIONS(TRANCHE_NVML_MEMBER)
  TRANCHE_NVML_PROCESS_FUNCTIONS(TRANCHE_NVML_MEMBER)
  TRANCHE_NVML_LINK_FUNCTIONS(TRANCHE_NVML_MEMBER)
  TRANCHE_NVML_MIG_FUNCTIONS(TRANCHE_NVML_MEMBER)
  TRANCHE_NVML_EVENT_FUNCTIONS(TRANCHE_NVML_MEMBER)
#undef TRANCHE_NVML_MEMBER
};

// Calls `function`, if there is one.
template <class Function, class... Arguments>
Return Call(Function* function, Arguments... arguments) {
  return function == nullptr ? kFunctionNotFound : function(arguments...);
}

// The versioned name, or where an old driver lacks it the name without version.
template <class Function, class... Arguments>
Return CallNewest(Function* newest, Function* oldest, Arguments... arguments) {
  return Call(newest != nullptr ? newest : oldest, arguments...);
}

class NvmlLibrary {
 public:
  // Looks in the driver root as upstream does (usr/lib64, usr/lib/<machine>, lib64, lib/<machine>),
  // then asks the loader; root "" or "/" is the loader alone. kNotFound: there is none.
  // kUnavailable: there is one, but it cannot be loaded, is something else, or does not initialise;
  // kDataLoss: because the driver is not loaded.
  static base::Result<std::shared_ptr<NvmlLibrary>> Open(const std::string& driver_root);

  // Initialises what `table` leads to; `handle` (may be nullptr) is closed at the end.
  static base::Result<std::shared_ptr<NvmlLibrary>> Initialise(const Table& table, void* handle);

  NvmlLibrary(const NvmlLibrary&) = delete;
  NvmlLibrary& operator=(const NvmlLibrary&) = delete;
  ~NvmlLibrary();

  [[nodiscard]] const Table& table() const { return table_; }

 private:
  NvmlLibrary(const Table& table, void* handle) : table_(table), handle_(handle) {}

  Table table_;
  void* handle_;
  bool initialised_ = false;
};

}  // namespace tranche::gpu::nvml
