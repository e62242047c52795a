#include "sim/cuda/code/occupancy.h"

#include <algorithm>

#include "sim/cuda/attributes.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kWarp = 32;

}  // namespace

const DeviceObject& DeviceOf(const FunctionObject& function) {
  return *function.module->context->device;
}

std::uint64_t LimitOf(const FunctionObject& function, DeviceAttribute attribute) {
  int value = 0;
  return AttributeOf(DeviceOf(function), attribute, &value) && value > 0
             ? static_cast<std::uint64_t>(value)
             : 0;
}

std::uint32_t RegistersOf(const FunctionObject& function) {
  const std::uint32_t known = function.kernel().registers;
  return known == 0 ? kAssumedRegisters : known;
}

std::uint64_t MaxThreadsOf(const FunctionObject& function) {
  std::uint64_t most = LimitOf(function, kAttributeMaxThreadsPerBlock);
  if (function.kernel().max_threads != 0) {
    most = std::min<std::uint64_t>(most, function.kernel().max_threads);
  }
  const std::uint64_t of_warp =
      (RegistersOf(function) * kWarp + kRegisterPiece - 1) / kRegisterPiece * kRegisterPiece;
  return std::min(most, LimitOf(function, kAttributeMaxRegistersPerBlock) / of_warp * kWarp);
}

std::uint64_t MaxDynamicSharedOf(const FunctionObject& function) {
  if (function.settings.dynamic_shared >= 0) {
    return static_cast<std::uint64_t>(function.settings.dynamic_shared);
  }
  const std::uint64_t all = LimitOf(function, kAttributeMaxSharedMemoryPerBlock);
  return all - std::min<std::uint64_t>(all, function.kernel().shared_bytes);
}

std::uint64_t ActiveBlocks(const FunctionObject& function, std::uint64_t threads,
                           std::uint64_t dynamic_shared) {
  if (threads == 0 || threads > MaxThreadsOf(function)) return 0;
  if (dynamic_shared > MaxDynamicSharedOf(function)) return 0;
  const std::uint64_t warps = (threads + kWarp - 1) / kWarp;
  const std::uint64_t of_warp =
      (RegistersOf(function) * kWarp + kRegisterPiece - 1) / kRegisterPiece * kRegisterPiece;
  const std::uint64_t shared = function.kernel().shared_bytes + dynamic_shared +
                               LimitOf(function, kAttributeReservedSharedMemoryPerBlock);
  std::uint64_t blocks = LimitOf(function, kAttributeMaxBlocksPerMultiprocessor);
  blocks =
      std::min(blocks, LimitOf(function, kAttributeMaxThreadsPerMultiprocessor) / (warps * kWarp));
  blocks = std::min(blocks,
                    LimitOf(function, kAttributeMaxRegistersPerMultiprocessor) / (warps * of_warp));
  if (shared == 0) return blocks;
  return std::min(blocks, LimitOf(function, kAttributeMaxSharedMemoryPerMultiprocessor) / shared);
}

}  // namespace tranche::sim::cuda
