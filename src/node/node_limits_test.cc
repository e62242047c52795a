// Limits of memory that are enforced, from the config and the annotations of pods to what is told
// of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json_read.h"
#include "node/testing/node_case.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using base::TextAt;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint64_t kMib = 1U << 20U;
constexpr char kEvents[] = "/api/v1/namespaces/team/events";

class NodeLimitsTest : public testing::NodeTest {
 protected:
  NodeLimitsTest() {
    gpu::Inventory inventory = gpu::testing::Gpus(1);
    inventory.gpus[0].memory_bytes = 100 * kMib;
    driver_->SetInventory(inventory);
    options_.config.files.config_file = root_ / "config.yaml";
    options_.walls.directory = root_ / "walls";
    options_.run_directory = root_ / "run";
    options_.events = true;
    options_.new_api = [this](base::EventLoop& loop) -> base::Result<daemon::ApiConnection> {
      auto api = std::make_unique<apiserver::testing::FakeApi>(loop);
      api_ = api.get();
      PutPod(*api, "running");
      return daemon::ApiConnection{.client = std::move(api), .default_namespace = ""};
    };
    Write("{mode: enforce, reserve: 0, limit: 20Mi, max: 60Mi}");
  }
  void Write(const std::string& memory) {
    const std::string text =
        "version: v1\n"
        "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 4}]}}\n"
        "tranche: {memory: " +
        memory + "}\n";
    EXPECT_TRUE(base::WriteFileAtomic(root_ / "config.yaml", text).ok());
  }
  void Annotate(const std::string& value, const std::string& key = "tranche.dev/gpu-memory") {
    base::Json pod = *api_->Find("/api/v1/namespaces/team/pods/running");
    base::Json metadata = *pod.Find("metadata");
    base::Json annotations = *metadata.Find("annotations");
    annotations.Set(key, value);
    metadata.Set("annotations", std::move(annotations));
    pod.Set("metadata", std::move(metadata));
    api_->Put("/api/v1/namespaces/team/pods/running", std::move(pod));
    loop_.AdvanceBy(100ms);
  }
  static std::string Limit(const std::string& pod = "running") {
    return R"(tranche_pod_gpu_wall_limit_bytes{gpu="GPU-0",index="0",namespace="team",pod=")" +
           pod + R"("})";
  }
  std::uint64_t LimitNow(Node& node) {
    return static_cast<std::uint64_t>(Value(node.MetricsText(), Limit()));
  }
  // Reasons of the Events on the pod that are about its limit, once they have been sent.
  std::vector<std::string> Reasons() {
    loop_.AdvanceBy(20s);
    std::vector<std::string> reasons;
    for (const base::Json& event : api_->List(kEvents)) {
      EXPECT_EQ(TextAt(event, {"involvedObject", "name"}), "running");
      EXPECT_EQ(TextAt(event, {"involvedObject", "uid"}),
                TextAt(*api_->Find("/api/v1/namespaces/team/pods/running"), {"metadata", "uid"}));
      // No program of the tests attaches, which is an Event, too.
      const std::string& reason = TextAt(event, "reason");
      if (reason.starts_with("MemoryLimit")) reasons.push_back(reason);
    }
    return reasons;
  }
  void Begin() {
    for (int i = 0; i < 8; ++i) Second({});
  }

  apiserver::testing::FakeApi* api_ = nullptr;
};

TEST_F(NodeLimitsTest, AnAnnotationRaisesAndLowersALimitWithinTheBounds) {
  Run([&](Node& node) {
    Begin();
    EXPECT_EQ(LimitNow(node), 20 * kMib);
    Annotate("50Mi");
    EXPECT_EQ(LimitNow(node), 50 * kMib) << "at once";
    EXPECT_THAT(Reasons(), ElementsAre("MemoryLimitChanged"));
    EXPECT_THAT(node.StatusJson().Dump(),
                HasSubstr("pod team/running: the limit of memory on GPU-0 is 50Mi, it was 20Mi"));
    Annotate("90%");
    EXPECT_EQ(LimitNow(node), 60 * kMib) << "the most that the profile allows";
    EXPECT_THAT(Reasons(), Contains("MemoryLimitRefused"));
    Annotate("10%");
    EXPECT_EQ(LimitNow(node), 10 * kMib);
  });
}

TEST_F(NodeLimitsTest, WithoutBoundsAnAnnotationOnlyLowers) {
  Write("{mode: enforce, reserve: 0, limit: 20Mi}");
  Run([&](Node& node) {
    Begin();
    Annotate("50Mi");
    EXPECT_EQ(LimitNow(node), 20 * kMib);
    EXPECT_THAT(Reasons(), ElementsAre("MemoryLimitRefused"));
    EXPECT_THAT(
        node.StatusJson().Dump(),
        HasSubstr("asks for 50Mi of GPU-0, and the limit stays 20Mi: the profile allows no"));
    Annotate("5Mi");
    EXPECT_EQ(LimitNow(node), 5 * kMib);
  });
}

