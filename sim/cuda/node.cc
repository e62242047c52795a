#include "sim/cuda/node.h"

namespace tranche::sim::cuda {

__attribute__((weak)) Result MakeKernelOperation(ContextObject& /*context*/,
                                                 const KernelNodeParams& /*parameters*/,
                                                 Operation* /*operation*/) {
  return kNotSupported;
}
__attribute__((weak)) Result MakeCopyOperation(ContextObject& /*context*/, const Memcpy3d& /*copy*/,
                                               Operation* /*operation*/) {
  return kNotSupported;
}
__attribute__((weak)) Result MakeFillOperation(ContextObject& /*context*/,
                                               const MemsetNodeParams& /*fill*/,
                                               Operation* /*operation*/) {
  return kNotSupported;
}

}  // namespace tranche::sim::cuda
