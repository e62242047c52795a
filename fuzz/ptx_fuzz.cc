// PTX text that a program gives to the simulated driver: it is read, and what can be interpreted is
// run for a moment, over memory that is there only in part.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sim/ptx/cost.h"
#include "sim/ptx/interpreter.h"
#include "sim/ptx/parser.h"

namespace {

namespace ptx = tranche::sim::ptx;

class SmallMemory : public ptx::Memory {
 public:
  bool Find(std::uint64_t address, Range* range) override {
    if (address < kBegin || address >= kBegin + bytes_.size()) return false;
    *range = {.begin = kBegin, .end = kBegin + bytes_.size(), .bytes = bytes_.data()};
    return true;
  }
  static constexpr std::uint64_t kBegin = 0x10000;

 private:
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(4096);
};

void Run(const ptx::Image& image, const ptx::Kernel& kernel) {
  SmallMemory memory;
  std::vector<std::uint8_t> params(kernel.param_bytes);
  // Each parameter of 8 bytes is an address.
  for (const ptx::Param& param : kernel.params) {
    TRANCHE_CHECK(std::uint64_t{param.offset} + param.size <= params.size());
    if (param.size == 8) params[param.offset + 2] = 1;
  }
  const std::vector<std::uint64_t> variables(image.variables.size(), SmallMemory::kBegin + 64);
  const auto cost = ptx::StatedCostNs(kernel, params);
  TRANCHE_CHECK(!cost || *cost <= ptx::kMaxCostNs);
  const ptx::Launch launch{.grid = {2, 1, 1},
                           .block = {3, 2, 1},
                           .dynamic_shared = 64,
                           .params = params,
                           .variables = variables,
                           .ends_ns = 1,
                           .max_steps = 2000};
  TRANCHE_CHECK(ptx::Interpret(kernel, launch, memory).steps <= launch.max_steps + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ptx::Parsed parsed = ptx::ParsePtx({reinterpret_cast<const char*>(data), size});
  TRANCHE_CHECK(parsed.error.empty() || parsed.line >= 1);
  TRANCHE_CHECK(parsed.error.size() < size + 4096);
  for (const ptx::Kernel& kernel : parsed.image.kernels) {
    TRANCHE_CHECK((kernel.code == nullptr) == !kernel.obstacle.empty());
    if (kernel.code != nullptr) Run(parsed.image, kernel);
  }
  return 0;
}
