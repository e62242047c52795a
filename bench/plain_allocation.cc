#include "bench/plain_allocation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "share/replica.h"

namespace tranche::bench {

std::vector<std::string> PlainPreferred(std::vector<std::string> available, int size) {
  std::map<std::string, int, std::less<>> taken;
  for (const std::string& id : available) taken.emplace(share::ParseReplicaId(id).device, 0);
  const auto use_of = [&](const std::string& id) {
    return taken.find(share::ParseReplicaId(id).device)->second;
  };
  std::vector<std::string> picked;
  while (static_cast<int>(picked.size()) < size && !available.empty()) {
    // Backwards, so that taking the best one is cheap.
    std::sort(available.begin(), available.end(),
              [&](const std::string& a, const std::string& b) { return use_of(b) < use_of(a); });
    ++taken.find(share::ParseReplicaId(available.back()).device)->second;
    picked.push_back(std::move(available.back()));
    available.pop_back();
  }
  return picked;
}

}  // namespace tranche::bench
