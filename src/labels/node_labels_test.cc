#include "labels/node_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/testing/fake_loop.h"
#include "gpu/testing/inventories.h"

namespace tranche::labels {
namespace {

using apiserver::Method;
using apiserver::testing::FakeApi;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";

class NodeLabelsTest : public ::testing::Test {
 protected:
  void SetUp() override { api_.PutLabel(kNode, "other", "1"); }
  std::unique_ptr<NodeLabels> New(const std::string& kind) {
    return std::make_unique<NodeLabels>(
        loop_, OutletChoice{.kind = kind, .file = "", .node = {.node = "gpu-node"}}, "/nowhere",
        [this](daemon::EventType /*type*/, const std::string& reason,
               const std::string& /*message*/) { events_.push_back(reason); });
  }
  std::string OnNode(const std::string& key) {
    const base::Json* node = api_.Find(kNode);
    const base::Json* labels = node->Find("metadata")->Find("labels");
    const base::Json* value = labels == nullptr ? nullptr : labels->Find(key);
    return value == nullptr ? "" : value->as_string();
  }

  base::testing::FakeLoop loop_;
  FakeApi api_{loop_};
  std::vector<std::string> events_;
  config::Config config_;
  plan::Plan plan_;
};

TEST_F(NodeLabelsTest, WaitsForTheApiServerWhereTheLabelsGoThere) {
  const auto labels = New("node");
  labels->Update(config_, gpu::testing::Gpus(2), plan_);
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(OnNode("nvidia.com/gpu.count"), "");
  labels->Connect(api_);
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(OnNode("nvidia.com/gpu.count"), "2");
  labels->Update(config_, gpu::testing::Gpus(3), plan_);
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(OnNode("nvidia.com/gpu.count"), "3");
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(NodeLabelsTest, NoneMeansNone) {
  const auto labels = New("none");
  labels->Update(config_, gpu::testing::Gpus(2), plan_);
  labels->Connect(api_);
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(OnNode("nvidia.com/gpu.count"), "");
}

TEST_F(NodeLabelsTest, ARefusalIsAnEventAndSoIsItsEnd) {
  api_.Deny(Method::kPatch, kNode);
  const auto labels = New("node");
  labels->Connect(api_);
  labels->Update(config_, gpu::testing::Gpus(2), plan_);
  loop_.AdvanceBy(minutes(60));
  EXPECT_THAT(events_, ElementsAre("LabelsNotPublished"));
  api_.StopFailing();
  loop_.AdvanceBy(minutes(10));
  EXPECT_THAT(events_, ElementsAre("LabelsNotPublished", "LabelsPublished"));
}

TEST_F(NodeLabelsTest, AnApiServerThatIsAwayIsNoEvent) {
  const auto labels = New("node");
  labels->Connect(api_);
  api_.SetAway(true);
  labels->Update(config_, gpu::testing::Gpus(2), plan_);
  loop_.AdvanceBy(minutes(60));
  EXPECT_THAT(events_, IsEmpty());
}

}  // namespace
}  // namespace tranche::labels