TEST_F(NodeLimitsTest, WhatCannotBeReadChangesNothingAndIsSaidOnThePod) {
  Run([&](Node& node) {
    Begin();
    Annotate("30Mi");
    const std::vector<std::string> hostile{"lots",
                                           "0",
                                           "-1",
                                           "1e99",
                                           "101%",
                                           "",
                                           std::string("\x01\x1b[31m\n\"\\"),
                                           std::string(1U << 20U, '9')};
    for (const std::string& value : hostile) {
      Annotate(value);
      loop_.AdvanceBy(30s);
      EXPECT_EQ(LimitNow(node), 30 * kMib) << value.substr(0, 20);
    }
    const auto reasons = Reasons();
    EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "MemoryLimitInvalid"),
              static_cast<std::ptrdiff_t>(hostile.size()));
    for (const base::Json& event : api_->List(kEvents)) {
      const std::string& message = TextAt(event, "message");
      EXPECT_LT(message.size(), 300U);
      EXPECT_THAT(message, Not(HasSubstr("\x1b")));
    }
    EXPECT_LT(node.StatusJson().Dump().size(), 64U << 10U);
  });
}

TEST_F(NodeLimitsTest, ALimitOfOneContainerIsNotKeptToAndSaidOnce) {
  Run([&](Node& node) {
    Begin();
    Annotate("5Mi", "main.container.tranche.dev/gpu-memory");
    Annotate("4Mi", "main.container.tranche.dev/gpu-memory");
    EXPECT_EQ(LimitNow(node), 20 * kMib);
    EXPECT_THAT(Reasons(), ElementsAre("MemoryLimitInvalid"));
    Annotate("10Mi");
    EXPECT_EQ(LimitNow(node), 10 * kMib) << "that of the pod counts";
  });
}

TEST_F(NodeLimitsTest, AStormOfAnnotationsIsTakenSlowlyAndTheNewestCounts) {
  Run([&](Node& node) {
    Begin();
    for (int i = 0; i < 200; ++i) Annotate(std::to_string(10 + i % 7) + "Mi");
    const std::size_t told = Reasons().size();
    EXPECT_LE(told, 10U);
    loop_.AdvanceBy(60s);
    EXPECT_EQ(LimitNow(node), (10 + 199 % 7) * kMib);
  });
}

TEST_F(NodeLimitsTest, AProfileThatChangesLeavesWhatPodsHave) {
  Run([&](Node& node) {
    Begin();
    Annotate("50Mi");
    Write("{mode: enforce, reserve: 0, limit: 5Mi}");
    node.OnSignal(SIGHUP);
    Begin();
    EXPECT_EQ(LimitNow(node), 50 * kMib);
    Annotate("55Mi");
    EXPECT_EQ(LimitNow(node), 20 * kMib) << "now the bounds of now count, and what was given";
  });
}

// The kubelet's answer is by name: what it said of a pod says nothing of the next one of that name.
TEST_F(NodeLimitsTest, APodThatIsMadeAgainUnderItsNameIsAnotherPod) {
  held_ = std::vector<kubelet::Holding>{
      {"team", "running", "main", "nvidia.com/gpu", {"GPU-0::1", "GPU-0::2"}}};
  Run([&](Node& node) {
    Begin();
    EXPECT_EQ(LimitNow(node), 40 * kMib);
    api_->Remove("/api/v1/namespaces/team/pods/running");
    loop_.AdvanceBy(100ms);
    held_ =
        std::vector<kubelet::Holding>{{"team", "running", "main", "nvidia.com/gpu", {"GPU-0::3"}}};
    api_->Put("/api/v1/namespaces/team/pods/running",
              base::Json::Parse(R"({"metadata": {"annotations": {}}, "spec": {"nodeName": "n"}})")
                  .value());
    loop_.AdvanceBy(1s);
    EXPECT_EQ(LimitNow(node), 20 * kMib) << "by a question that was asked since";
  });
}

TEST_F(NodeLimitsTest, WhereNothingIsEnforcedAnnotationsDoNothing) {
  Write("{mode: observe, limit: 20Mi, max: 60Mi}");
  Run([&](Node& node) {
    Begin();
    Annotate("50Mi");
    EXPECT_THAT(node.MetricsText(), Not(HasSubstr("wall_limit_bytes{")));
    EXPECT_THAT(Reasons(), IsEmpty());
  });
}

}  // namespace
}  // namespace tranche::node
