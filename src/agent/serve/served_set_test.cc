#include "agent/serve/served_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/real_loop.h"
#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"
#include "kubelet/testing/fake_kubelet.h"

namespace tranche::agent::serve {
namespace {

using base::Code;
using base::Result;
using base::Status;
using config::testing::Configured;
using config::testing::Flag;
using config::testing::Shared;
using gpu::testing::Cut;
using gpu::testing::Gpus;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using Ids = std::vector<std::string>;
using List = kubelet::testing::FakeKubelet::List;

constexpr char kGpu[] = "nvidia.com/gpu";

// The set in front of a kubelet, over real sockets.
class ServedSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    kubelet_.Start();
    Connect(/*pod_resources=*/false);
  }

  void Connect(bool pod_resources) {
    set_.reset();
    if (pod_resources) kubelet_.ServePodResources(pods_socket_);
    holders_ = std::make_unique<Holders>(*loop_, pod_resources ? pods_socket_ : "",
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

  Result<kubelet::ContainerAnswer> Allocate(const std::string& resource, const Ids& ids) {
    std::optional<Result<kubelet::ContainerAnswer>> answer;
    kubelet_.Allocate(resource, ids, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  Result<Ids> Prefer(const std::string& resource, const Ids& available, int size,
                     const Ids& must = {}) {
    std::optional<Result<Ids>> answer;
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

TEST_F(ServedSetTest, NothingAppliedIsNothingServed) {
  set_->Refresh();
  set_->KubeletSocketChanged();
  EXPECT_FALSE(set_->AnyServing());
  EXPECT_THAT(set_->States(), IsEmpty());
}

TEST_F(ServedSetTest, EachResourceIsServed) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  Apply(Configured(Shared(2), {Flag("mig-strategy", {"mixed"})}), inventory);
  EXPECT_FALSE(set_->AllServing());
  ASSERT_TRUE(UntilServing());
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"GPU-0::0", "GPU-0::1"})));
  EXPECT_TRUE(UntilList("nvidia.com/mig-1g.10gb", AllOfThem({"MIG-1-0"})));
  const ResourceState state = State(kGpu);
  EXPECT_EQ(state.phase, "serving");
  EXPECT_EQ(state.endpoint, "nvidia-gpu.sock");
  EXPECT_TRUE(state.shared);
  EXPECT_EQ(state.devices, 2);
  EXPECT_EQ(state.healthy, 2);
  EXPECT_EQ(state.held, std::nullopt) << "holders are unknown";
}

TEST_F(ServedSetTest, AChangeOfReplicasKeepsTheStream) {
  Apply(Configured(Shared(4)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  for (const int replicas : {8, 1, 2}) {
    Apply(Configured(Shared(replicas)), Gpus(1));
    Ids ids;
    for (int k = 0; k < replicas; ++k) ids.push_back("GPU-0::" + std::to_string(k));
    if (replicas == 1) ids = {"GPU-0"};
    EXPECT_TRUE(UntilList(kGpu, AllOfThem(ids)));
  }
  EXPECT_EQ(kubelet_.registrations.size(), 1U);
  EXPECT_THAT(kubelet_.lost, IsEmpty());
}

TEST_F(ServedSetTest, TheListIsInTheDriversOrderThenByNumber) {
  gpu::Inventory inventory = Gpus(3);
  std::swap(inventory.gpus[0], inventory.gpus[2]);
  Apply(Configured(Shared(11) + "tranche:\n  resources:\n  - name: nvidia.com/gpu\n"
                                "    replicasPerDevice: {\"0\": 2, \"1\": 1}\n"),
        inventory);
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  Ids expected;
  for (int k = 0; k < 11; ++k) expected.push_back("GPU-2::" + std::to_string(k));
  expected.insert(expected.end(), {"GPU-1", "GPU-0::0", "GPU-0::1"});
  EXPECT_EQ(kubelet_.last_ids[kGpu], expected);
}

TEST_F(ServedSetTest, AnotherResourceLeavesTheFirstOnesStreamAlone) {
  gpu::Inventory inventory = Gpus(2);
  Apply(Configured("", {Flag("mig-strategy", {"mixed"})}), inventory);
  ASSERT_TRUE(UntilServing());
  Cut(inventory, 1, {"1g.10gb", "1g.10gb"});
  Apply(Configured("", {Flag("mig-strategy", {"mixed"})}), inventory);
  ASSERT_TRUE(UntilServing());
  EXPECT_EQ(kubelet_.registrations.size(), 2U);
  EXPECT_THAT(kubelet_.lost, IsEmpty());
  // And one that is no more goes alone.
  Apply(Configured("", {Flag("mig-strategy", {"mixed"})}), Gpus(2));
  ASSERT_TRUE(Until([&] { return kubelet_.lost.contains("nvidia.com/mig-1g.10gb"); }));
  EXPECT_FALSE(kubelet_.lost.contains(kGpu));
  EXPECT_EQ(set_->States().size(), 1U);
  EXPECT_TRUE(set_->AllServing());
}

TEST_F(ServedSetTest, AConfigThatChangesNothingSendsNothing) {
  Apply(Configured(Shared(4)), Gpus(2));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  Apply(Configured(Shared(4)), Gpus(2));
  set_->Refresh();
  loop_.RunFor(milliseconds(30));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 1U);
}

// ---- health ----

TEST_F(ServedSetTest, AllReplicasOfASickGpuGoInOneMessage) {
  Apply(Configured(Shared(3)), Gpus(2));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  sick_ = {"GPU-1"};
  set_->Refresh();
  List expected = AllOfThem({"GPU-0::0", "GPU-0::1", "GPU-0::2"});
  expected.merge(AllOfThem({"GPU-1::0", "GPU-1::1", "GPU-1::2"}, "Unhealthy"));
  ASSERT_TRUE(UntilList(kGpu, expected));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 2U);
  EXPECT_EQ(State(kGpu).healthy, 3);
  sick_.clear();
  set_->Refresh();
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 3; }));
  EXPECT_EQ(State(kGpu).healthy, 6);
}

