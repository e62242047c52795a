#include "sim/engine/hardware.h"

#include <algorithm>

#include "sim/engine/memory.h"

namespace tranche::sim::engine {
namespace {

static_assert(Hardware{}.slice == kDefaultSlice && Hardware{}.switch_cost == kDefaultSwitchCost);

constexpr std::uint64_t kKiB = 1U << 10U;
constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kStack = kKiB;                       // of a thread
constexpr std::uint64_t kBesideStacks = kMiB + 512U * kKiB;  // for each multiprocessor

// Bytes a second of 16 lanes, by generation.
constexpr std::array<std::uint64_t, 6> kLinkRates = {
    3'000'000'000,  3'000'000'000,  6'000'000'000,  // an unknown one counts as the first
    12'000'000'000, 25'000'000'000, 53'000'000'000};

Time AsTime(double nanoseconds) {
  constexpr double kMost = 1e18;
  return static_cast<Time>(std::min(nanoseconds, kMost));
}

}  // namespace

unsigned ThreadsPerMultiprocessor(int compute_major, int compute_minor) {
  switch (compute_major * 10 + compute_minor) {
    case 75:
      return 1024;
    case 86:
    case 87:
    case 89:
    case 120:
    case 121:
      return 1536;
    default:
      return 2048;  // 6.x, 7.0, 8.0, 9.0, 10.x
  }
}

std::uint64_t ContextBytes(const Chip& chip) {
  const std::uint64_t each =
      kStack * ThreadsPerMultiprocessor(chip.compute_major, chip.compute_minor) + kBesideStacks;
  const std::uint64_t all = each * std::max(1U, chip.multiprocessors);
  return (all + kGranularity - 1) / kGranularity * kGranularity;
}

std::uint64_t LinkRate(unsigned pcie_generation, unsigned pcie_width) {
  const std::size_t generation = std::min<std::size_t>(pcie_generation, kLinkRates.size() - 1);
  return kLinkRates[generation] / 16 * std::clamp(pcie_width, 1U, 32U);
}

std::uint64_t MemoryRate(unsigned bus_bits, unsigned memory_mhz) {
  const std::uint64_t bytes_a_clock = 2 * std::uint64_t{std::max(8U, bus_bits)} / 8;
  return bytes_a_clock * std::max(1U, memory_mhz) * 1'000'000 / 10 * 8;
}

Time CopyTime(std::uint64_t bytes, std::uint64_t rate) {
  const auto each_second = static_cast<double>(std::max<std::uint64_t>(rate, 1));
  return AsTime(static_cast<double>(kCopySetup) + static_cast<double>(bytes) * 1e9 / each_second);
}

Time KernelTime(std::uint64_t blocks, unsigned multiprocessors) {
  const std::uint64_t units = std::max(1U, multiprocessors);
  const std::uint64_t rounds = blocks / units + (blocks % units == 0 ? 0 : 1);
  return AsTime(static_cast<double>(kEmptyKernel) +
                static_cast<double>(rounds) * static_cast<double>(kBlock));
}

}  // namespace tranche::sim::engine
