// CudaLibrary is libcuda.so.1, loaded by name as every CUDA program does: the functions that the
// workloads call, and the table that only a simulated library has.
//
// Threading: loaded once, read afterwards.
// Errors: Load gives a text that says what is missing.
#pragma once

#include <string>
#include <type_traits>

#include "sim/cuda/export_table.h"
#include "sim/cuda/functions.h"
#include "sim/workloads/driver_clock.h"

namespace tranche::sim::workloads {

#define TRANCHE_WORKLOAD_CALLS(X) \
  X(cuInit)                       \
  X(cuGetErrorName)               \
  X(cuGetExportTable)             \
  X(cuDeviceGet)                  \
  X(cuDeviceGetName)              \
  X(cuDevicePrimaryCtxRetain)     \
  X(cuCtxSetCurrent)              \
  X(cuModuleLoadData)             \
  X(cuModuleGetFunction)          \
  X(cuMemAlloc_v2)                \
  X(cuMemFree_v2)                 \
  X(cuMemGetInfo_v2)              \
  X(cuMemcpyHtoD_v2)              \
  X(cuMemcpyDtoH_v2)              \
  X(cuStreamCreate)               \
  X(cuStreamSynchronize)          \
  X(cuLaunchKernel)               \
  X(cuEventCreate)                \
  X(cuEventRecord)                \
  X(cuEventQuery)                 \
  X(cuEventSynchronize)           \
  X(cuEventElapsedTime)           \
  X(cuGraphCreate)                \
  X(cuGraphAddKernelNode)         \
  X(cuGraphInstantiateWithFlags)  \
  X(cuGraphLaunch)

namespace types {
using namespace cuda;  // NOLINT(google-build-using-namespace): as sim/cuda/functions.h asks for
// The types of all functions, by name. Never made.
struct CudaTypes {
#define TRANCHE_TYPE(name, ...) std::add_pointer_t<__VA_ARGS__> name;
#define TRANCHE_TYPES(name, per_thread, ...) std::add_pointer_t<__VA_ARGS__> name;
  TRANCHE_CUDA_FUNCTIONS(TRANCHE_TYPE, TRANCHE_TYPES)
#undef TRANCHE_TYPE
#undef TRANCHE_TYPES
};
}  // namespace types

struct CudaLibrary {
// NOLINTNEXTLINE(bugprone-macro-parentheses): a name that is declared has none
#define TRANCHE_MEMBER(name) decltype(types::CudaTypes::name) name = nullptr;
  TRANCHE_WORKLOAD_CALLS(TRANCHE_MEMBER)
#undef TRANCHE_MEMBER

  std::string Load();
  [[nodiscard]] const char* NameOf(cuda::Result result) const;
  // Of a simulated library only, after cuInit; nullptr on a real GPU.
  [[nodiscard]] const cuda::SimTable* Simulated() const;
};

}  // namespace tranche::sim::workloads