// HealthTracker names each MIG device that a fault of its GPU strikes.
TEST_F(ServedSetTest, AMigDeviceIsSickByItself) {
  gpu::Inventory inventory = Gpus(1);
  Cut(inventory, 0, {"1g.10gb", "1g.10gb"});
  Apply(Configured("", {Flag("mig-strategy", {"single"})}), inventory);
  ASSERT_TRUE(UntilServing());
  sick_ = {"MIG-0-1"};
  set_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, {{"MIG-0-0", "Healthy"}, {"MIG-0-1", "Unhealthy"}}));
  sick_ = {"MIG-0-0", "MIG-0-1"};
  set_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"MIG-0-0", "MIG-0-1"}, "Unhealthy")));
  sick_ = {"GPU-0", "MIG-0-0"};  // as after a fault of one instance
  set_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, {{"MIG-0-0", "Unhealthy"}, {"MIG-0-1", "Healthy"}}));
}

TEST_F(ServedSetTest, ASickGpuIsChosenLastAndFailsNobody) {
  Apply(Configured(Shared(2)), Gpus(2));
  ASSERT_TRUE(UntilServing());
  sick_ = {"GPU-0"};
  set_->Refresh();
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0::0", "GPU-0::1", "GPU-1::0", "GPU-1::1"}, 2),
              ElementsAre("GPU-1::0", "GPU-1::1"));
}

// ---- preferred allocation ----

TEST_F(ServedSetTest, WholeGpusAreChosenByTheirConnections) {
  Apply(Configured(""), Gpus(4));
  ASSERT_TRUE(UntilServing());
  // Given in another order than the plan's, as a driver may.
  set_->SetTopology(
      {.uuids = {"GPU-3", "GPU-2", "GPU-1", "GPU-0"},
       .pair_score = {{0, 10, 10, 210}, {10, 0, 210, 10}, {10, 210, 0, 10}, {210, 10, 10, 0}}});
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0", "GPU-1", "GPU-2", "GPU-3"}, 2),
              ElementsAre("GPU-0", "GPU-3"));
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0", "GPU-1", "GPU-2", "GPU-3"}, 2, {"GPU-1"}),
              ElementsAre("GPU-1", "GPU-2"));
}

