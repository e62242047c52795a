// /proc/PID/stat of a process that has given itself any name: the text is read or refused, and what
// is read is the 22nd field, wherever the name has blanks, brackets or numbers. By the node
// program, and by the library in front of NVML.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/identity/proc.h"
#include "shim/nvml/start_ticks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tranche::node::identity::ReadStartTicks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ReadStartTicks(text);
  // The same text as a name: it must not move the field. The kernel ends the name by the last
  // bracket of the line.
  constexpr std::uint64_t kTicks = 4'711;
  std::string stat = "12 (" + std::string(text) + ") S";
  for (int field = 4; field < 22; ++field) stat += " " + std::to_string(field);
  stat += " " + std::to_string(kTicks) + " 23 24\n";
  const auto ticks = ReadStartTicks(stat);
  if (!ticks.ok() || *ticks != kTicks) std::abort();
  std::uint64_t inside = 0;
  namespace shim = tranche::shim::nvml;
  (void)shim::ReadStartTicks(text.data(), text.size(), &inside);
  if (!shim::ReadStartTicks(stat.data(), stat.size(), &inside) || inside != kTicks) std::abort();
  return 0;
}
