// The set of served resources in front of a stand-in of the kubelet, over real sockets, for the
// tests of what it advertises, what it answers, and what it does about pods of an earlier profile.
//
// Threading: the test's thread, which runs the loop.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/serve/served_set.h"
#include "base/testing/real_loop.h"
#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"
#include "kubelet/testing/fake_kubelet.h"

namespace tranche::agent::serve::testing {

using Ids = std::vector<std::string>;
using List = kubelet::testing::FakeKubelet::List;

inline constexpr char kGpu[] = "nvidia.com/gpu";

class ServedSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    kubelet_.Start();
    Connect(/*pod_resources=*/false);
  }

  void Connect(bool pod_resources) {
    set_.reset();
    if (pod_resources) kubelet_.ServePodResources(pods_socket_);
    holders_ = std::make_unique<Holders>(*loop_, *link_, pod_resources ? pods_socket_ : "",
                                         [this] { set_->Refresh(); });
    set_ = std::make_unique<ServedSet>(
        *loop_, *link_, dir_.path(), kubelet_.socket(), names_, *holders_,
        ServedSet::Owner{
            .healthy = [this](const std::string& uuid) { return !sick_.contains(uuid); },
            .facts = [](const Ids&) { return plan::NodeFacts(); },
            .changed = [this] { ++changes_; },
            .allocated = [this] { ++allocated_; },
            .event =
                [this](daemon::EventType type, const std::string& reason,
                       const std::string& message) {
                  events_.push_back(std::string(TypeName(type)) + " " + reason + ": " + message);
                }});
  }

  void Apply(config::Config config, const gpu::Inventory& inventory) {
    plan::Plan plan = plan::BuildPlan(config, inventory).value();
    set_->Apply(
        std::make_shared<Applied>(Applied{.config = std::move(config), .plan = std::move(plan)}));
  }
  bool Until(const std::function<bool()>& holds) { return loop_.RunUntil(holds); }
  bool UntilServing() {
    return Until([this] { return set_->AllServing(); });
  }
  bool UntilList(const std::string& resource, const List& list) {
    return Until(
        [&] { return kubelet_.ListsOf(resource) > 0 && kubelet_.lists[resource].back() == list; });
  }
  bool UntilKnown() {
    return Until([this] { return holders_->known(); });
  }

  base::Result<kubelet::ContainerAnswer> Allocate(const std::string& resource, const Ids& ids) {
    std::optional<base::Result<kubelet::ContainerAnswer>> answer;
    kubelet_.Allocate(resource, ids, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  base::Result<Ids> Prefer(const std::string& resource, const Ids& available, int size,
                           const Ids& must = {}) {
    std::optional<base::Result<Ids>> answer;
    kubelet_.Prefer(resource, {.available = available, .must_include = must, .size = size},
                    [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  ResourceState State(const std::string& name) const {
    for (const ResourceState& state : set_->States()) {
      if (state.name == name) return state;
    }
    ADD_FAILURE() << "no state of " << name;
    return {};
  }
  static List AllOfThem(const Ids& ids, const std::string& health = "Healthy") {
    List list;
    for (const std::string& id : ids) list[id] = health;
    return list;
  }

  base::testing::TempDir dir_;
  const std::string pods_socket_ = dir_ / "pods.sock";
  base::testing::RealLoop loop_;
  std::unique_ptr<kubelet::PluginLink> link_ = kubelet::NewPluginLink(*loop_);
  kubelet::testing::FakeKubelet kubelet_{*loop_, dir_.path()};
  EndpointNames names_{dir_ / "tranche", dir_ / "kubelet.sock"};
  std::set<std::string> sick_;
  int changes_ = 0;
  int allocated_ = 0;
  std::vector<std::string> events_;
  std::unique_ptr<Holders> holders_;
  std::unique_ptr<ServedSet> set_;
};

}  // namespace tranche::agent::serve::testing
