#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "labels/choice.h"
#include "labels/testing/outlet_fixture.h"

namespace tranche::labels {
namespace {

using namespace std::chrono_literals;
using apiserver::Method;
using base::Code;
using base::Json;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::kEight;
using ::testing::Key;
using testing::kFour;
using ::testing::Not;
using testing::OutletTest;
using ::testing::Pair;
using testing::Parsed;
using testing::Texts;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";
constexpr char kFeatures[] = "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu/nodefeatures";
constexpr char kFeature[] =
    "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu/nodefeatures/nvidia-features-for-gpu-node";
constexpr char kPod[] = "/api/v1/namespaces/gpu/pods/gfd-x";

// ---- NodeFeature ----

class NodeFeatureTest : public OutletTest {
 protected:
  std::unique_ptr<LabelOutlet> New(const std::string& pod = "") {
    return NewNodeFeatureOutlet(
        loop_, api_, {.node = "gpu-node", .namespace_name = "gpu", .pod = pod}, StateChanged());
  }
  Labels Published() {
    const Json* object = api_.Find(kFeature);
    const Json* spec = object == nullptr ? nullptr : object->Find("spec");
    return spec == nullptr ? Labels() : Texts(spec->Find("labels"));
  }
};

TEST_F(NodeFeatureTest, IsCreatedThenReplacedAndOnlyWhereItDiffers) {
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.RunPosted();
  EXPECT_EQ(Published(), kFour);
  EXPECT_THAT(states_, ElementsAre(Code::kOk));
  const Json* made = api_.Find(kFeature);
  EXPECT_EQ(Texts(made->Find("metadata")->Find("labels")),
            (Labels{{"nfd.node.kubernetes.io/node-name", "gpu-node"}}));
  EXPECT_EQ(*made->Find("spec")->Find("features"),
            Parsed(R"({"flags":{},"attributes":{},"instances":{}})"));
  outlet->Publish(kEight);
  loop_.RunPosted();
  EXPECT_EQ(Published(), kEight);
  EXPECT_EQ(api_.Count(Method::kPost, kFeatures), 1);
  EXPECT_EQ(api_.Count(Method::kPut, kFeatures), 1);
  outlet->Publish(kEight);
  loop_.AdvanceBy(1h);
  EXPECT_EQ(Writes(), 2);
}

TEST_F(NodeFeatureTest, ASuccessorFindsItAndWritesNothing) {
  {
    const auto first = New();
    first->Publish(kFour);
    loop_.RunPosted();
  }
  const auto second = New();
  second->Publish(kFour);
  loop_.RunPosted();
  EXPECT_EQ(Writes(), 1);
  EXPECT_THAT(states_, ElementsAre(Code::kOk, Code::kOk));
}

TEST_F(NodeFeatureTest, OwnersAreTheDaemonSetAndThePod) {
  api_.Put(kPod, Parsed(R"({"metadata": {"uid": "pod-uid", "ownerReferences": [
      {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "gfd", "uid": "ds-uid",
       "controller": true, "blockOwnerDeletion": true}]}})"));
  const auto outlet = New("gfd-x");
  outlet->Publish(kFour);
  loop_.RunPosted();
  ASSERT_NE(api_.Find(kFeature), nullptr);
  const Json uid = *api_.Find(kPod)->Find("metadata")->Find("uid");
  Json expected = Parsed(R"([
      {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "gfd", "uid": "ds-uid",
       "controller": true},
      {"apiVersion": "v1", "kind": "Pod", "name": "gfd-x"}])");
  Json::Array references = expected.as_array();
  references[1].Set("uid", uid);
  EXPECT_EQ(*api_.Find(kFeature)->Find("metadata")->Find("ownerReferences"),
            Json::MakeArray(references));
  loop_.AdvanceBy(1h);
  EXPECT_EQ(Writes(), 1);
}

TEST_F(NodeFeatureTest, WithoutAPodToReadThereIsNoOwner) {
  api_.Deny(Method::kGet, kPod);
  const auto outlet = New("gfd-x");
  outlet->Publish(kFour);
  loop_.RunPosted();
  EXPECT_EQ(Published(), kFour);
  EXPECT_THAT(states_, ElementsAre(Code::kOk));
}

TEST_F(NodeFeatureTest, WithoutItsDefinitionItIsWaitedFor) {
  api_.SetServed(kFeatures, false);
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.AdvanceBy(1min);
  ASSERT_THAT(states_, ElementsAre(Code::kNotFound));
  api_.SetServed(kFeatures, true);
  loop_.AdvanceBy(10min);
  EXPECT_EQ(Published(), kFour);
  EXPECT_EQ(states_.back(), Code::kOk);
}

TEST_F(NodeFeatureTest, WhatOthersChangeIsPutRightMoreAndMoreRarely) {
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.RunPosted();
  api_.Remove(kFeature);
  loop_.AdvanceBy(2s);
  EXPECT_EQ(Published(), kFour);
  for (int i = 0; i < 600; ++i) {
    if (api_.Find(kFeature) != nullptr) api_.Remove(kFeature);
    loop_.AdvanceBy(1s);
  }
  EXPECT_LE(Writes(), 15);
  loop_.AdvanceBy(10min);
  EXPECT_EQ(Published(), kFour);
}