TEST_F(ServedSetTest, AnIncompleteTopologyIsNoMatter) {
  set_->SetTopology({.uuids = {"GPU-9"}, .pair_score = {{0}}});
  Apply(Configured(""), Gpus(3));
  ASSERT_TRUE(UntilServing());
  EXPECT_THAT(*Prefer(kGpu, {"GPU-2", "GPU-1", "GPU-0"}, 2), ElementsAre("GPU-0", "GPU-1"));
}

TEST_F(ServedSetTest, PoliciesAreTheConfigs) {
  const Ids available = {"GPU-0::2", "GPU-0::3", "GPU-1::0", "GPU-1::1", "GPU-1::2", "GPU-1::3"};
  const auto first = [&](const std::string& policy) {
    Apply(Configured(Shared(4) +
                     "tranche:\n  resources:\n  - name: nvidia.com/gpu\n"
                     "    allocationPolicy: " +
                     policy + "\n"),
          Gpus(2));
    EXPECT_TRUE(UntilServing());
    return *Prefer(kGpu, available, 2);
  };
  EXPECT_THAT(first("distributed"), ElementsAre("GPU-1::0", "GPU-1::1"));
  EXPECT_THAT(first("packed"), ElementsAre("GPU-0::2", "GPU-0::3"));
  EXPECT_THAT(first("spread"), ElementsAre("GPU-1::0", "GPU-0::2"));
}

TEST_F(ServedSetTest, TooFewHasUpstreamsText) {
  Apply(Configured(Shared(2)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  EXPECT_EQ(Prefer(kGpu, {"GPU-0::0"}, 2).status(),
            Status(Code::kUnknown,
                   "error getting list of preferred allocation devices: not enough available "
                   "devices to satisfy allocation"));
}

// ---- allocation ----

TEST_F(ServedSetTest, AllocationsAreAnsweredAndCounted) {
  Apply(Configured(Shared(2, "    failRequestsGreaterThanOne: true\n")), Gpus(1));
  ASSERT_TRUE(UntilServing());
  EXPECT_THAT(Allocate(kGpu, {"GPU-0::1"})->env,
              ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "GPU-0")));
  EXPECT_EQ(allocated_, 1);
  const char* text =
      "invalid allocation request for \"nvidia.com/gpu\": invalid request: maximum request size "
      "for shared resources is 1; found 2";
  EXPECT_EQ(Allocate(kGpu, {"GPU-0::0", "GPU-0::1"}).status(), Status(Code::kUnknown, text));
  EXPECT_THAT(events_, ElementsAre(std::string("Warning AllocationRefused: ") + text));
  EXPECT_EQ(allocated_, 1);
  EXPECT_EQ(State(kGpu).allocations, 1U);
  EXPECT_EQ(State(kGpu).refusals, 1U);
}

