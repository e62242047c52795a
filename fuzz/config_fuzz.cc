// Sharing configs as hostile bytes: reading must end, with a config or with a reason.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "config/load.h"
#include "config/to_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = tranche::config::LoadConfig(text, "fuzz", {}, {});
  const auto normalised = tranche::config::Normalise(text);
  if (!loaded.ok()) {
    TRANCHE_CHECK(!loaded.status().message().empty());
  } else {
    // What is in force can be said, and upstream's reading of it too.
    TRANCHE_CHECK(normalised.ok());
    TRANCHE_CHECK(!tranche::config::ToJson(loaded->config).Dump().empty());
    for (const auto& warning : loaded->warnings) {
      TRANCHE_CHECK(!tranche::config::FormatDiagnostic("fuzz", warning).empty());
    }
  }
  if (normalised.ok()) TRANCHE_CHECK(!normalised->config.Dump().empty());
  return 0;
}
