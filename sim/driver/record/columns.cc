#include "sim/driver/record/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace tranche::sim::driver {

std::string Milliseconds(std::int64_t ns) {
  return fmt::format("{:.3f}", static_cast<double>(ns) / 1e6);
}

std::string Mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / (1 << 20));
}

std::string NameOf(std::int64_t pid, const std::string& name) {
  return name.empty() ? std::to_string(pid) : fmt::format("{} ({})", pid, name);
}

std::string PlacesText(const Places& places) {
  std::string text;
  for (const auto& [slot, instance] : places) {
    text += (text.empty() ? "" : ",") + std::to_string(slot);
    if (instance) text += fmt::format(":gi{}", *instance);
  }
  return text;
}

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    text += fmt::format("{:<{}}", row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i) text += fmt::format("  {:>{}}", row[i], widths[i]);
    text += '\n';
  }
  return text;
}

}  // namespace tranche::sim::driver
