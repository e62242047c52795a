// How many blocks of a function run at once.
#include "sim/cuda/code/occupancy.h"

#include <algorithm>

#include "sim/cuda/attributes.h"
#include "sim/cuda/code/launch.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr unsigned kDisableCachingOverride = 1;  // CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE

template <typename Body>
Result OccupancyCall(const char* name, Function handle, Body body) {
  return ContextCall(name, [&](ContextObject& context) -> Result {
    FunctionObject* function = nullptr;
    const Result found = FindFunction(handle, context, &function);
    return found == kSuccess ? static_cast<Result>(body(*function)) : found;
  });
}

Result CountBlocks(const char* name, int* num_blocks, Function handle, int block_size,
                   std::size_t dynamic_shared, unsigned flags) {
  return OccupancyCall(name, handle, [&](const FunctionObject& function) {
    if (num_blocks == nullptr || block_size <= 0 || flags > kDisableCachingOverride) {
      return kInvalidValue;
    }
    *num_blocks = static_cast<int>(
        ActiveBlocks(function, static_cast<std::uint64_t>(block_size), dynamic_shared));
    return kSuccess;
  });
}

// The block size with which most threads run at once; the largest of those.
Result BestBlock(const char* name, int* min_grid_size, int* block_size, Function handle,
                 BlockSizeToShared shared_of, std::size_t dynamic_shared, int limit,
                 unsigned flags) {
  return OccupancyCall(name, handle, [&](const FunctionObject& function) {
    if (min_grid_size == nullptr || block_size == nullptr || limit < 0 ||
        flags > kDisableCachingOverride) {
      return kInvalidValue;
    }
    auto most = static_cast<int>(MaxThreadsOf(function));
    if (limit != 0) most = std::min(most, limit);
    std::uint64_t best = 0;
    for (int size = most; size > 0; size = (size - 1) / 32 * 32) {
      const std::size_t shared = shared_of != nullptr ? shared_of(size) : dynamic_shared;
      const auto threads = static_cast<std::uint64_t>(size);
      const std::uint64_t blocks = ActiveBlocks(function, threads, shared);
      if (blocks * threads <= best) continue;
      best = blocks * threads;
      *block_size = size;
      *min_grid_size = static_cast<int>(blocks * DeviceOf(function).multiprocessors);
    }
    return best != 0 ? kSuccess : kInvalidValue;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* num_blocks, Function function,
                                                   int block_size, std::size_t dynamic_smem_size) {
  return CountBlocks("cuOccupancyMaxActiveBlocksPerMultiprocessor", num_blocks, function,
                     block_size, dynamic_smem_size, 0);
}

Result cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* num_blocks, Function function,
                                                            int block_size,
                                                            std::size_t dynamic_smem_size,
                                                            unsigned flags) {
  return CountBlocks("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", num_blocks, function,
                     block_size, dynamic_smem_size, flags);
}

Result cuOccupancyMaxPotentialBlockSize(int* min_grid_size, int* block_size, Function function,
                                        BlockSizeToShared block_size_to_dynamic_smem_size,
                                        std::size_t dynamic_smem_size, int block_size_limit) {
  return BestBlock("cuOccupancyMaxPotentialBlockSize", min_grid_size, block_size, function,
                   block_size_to_dynamic_smem_size, dynamic_smem_size, block_size_limit, 0);
}

Result cuOccupancyMaxPotentialBlockSizeWithFlags(int* min_grid_size, int* block_size,
                                                 Function function,
                                                 BlockSizeToShared block_size_to_dynamic_smem_size,
                                                 std::size_t dynamic_smem_size,
                                                 int block_size_limit, unsigned flags) {
  return BestBlock("cuOccupancyMaxPotentialBlockSizeWithFlags", min_grid_size, block_size, function,
                   block_size_to_dynamic_smem_size, dynamic_smem_size, block_size_limit, flags);
}

Result cuOccupancyAvailableDynamicSMemPerBlock(std::size_t* dynamic_smem_size, Function function,
                                               int num_blocks, int block_size) {
  return OccupancyCall(
      "cuOccupancyAvailableDynamicSMemPerBlock", function, [&](const FunctionObject& found) {
        if (dynamic_smem_size == nullptr || num_blocks <= 0 || block_size <= 0) {
          return kInvalidValue;
        }
        const auto blocks = static_cast<std::uint64_t>(num_blocks);
        if (ActiveBlocks(found, static_cast<std::uint64_t>(block_size), 0) < blocks) {
          return kInvalidValue;
        }
        const std::uint64_t part =
            LimitOf(found, kAttributeMaxSharedMemoryPerMultiprocessor) / blocks;
        const std::uint64_t own =
            found.kernel().shared_bytes + LimitOf(found, kAttributeReservedSharedMemoryPerBlock);
        *dynamic_smem_size = std::min(part - std::min(part, own), MaxDynamicSharedOf(found));
        return kSuccess;
      });
}

Result cuOccupancyMaxPotentialClusterSize(int* cluster_size, Function function,
                                          const LaunchConfig* config) {
  if (cluster_size == nullptr || config == nullptr) return kInvalidValue;
  return OccupancyCall("cuOccupancyMaxPotentialClusterSize", function,
                       [&](const FunctionObject& found) {
                         if (DeviceOf(found).gpu.compute_major < 9) return kInvalidClusterSize;
                         *cluster_size = found.settings.cluster_non_portable != 0 ? 16 : 8;
                         return kSuccess;
                       });
}

Result cuOccupancyMaxActiveClusters(int* num_clusters, Function function,
                                    const LaunchConfig* config) {
  if (num_clusters == nullptr || config == nullptr) return kInvalidValue;
  return OccupancyCall("cuOccupancyMaxActiveClusters", function, [&](const FunctionObject& found) {
    LaunchTraits traits;
    const Result read = TraitsOf(*config, &traits);
    if (read != kSuccess) return read;
    if (DeviceOf(found).gpu.compute_major < 9) return kInvalidClusterSize;
    const std::uint64_t threads =
        std::uint64_t{config->block_x} * config->block_y * config->block_z;
    const std::uint64_t size =
        std::uint64_t{traits.cluster[0]} * traits.cluster[1] * traits.cluster[2];
    const std::uint64_t blocks =
        ActiveBlocks(found, threads, config->shared_bytes) * DeviceOf(found).multiprocessors;
    *num_clusters = static_cast<int>(blocks / size);
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
