#include "sim/ptx/cost.h"

#include <algorithm>
#include <cstring>

namespace tranche::sim::ptx {

std::optional<std::uint64_t> StatedCostNs(const Kernel& kernel,
                                          std::span<const std::uint8_t> params) {
  if (!kernel.cost_param) return std::nullopt;
  const Param& param = kernel.params[*kernel.cost_param];
  std::uint64_t cost = 0;
  if (param.size > sizeof(cost) || param.offset + param.size > params.size()) return std::nullopt;
  std::memcpy(&cost, params.data() + param.offset, param.size);
  return std::min(cost, kMaxCostNs);
}

}  // namespace tranche::sim::ptx
