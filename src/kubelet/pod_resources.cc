#include "kubelet/pod_resources.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "kubelet/proto/podresources.pb.h"

namespace tranche::kubelet {
namespace {

constexpr std::chrono::seconds kListTimeout{5};
constexpr int kMaxListBytes = 16 << 20;

const base::Status kMalformed{base::Code::kInternal,
                              "malformed answer from the pod-resources socket"};

base::Result<std::vector<Offer>> DecodeOffers(const std::string& bytes) {
  v1::AllocatableResourcesResponse answer;
  if (!answer.ParseFromString(bytes)) return kMalformed;
  // As in List, each id may have an entry of its own.
  std::map<std::string, std::vector<std::string>> by_resource;
  for (const auto& devices : answer.devices()) {
    auto& ids = by_resource[devices.resource_name()];
    ids.insert(ids.end(), devices.device_ids().begin(), devices.device_ids().end());
  }
  std::vector<Offer> offers;
  offers.reserve(by_resource.size());
  for (auto& [resource, ids] : by_resource) offers.push_back({resource, std::move(ids)});
  return offers;
}

base::Result<std::vector<Holding>> Decode(const std::string& bytes) {
  v1::ListPodResourcesResponse list;
  if (!list.ParseFromString(bytes)) return kMalformed;
  std::vector<Holding> holdings;
  for (const auto& pod : list.pod_resources()) {
    for (const auto& container : pod.containers()) {
      // The kubelet names each id in an entry of its own; one holding per resource is handier.
      std::map<std::string, std::vector<std::string>> by_resource;
      for (const auto& devices : container.devices()) {
        auto& ids = by_resource[devices.resource_name()];
        ids.insert(ids.end(), devices.device_ids().begin(), devices.device_ids().end());
      }
      for (auto& [resource, ids] : by_resource) {
        holdings.push_back(
            {pod.namespace_(), pod.name(), container.name(), resource, std::move(ids)});
      }
    }
  }
  return holdings;
}

constexpr char kList[] = "/v1.PodResourcesLister/List";
constexpr char kAllocatable[] = "/v1.PodResourcesLister/GetAllocatableResources";

rpc::UnaryCall CallOf(const std::string& socket_path, const char* method) {
  return {.socket_path = socket_path,
          .method = method,
          .request = "",
          .timeout = kListTimeout,
          .max_response_bytes = kMaxListBytes};
}

// A number as protobuf writes it, taken off the text; nullopt: it is none.
std::optional<std::uint64_t> TakeNumber(std::string_view& text) {
  constexpr unsigned kBitsOfByte = 7;
  constexpr unsigned kBits = 64;
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < kBits && !text.empty(); shift += kBitsOfByte) {
    const auto byte = static_cast<std::uint8_t>(text.front());
    text.remove_prefix(1);
    number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return number;
  }
  return std::nullopt;
}

// The fields of a message, each with its number, in order; all of it as one where it is not made of
// other messages and texts alone.
std::vector<std::string_view> EntriesOf(std::string_view message) {
  constexpr std::uint64_t kTypeMask = 7;
  constexpr std::uint64_t kTextOrMessage = 2;
  std::vector<std::string_view> entries;
  for (std::string_view rest = message; !rest.empty();) {
    const std::string_view from = rest;
    const auto tag = TakeNumber(rest);
    const auto size = TakeNumber(rest);
    if (!tag || (*tag & kTypeMask) != kTextOrMessage || !size || *size > rest.size()) {
      return {message};
    }
    rest.remove_prefix(*size);
    entries.push_back(from.substr(0, from.size() - rest.size()));
  }
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

bool LastAnswer::Repeats(std::string answer) {
  std::vector<std::string_view> entries = EntriesOf(answer);
  if (entries == entries_) return true;
  bytes_ = std::move(answer);
  entries_ = EntriesOf(bytes_);
  return false;
}

void DeviceLister::Ask(const std::string& socket_path, Done done) {
  const auto shared = std::make_shared<Done>(std::move(done));
  caller_->Call(CallOf(socket_path, kList), [=, this](base::Result<std::string> held) {
    if (!held.ok()) return (*shared)(held.status());
    const auto kept = std::make_shared<std::string>(std::move(*held));
    caller_->Call(CallOf(socket_path, kAllocatable), [=, this](base::Result<std::string> offered) {
      (*shared)(Read(std::move(*kept), std::move(offered)));
    });
  });
}

base::Result<std::optional<DeviceAnswer>> DeviceLister::Read(std::string held,
                                                             base::Result<std::string> offered) {
  const bool known = last_.has_value();
  if (!known) last_ = Last{};
  const bool told_before = std::exchange(last_->offers, offered.ok());
  const bool same_held = last_->held.Repeats(std::move(held));
  const bool same_offers = !offered.ok() || last_->offered.Repeats(std::move(*offered));
  if (known && same_held && same_offers && told_before == last_->offers) {
    return std::optional<DeviceAnswer>();
  }
  auto holdings = Decode(last_->held.bytes());
  if (!holdings.ok()) {
    last_.reset();
    return holdings.status();
  }
  DeviceAnswer answer{.holdings = std::move(*holdings), .offers = std::nullopt};
  if (last_->offers) {
    auto offers = DecodeOffers(last_->offered.bytes());
    if (offers.ok()) answer.offers = std::move(*offers);
  }
  return std::optional(std::move(answer));
}

void ListHoldings(rpc::Caller& caller, const std::string& socket_path,
                  std::function<void(base::Result<std::vector<Holding>>)> done) {
  caller.Call(CallOf(socket_path, kList),
              [done = std::move(done)](base::Result<std::string> answer) {
                if (!answer.ok()) return done(answer.status());
                done(Decode(*answer));
              });
}

}  // namespace tranche::kubelet
