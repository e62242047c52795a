#include "sim/workloads/library.h"

#include <dlfcn.h>

#include "sim/workloads/old_glibc.h"

namespace tranche::sim::workloads {

std::string CudaLibrary::Load() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) return std::string("no CUDA driver: ") + dlerror();
#define TRANCHE_LOAD(name)                                          \
  (name) = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
  if ((name) == nullptr) return "libcuda.so.1 has no " #name;
  TRANCHE_WORKLOAD_CALLS(TRANCHE_LOAD)
#undef TRANCHE_LOAD
  return "";
}

const char* CudaLibrary::NameOf(cuda::Result result) const {
  const char* name = nullptr;
  return cuGetErrorName(result, &name) == cuda::kSuccess && name != nullptr ? name
                                                                            : "unknown CUDA error";
}

const cuda::SimTable* CudaLibrary::Simulated() const {
  const void* table = nullptr;
  if (cuGetExportTable(&table, &cuda::kSimTableId) != cuda::kSuccess) return nullptr;
  return static_cast<const cuda::SimTable*>(table);
}

}  // namespace tranche::sim::workloads