TEST_F(ServedSetTest, HostileRequestsAreSurvivedAndBounded) {
  Apply(Configured(Shared(2)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  EXPECT_TRUE(Allocate(kGpu, {}).ok());
  EXPECT_FALSE(Allocate(kGpu, {std::string(100'000, 'x')}).ok());
  EXPECT_FALSE(Allocate(kGpu, {"GPU-0::0\nforged line"}).ok());
  EXPECT_LT(events_.at(0).size(), 2000U);
  EXPECT_EQ(events_.at(1).find('\n'), std::string::npos);
  EXPECT_TRUE(set_->AllServing());
}

TEST_F(ServedSetTest, IdsOfAnEarlierConfigAreUnknownAtOnce) {
  Apply(Configured(Shared(4)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  Apply(Configured(Shared(2)), Gpus(1));
  EXPECT_THAT(Allocate(kGpu, {"GPU-0::3"}).status().message(),
              HasSubstr("unknown device: GPU-0::3"));
}

// ---- what pods still hold ----

TEST_F(ServedSetTest, GpusWithIdsOfAnEarlierShapeAreAvoided) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::3", "GPU-0::2"}}};
  Apply(Configured(Shared(1)), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0", "GPU-1"}, 1), ElementsAre("GPU-1"));
  EXPECT_THAT(set_->Warnings(),
              ElementsAre("GPU-0: pods still hold ids of an earlier profile: nvidia.com/gpu "
                          "GPU-0::2 nvidia.com/gpu GPU-0::3"));
  EXPECT_EQ(State(kGpu).held, 2);
  // The pod that gets one all the same is admitted, with a word.
  EXPECT_TRUE(Allocate(kGpu, {"GPU-0"}).ok());
  EXPECT_THAT(events_,
              ElementsAre(AllOf(HasSubstr("Warning SharedWithEarlierPods"), HasSubstr("GPU-0"))));
  EXPECT_EQ(State(kGpu).healthy, 2) << "nothing is withheld";
  EXPECT_FALSE(set_->WaitsForHolders());
}

TEST_F(ServedSetTest, IdsThatAreStillAdvertisedAreNoOldOnes) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::1"}}, {"example.com/nic", {"eth0"}}};
  Apply(Configured(Shared(2)), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_THAT(set_->Warnings(), IsEmpty());
  Apply(Configured(Shared(8)), Gpus(2));
  EXPECT_THAT(set_->Warnings(), IsEmpty());
}

TEST_F(ServedSetTest, IdsHeldUnderAnotherNameAreOldOnes) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::0"}}};
  Apply(Configured(Shared(2, "    renameByDefault: true\n")), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_THAT(set_->Warnings(), ElementsAre(HasSubstr("nvidia.com/gpu GPU-0::0")));
}

TEST_F(ServedSetTest, ManyOldIdsMakeAShortWarning) {
  Connect(/*pod_resources=*/true);
  for (int k = 0; k < 100; ++k) kubelet_.held[kGpu].push_back("GPU-0::" + std::to_string(k));
  Apply(Configured(""), Gpus(1));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  ASSERT_EQ(set_->Warnings().size(), 1U);
  EXPECT_THAT(set_->Warnings()[0], HasSubstr("(100 in all)"));
  EXPECT_LT(set_->Warnings()[0].size(), 300U);
}

constexpr char kDrain[] =
    "tranche:\n  resources:\n  - name: nvidia.com/gpu\n    drainBeforeExclusive: true\n";

TEST_F(ServedSetTest, DrainBeforeExclusiveWithholdsUntilPodsHaveGone) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::1"}}};
  Apply(Configured(kDrain), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_TRUE(UntilList(kGpu, {{"GPU-0", "Unhealthy"}, {"GPU-1", "Healthy"}}));
  EXPECT_TRUE(set_->WaitsForHolders());
  EXPECT_THAT(set_->Warnings(), ElementsAre(HasSubstr("; withheld until they end")));
  kubelet_.held.clear();
  holders_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"GPU-0", "GPU-1"})));
  EXPECT_FALSE(set_->WaitsForHolders());
}

TEST_F(ServedSetTest, DrainBeforeExclusiveOffersNothingBeforeItIsKnownWhoHolds) {
  Connect(/*pod_resources=*/true);
  kubelet_.holds_lists_back = true;
  Apply(Configured(kDrain), Gpus(1));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.list_calls == 1; }));
  EXPECT_TRUE(UntilList(kGpu, {{"GPU-0", "Unhealthy"}}));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 1U);
  EXPECT_TRUE(set_->WaitsForHolders());
  kubelet_.AnswerLists();
  EXPECT_TRUE(UntilList(kGpu, {{"GPU-0", "Healthy"}}));
}

TEST_F(ServedSetTest, DrainBeforeExclusiveLeavesSharesAlone) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::7"}}};
  Apply(Configured(Shared(2) + kDrain), Gpus(1));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"GPU-0::0", "GPU-0::1"})));
  EXPECT_FALSE(set_->WaitsForHolders());
}

TEST_F(ServedSetTest, StopServingEndsEveryStream) {
  Apply(Configured(Shared(2)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  set_->StopServing();
  EXPECT_TRUE(Until([&] { return kubelet_.lost.contains(kGpu); }));
  EXPECT_FALSE(set_->AnyServing());
}

TEST_F(ServedSetTest, TheLargestNodeTurnsSickInOneMessage) {
  Apply(Configured(Shared(7500)), Gpus(8));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  for (int i = 0; i < 8; ++i) sick_.insert("GPU-" + std::to_string(i));
  set_->Refresh();
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 2; }));
  EXPECT_EQ(kubelet_.lists[kGpu].back().size(), 60'000U);
  EXPECT_EQ(State(kGpu).healthy, 0);
}

}  // namespace
}  // namespace tranche::agent::serve
