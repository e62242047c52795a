// Manifests as hostile bytes: whatever a file is, it is read to its end, what is found in it lies
// in it, and a mend is one that needs no mending.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "cli/manifest/manifest.h"
#include "cli/manifest/mend.h"
#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace manifest = tranche::cli::manifest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // YAML 1.1 ends a line at CR, NEL, LS and PS too: these are their last bytes.
  constexpr std::string_view kEnds = "\n\r\x85\xA8\xA9";
  const auto lines = 1 + std::count_if(text.begin(), text.end(), [&](char c) {
                       return kEnds.find(c) != std::string_view::npos;
                     });
  for (const manifest::FoundProfile& one : manifest::ReadManifest(text).profiles) {
    TRANCHE_CHECK(one.line >= 1 && one.line <= lines + 1);
    TRANCHE_CHECK(one.text.size() <= 2 * size);  // an escape of two bytes may stand for three
    TRANCHE_CHECK(!one.broken || one.text.empty());
    const auto checked = tranche::config::CheckConfig(one.text, {}, {});
    TRANCHE_CHECK(checked.config || !checked.findings.empty());
    for (const auto& finding : checked.findings) {
      TRANCHE_CHECK(!one.origin.InFile(finding).message.empty());
    }
  }
  if (const auto mended = manifest::Mend(text)) TRANCHE_CHECK(!manifest::Mend(*mended));
  return 0;
}
