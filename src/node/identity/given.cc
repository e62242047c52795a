#include "node/identity/given.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tranche::node::identity {
namespace {

using kubelet::Holding;
using kubelet::Offer;

void PutInOrder(std::vector<Holding>& holdings) {
  for (Holding& holding : holdings) std::ranges::sort(holding.ids);
  std::ranges::sort(holdings, {}, [](const Holding& one) {
    return std::tie(one.pod_namespace, one.pod, one.container, one.resource, one.ids);
  });
}

void PutInOrder(std::vector<Offer>& offers) {
  for (Offer& offer : offers) std::ranges::sort(offer.ids);
  std::ranges::sort(offers, {}, [](const Offer& one) { return std::tie(one.resource, one.ids); });
}

}  // namespace

void Given::SetAnswer(std::vector<Holding> holdings, std::optional<std::vector<Offer>> offers) {
  PutInOrder(holdings);
  if (offers) PutInOrder(*offers);
  if (holdings == holdings_ && offers == offers_) return;
  holdings_ = std::move(holdings);
  offers_ = std::move(offers);
  MakeAnew();
}

void Given::SetInventory(const gpu::Inventory& inventory) {
  if (inventory == inventory_) return;
  inventory_ = inventory;
  MakeAnew();
}

void Given::MakeAnew() {
  held_ = HeldDevices(holdings_, inventory_);
  shares_.clear();
  if (offers_) shares_ = SharesOf(*offers_, holdings_, inventory_);
  ++version_;
}

}  // namespace tranche::node::identity
