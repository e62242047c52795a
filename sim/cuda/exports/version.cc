// Which version of CUDA this libcuda.so.1 is of: the only thing that differs between its builds,
// beside the set of exports.
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {

const unsigned kLibraryVersion = TRANCHE_CUDA_VERSION;

}  // namespace tranche::sim::cuda
