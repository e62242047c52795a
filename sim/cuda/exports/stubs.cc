// A weak definition of every function that libcuda.so.1 exports, so that all of them exist: where
// another file defines one, the linker takes that. A stub answers that the library is not
// initialised, and after cuInit that the call is not supported; that it was made is counted in the
// driver's log. Its parameters are not looked at, which the calling convention of x86-64 allows.
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {

Result Missing(const char* call) {
  if (!Initialised()) return kNotInitialized;
  CountMissing(call);
  return kNotSupported;
}

}  // namespace tranche::sim::cuda

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
#define DATA(name, bytes, driver)
#define EXPORT(name, base, version, flavour, driver) \
  extern "C" __attribute__((weak)) int name() { return tranche::sim::cuda::Missing(#name); }
#include "sim/cuda/exports/exports.def"
// NOLINTEND(readability-identifier-naming)
