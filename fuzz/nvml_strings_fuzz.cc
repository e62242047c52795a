// Everything that turns NVML's and /proc's text into values, on bytes of any kind. What comes out
// has to hold to its own grammar, else it aborts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gpu/nvml/strings.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace gpu = tranche::gpu;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view text = tranche::gpu::nvml::BufferText(all.data(), all.size());
  Require(text.find('\0') == std::string_view::npos);

  if (const auto uuid = tranche::gpu::nvml::ParseUuid(all)) {
    Require(*uuid == all && uuid->find_first_of(",: \n") == std::string::npos);
    Require(uuid->size() <= tranche::gpu::nvml::kUuidBufferSize);
  }
  if (const auto bus_id = tranche::gpu::nvml::ParseBusId(all)) {
    Require(bus_id->size() <= 16 && bus_id->find('/') == std::string::npos);
    Require(tranche::gpu::nvml::ParseBusId(*bus_id) == bus_id);
  }
  if (const auto profile = tranche::gpu::nvml::ParseMigProfile(all)) {
    Require(tranche::gpu::nvml::ParseMigProfile(tranche::gpu::nvml::FormatMigProfile(*profile)) ==
            profile);
  }
  if (const auto profile = tranche::gpu::nvml::ProfileInName(all)) {
    Require(profile->compute_slices <= profile->gpu_slices);
  }
  if (const auto node = tranche::gpu::nvml::ParseNumaNode(all)) Require(*node >= 0 && *node < 1024);
  const tranche::gpu::nvml::MigMinors minors = tranche::gpu::nvml::ParseMigMinors(all);
  Require(minors.gpu_instances.size() + minors.compute_instances.size() <= size);
  tranche::gpu::nvml::IsDisplayGpu(all);
  return 0;
}
