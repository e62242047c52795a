// cuGetProcAddress in both its forms, and cuGetExportTable. They work without cuInit.
#include <cstring>

#include "sim/cuda/declarations.h"
#include "sim/cuda/export_table.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {

// The weak hooks stand in until the core has its own.
__attribute__((weak)) bool Initialised() { return true; }
__attribute__((weak)) void CountMissing(const char* /*call*/) {}
__attribute__((weak)) Result SimClock(std::uint64_t* /*epoch_ns*/, unsigned* /*time_scale*/) {
  return kSystemNotReady;
}

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

// An unknown name is a success that finds nothing. A negative version is taken as a very high one.
Result cuGetProcAddress_v2(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags,
                           ProcAddressStatus* symbol_status) {
  constexpr std::uint64_t kFlags = kProcAddressLegacyStream | kProcAddressPerThreadDefaultStream;
  if (symbol == nullptr || pfn == nullptr || (flags & ~kFlags) != 0) return kInvalidValue;
  const FoundExport found = FindExport(symbol, static_cast<unsigned>(cuda_version), flags);
  *pfn = found.function;
  if (symbol_status != nullptr) *symbol_status = found.status;
  return kSuccess;
}

// The form of CUDA 11: what is not found is an error, and leaves `pfn` as it was.
Result cuGetProcAddress(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags) {
  void* found = nullptr;
  const Result result =
      cuGetProcAddress_v2(symbol, pfn == nullptr ? nullptr : &found, cuda_version, flags, nullptr);
  if (result != kSuccess) return result;
  if (found == nullptr) return kNotFound;
  *pfn = found;
  return kSuccess;
}

// NVIDIA's own tables are undocumented, and none is here.
Result cuGetExportTable(const void** export_table, const Uuid* export_table_id) {
  static constexpr SimTable kTable = {sizeof(SimTable), &SimClock};
  if (export_table == nullptr || export_table_id == nullptr) return kInvalidValue;
  if (std::memcmp(export_table_id, &kSimTableId, sizeof kSimTableId) != 0) return kInvalidValue;
  *export_table = &kTable;
  return kSuccess;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
