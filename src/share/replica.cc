#include "share/replica.h"

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/text.h"

namespace tranche::share {
namespace {

// More digits than any count we hand out; keeps the value within an int.
constexpr std::size_t kMaxDigits = 9;

}  // namespace

ReplicaId ParseReplicaId(std::string_view id) {
  std::size_t start = id.size();
  while (start > 0 && id.size() - start < kMaxDigits && base::IsDigit(id[start - 1])) --start;
  const std::size_t digits = id.size() - start;
  // At least one character of device before the two colons; "01" is not how we write 1.
  if (digits == 0 || start < 3 || id[start - 1] != ':' || id[start - 2] != ':') return {id, -1};
  if (digits > 1 && id[start] == '0') return {id, -1};
  int replica = 0;
  for (const char c : id.substr(start)) replica = replica * 10 + (c - '0');
  return {id.substr(0, start - 2), replica};
}

std::string MakeReplicaId(std::string_view device, int replica) {
  std::string id;
  id.reserve(device.size() + 2 + kMaxDigits);
  id.append(device).append("::").append(std::to_string(replica));
  return id;
}

bool IsReplicaId(std::string_view id) { return id.find("::") != std::string_view::npos; }

std::vector<std::string> DevicesOf(const std::vector<std::string>& ids) {
  std::vector<std::string> devices;
  std::unordered_set<std::string_view> seen;
  for (const std::string& id : ids) {
    const std::string_view device = ParseReplicaId(id).device;
    if (seen.insert(device).second) devices.emplace_back(device);
  }
  return devices;
}

}  // namespace tranche::share
