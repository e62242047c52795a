// Cubins and fat binaries that a program gives to the simulated driver.
#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "sim/ptx/read.h"

namespace {

namespace ptx = tranche::sim::ptx;

void Check(const ptx::Image& image) {
  for (const ptx::Kernel& kernel : image.kernels) {
    TRANCHE_CHECK(!kernel.name.empty() && kernel.max_threads <= 1024);
    for (const ptx::Param& param : kernel.params) {
      TRANCHE_CHECK(param.offset + param.size <= kernel.param_bytes);
    }
  }
  for (const ptx::Variable& variable : image.variables) {
    TRANCHE_CHECK(variable.initial.size() <= variable.size && variable.alignment >= 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint64_t own = ptx::ImageSize(data, size);
  TRANCHE_CHECK(own <= size);
  for (const int architecture : {70, 80, 90}) {
    const ptx::ReadImageAnswer answer = ptx::ReadImage(data, own, {.architecture = architecture});
    TRANCHE_CHECK((answer.result == ptx::ReadResult::kOk) == answer.text.empty());
    if (answer.result == ptx::ReadResult::kOk) Check(answer.image);
  }
  return 0;
}