TEST_F(NodeFeatureTest, AnApiServerThatIsAwayIsWaitedFor) {
  api_.SetAway(true);
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.AdvanceBy(1min);
  EXPECT_THAT(states_, ElementsAre(Code::kUnavailable));
  outlet->Publish(kEight);
  api_.SetAway(false);
  loop_.AdvanceBy(10min);
  EXPECT_EQ(Published(), kEight);
  EXPECT_EQ(Writes(), 1);
}

// ---- the node ----

class NodeLabelTest : public OutletTest {
 protected:
  NodeLabelTest() {
    api_.Put(kNode, Parsed(R"({"metadata": {"labels": {"kubernetes.io/os": "linux",
        "nvidia.com/gpu.deploy.driver": "true", "nvidia.com/device-plugin.config": "dev"}}})"));
  }
  std::unique_ptr<LabelOutlet> New() {
    return NewNodeLabelOutlet(loop_, api_, "gpu-node", StateChanged());
  }
  Labels OnNode() { return Texts(api_.Find(kNode)->Find("metadata")->Find("labels")); }
  static Labels With(Labels more) {
    more["kubernetes.io/os"] = "linux";
    more["nvidia.com/gpu.deploy.driver"] = "true";
    more["nvidia.com/device-plugin.config"] = "dev";
    return more;
  }
};

TEST_F(NodeLabelTest, WhatIsNoLongerTrueIsRemovedAndNothingElse) {
  const auto outlet = New();
  Labels mig = kFour;
  mig["nvidia.com/mig.strategy"] = "single";
  outlet->Publish(mig);
  loop_.RunPosted();
  EXPECT_EQ(OnNode(), With(mig));
  outlet->Publish(kEight);
  loop_.RunPosted();
  EXPECT_EQ(OnNode(), With(kEight));
  EXPECT_EQ(Writes(), 2);
  const auto& request = api_.requests().back();
  EXPECT_EQ(request.patch, apiserver::PatchKind::kApply);
  EXPECT_EQ(request.query, "fieldManager=tranche-gfd&force=true");
  EXPECT_THAT(Texts(request.body->Find("metadata")->Find("labels")),
              Not(Contains(Key("kubernetes.io/os"))));
}

TEST_F(NodeLabelTest, ASuccessorWritesNothingWhereAllIsAsItShouldBe) {
  {
    const auto first = New();
    first->Publish(kFour);
    loop_.RunPosted();
  }
  const auto second = New();
  second->Publish(kFour);
  loop_.AdvanceBy(1h);
  EXPECT_EQ(Writes(), 1);
  second->Publish({{"nvidia.com/gpu.count", "2"}});
  loop_.RunPosted();
  EXPECT_EQ(OnNode(), With({{"nvidia.com/gpu.count", "2"}}));
}

TEST_F(NodeLabelTest, ALabelLikeOursThatSomebodyElseSetStaysAndCostsOneWrite) {
  api_.PutLabel(kNode, "nvidia.com/mig.strategy", "mixed");
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.AdvanceBy(1h);
  EXPECT_THAT(OnNode(), Contains(Pair("nvidia.com/mig.strategy", "mixed")));
  EXPECT_EQ(Writes(), 1);
}

TEST_F(NodeLabelTest, OnlyKeysOfOursAreWritten) {
  const auto outlet = New();
  Labels more = kFour;
  more["kubernetes.io/os"] = "windows";
  more["nvidia.com/gpu.deploy.driver"] = "false";
  outlet->Publish(more);
  loop_.AdvanceBy(1h);
  EXPECT_EQ(OnNode(), With(kFour));
  EXPECT_EQ(Writes(), 1);
}

TEST_F(NodeLabelTest, AValueThatSomebodyChangesIsPutRightButNotATimestamp) {
  Labels stamped = kFour;
  stamped[kTimestampLabel] = "100";
  const auto outlet = New();
  outlet->Publish(stamped);
  loop_.AdvanceBy(10s);
  api_.PutLabel(kNode, kTimestampLabel, "200");
  loop_.AdvanceBy(1h);
  EXPECT_EQ(Writes(), 1);
  api_.PutLabel(kNode, "nvidia.com/gpu.count", "9");
  loop_.AdvanceBy(1h);
  EXPECT_THAT(OnNode(), Contains(Pair("nvidia.com/gpu.count", "2")));
  EXPECT_EQ(Writes(), 2);
}

TEST_F(NodeLabelTest, NoNodeIsMade) {
  api_.Remove(kNode);
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.AdvanceBy(1min);
  EXPECT_EQ(api_.Find(kNode), nullptr);
  EXPECT_EQ(Writes(), 0);
  EXPECT_THAT(states_, ElementsAre(Code::kNotFound));
  api_.Put(kNode, Parsed(R"({"metadata": {}})"));
  loop_.AdvanceBy(10min);
  EXPECT_EQ(OnNode(), kFour);
}

TEST_F(NodeLabelTest, ARefusalIsToldOnceAndTriedRarely) {
  api_.Deny(Method::kPatch, kNode);
  const auto outlet = New();
  outlet->Publish(kFour);
  loop_.AdvanceBy(1h);
  EXPECT_THAT(states_, ElementsAre(Code::kPermissionDenied));
  EXPECT_LE(api_.Count(Method::kPatch, kNode), 25);
  api_.StopFailing();
  loop_.AdvanceBy(10min);
  EXPECT_EQ(OnNode(), With(kFour));
}

}  // namespace
}  // namespace tranche::labels
