#include "share/placement.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "share/replica.h"

namespace tranche::share {
namespace {

using base::Code;
using base::Result;
using base::Status;

// Replicas of one device that are kept apart; far above what fits into the kubelet's message.
constexpr int kMostReplicas = 1 << 20;

// The free ids of a pool, read in one pass. An id of a known device is one bit, so that the lowest
// free k is found without keeping or sorting any text.
class FreeIds {
 public:
  struct Device {
    const std::string* uuid = nullptr;
    int replicas = 1;
    bool usable = true;
    std::size_t first_word = 0;  // of its bits
    int free = 0;
    int included = 0;  // of must_include
    int picked = 0;
    int next = 0;  // no free k below this
  };

  explicit FreeIds(const std::vector<PoolDevice>& pool) {
    devices_.reserve(pool.size());
    by_uuid_.reserve(pool.size());
    std::size_t words = 0;
    for (const PoolDevice& device : pool) {
      const int replicas = std::clamp(device.replicas, 1, kMostReplicas);
      if (!by_uuid_.emplace(device.uuid, devices_.size()).second) continue;
      devices_.push_back({.uuid = &device.uuid,
                          .replicas = replicas,
                          .usable = device.usable,
                          .first_word = words});
      words += (static_cast<std::size_t>(replicas) + 63U) / 64U;
    }
    bits_.resize(words);
  }

  void Read(const PreferredRequest& request) {
    for (const std::string& id : request.available) Add(id);
    for (const std::string& id : request.must_include) TakeOut(id);
    if (strangers_.empty()) return;
    const std::unordered_set<std::string_view> included(request.must_include.begin(),
                                                        request.must_include.end());
    std::erase_if(strangers_, [&](std::string_view id) { return included.contains(id); });
    std::sort(strangers_.begin(), strangers_.end(), [](std::string_view a, std::string_view b) {
      const ReplicaId x = ParseReplicaId(a);
      const ReplicaId y = ParseReplicaId(b);
      return std::tie(x.device, x.replica, a) < std::tie(y.device, y.replica, b);
    });
    strangers_.erase(std::unique(strangers_.begin(), strangers_.end()), strangers_.end());
  }

  [[nodiscard]] std::vector<Device>& devices() { return devices_; }
  // Ids of no device of the pool.
  [[nodiscard]] const std::vector<std::string_view>& strangers() const { return strangers_; }

  [[nodiscard]] std::size_t count() const {
    std::size_t count = strangers_.size();
    for (const Device& device : devices_) count += static_cast<std::size_t>(device.free);
    return count;
  }

  // The device's free id of lowest k. There is one.
  std::string TakeLowest(Device& device) {
    std::size_t word = device.first_word + static_cast<std::size_t>(device.next) / 64U;
    while (bits_[word] == 0) ++word;
    const int bit = std::countr_zero(bits_[word]);
    const int k = static_cast<int>(word - device.first_word) * 64 + bit;
    bits_[word] &= bits_[word] - 1;
    device.next = k;
    --device.free;
    ++device.picked;
    return IdOf(*device.uuid, device.replicas, k);
  }

 private:
  struct Place {
    Device* device = nullptr;  // none: a stranger
    std::uint64_t* word = nullptr;
    std::uint64_t mask = 0;
  };

  Place Find(std::string_view id) {
    const ReplicaId parsed = ParseReplicaId(id);
    // Ids of one device often come together, and comparing is cheaper than hashing.
    if (last_ == nullptr || *last_->uuid != parsed.device) {
      const auto found = by_uuid_.find(parsed.device);
      if (found == by_uuid_.end()) return {};
      last_ = &devices_[found->second];
    }
    if (!IsAmongIds(parsed, last_->replicas)) return {};
    const std::size_t place = static_cast<std::size_t>(std::max(parsed.replica, 0));
    return {last_, &bits_[last_->first_word + place / 64U], std::uint64_t{1} << (place % 64U)};
  }

  void Add(std::string_view id) {
    const Place place = Find(id);
    if (place.device == nullptr) {
      strangers_.push_back(id);
    } else if ((*place.word & place.mask) == 0) {
      *place.word |= place.mask;
      ++place.device->free;
    }
  }

  void TakeOut(std::string_view id) {
    const Place place = Find(id);
    if (place.device == nullptr) return;
    ++place.device->included;
    if ((*place.word & place.mask) == 0) return;
    *place.word &= ~place.mask;
    --place.device->free;
  }

  std::vector<Device> devices_;  // in pool order
  std::unordered_map<std::string_view, std::size_t> by_uuid_;
  Device* last_ = nullptr;
  std::vector<std::uint64_t> bits_;
  std::vector<std::string_view> strangers_;
};

// Smallest goes first: usable before unusable, then what the policy says, then pool order.
using Rank = std::tuple<bool, int, int, std::size_t>;

Rank RankOf(Policy policy, const FreeIds::Device& device, std::size_t order) {
  const int allocated = device.replicas - device.free;
  switch (policy) {
    case Policy::kPacked:
      return {!device.usable, -allocated, device.picked, order};
    case Policy::kSpread:
      return {!device.usable, device.picked + device.included, allocated, order};
    case Policy::kDistributed:
      break;
  }
  return {!device.usable, allocated, device.picked, order};
}

void Pick(Policy policy, FreeIds& free, std::size_t needed, std::vector<std::string>& out) {
  std::priority_queue<Rank, std::vector<Rank>, std::greater<>> queue;
  std::vector<FreeIds::Device>& devices = free.devices();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].free > 0) queue.push(RankOf(policy, devices[i], i));
  }
  for (; needed > 0 && !queue.empty(); --needed) {
    const std::size_t i = std::get<3>(queue.top());
    queue.pop();
    out.push_back(free.TakeLowest(devices[i]));
    if (devices[i].free > 0) queue.push(RankOf(policy, devices[i], i));
  }
  for (std::size_t i = 0; needed > 0; --needed, ++i) out.emplace_back(free.strangers()[i]);
}

}  // namespace

Result<std::vector<std::string>> PreferReplicas(Policy policy, const std::vector<PoolDevice>& pool,
                                                const PreferredRequest& request) {
  std::vector<std::string> out = request.must_include;
  if (request.size <= 0 || static_cast<std::size_t>(request.size) <= out.size()) return out;
  const std::size_t needed = static_cast<std::size_t>(request.size) - out.size();
  FreeIds free(pool);
  free.Read(request);
  if (free.count() < needed) {
    return Status(Code::kInvalidArgument, "not enough available devices to satisfy allocation");
  }
  out.reserve(out.size() + needed);
  Pick(policy, free, needed, out);
  return out;
}

}  // namespace tranche::share
