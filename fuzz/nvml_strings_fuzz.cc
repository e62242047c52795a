// Everything that turns NVML's and /proc's text into values, on bytes of any kind. What comes out
// has to hold to its own grammar, else it aborts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gpu/nvml_strings.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace gpu = tranche::gpu;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view text = gpu::BufferText(all.data(), all.size());
  Require(text.find('\0') == std::string_view::npos);

  if (const auto uuid = gpu::ParseUuid(all)) {
    Require(*uuid == all && uuid->find_first_of(",: \n") == std::string::npos);
    Require(uuid->size() <= gpu::nvml::kUuidBufferSize);
  }
  if (const auto bus_id = gpu::ParseBusId(all)) {
    Require(bus_id->size() <= 16 && bus_id->find('/') == std::string::npos);
    Require(gpu::ParseBusId(*bus_id) == bus_id);
  }
  if (const auto profile = gpu::ParseMigProfile(all)) {
    Require(gpu::ParseMigProfile(gpu::FormatMigProfile(*profile)) == profile);
  }
  if (const auto profile = gpu::ProfileInName(all)) {
    Require(profile->compute_slices <= profile->gpu_slices);
  }
  if (const auto node = gpu::ParseNumaNode(all)) Require(*node >= 0 && *node < 1024);
  const gpu::MigMinors minors = gpu::ParseMigMinors(all);
  Require(minors.gpu_instances.size() + minors.compute_instances.size() <= size);
  gpu::IsDisplayGpu(all);
  return 0;
}
