// cuGetProcAddress in both its forms: asked of the driver as it was asked, and routed by the
// address that the driver gave. So a hook is given for exactly those names, versions and flags for
// which the driver gives the function that is hooked.
#include "shim/driver.h"

namespace tranche::shim {

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGetProcAddress(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags) {
  const Result result = TRANCHE_REAL(cuGetProcAddress, symbol, pfn, cuda_version, flags);
  if (result == kSuccess && pfn != nullptr) *pfn = Routed(*pfn);
  return result;
}

Result cuGetProcAddress_v2(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags,
                           int* symbol_status) {
  const Result result =
      TRANCHE_REAL(cuGetProcAddress_v2, symbol, pfn, cuda_version, flags, symbol_status);
  if (result == kSuccess && pfn != nullptr) *pfn = Routed(*pfn);
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
