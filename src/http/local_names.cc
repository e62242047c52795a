#include "http/local_names.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace tranche::http {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"localhost", "127.0.0.1", "[::1]"};
constexpr std::size_t kMostDigits = 5;
constexpr std::string_view kScheme = "http://";

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

bool NamesThisMachine(std::string_view host) {
  const std::string lower = Lower(host);
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
    if (!lower.starts_with(name)) return false;
    const std::string_view rest = std::string_view(lower).substr(name.size());
    if (rest.empty()) return true;
    return rest.front() == ':' && rest.size() <= kMostDigits + 1 && base::AllDigits(rest.substr(1));
  });
}

bool SameOrigin(std::string_view origin, std::string_view host) {
  return origin.empty() || Lower(origin) == std::string(kScheme) + Lower(host);
}

}  // namespace tranche::http
