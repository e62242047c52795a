#include "labels/outlet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "apiserver/testing/fake_api.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "labels/choice.h"
#include "labels/publisher.h"

namespace tranche::labels {
namespace {

using namespace std::chrono_literals;
using apiserver::Method;
using base::Code;
using base::Json;
using base::Status;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";
constexpr char kFeatures[] = "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu/nodefeatures";
constexpr char kFeature[] =
    "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu/nodefeatures/nvidia-features-for-gpu-node";
constexpr char kPod[] = "/api/v1/namespaces/gpu/pods/gfd-x";

const Labels kFour{{"nvidia.com/gpu.count", "2"}, {"nvidia.com/gpu.replicas", "4"}};
const Labels kEight{{"nvidia.com/gpu.count", "2"}, {"nvidia.com/gpu.replicas", "8"}};

Json Parsed(std::string_view text) { return *Json::Parse(text); }

Labels Texts(const Json* object) {
  Labels out;
  if (object == nullptr || !object->is_object()) return out;
  for (const auto& [key, value] : object->as_object()) out[key] = value.as_string();
  return out;
}

class OutletTest : public ::testing::Test {
 protected:
  LabelOutlet::State State() {
    return [this](const Status& status) { states_.push_back(status.code()); };
  }
  // Writes so far, of any kind.
  int Writes() {
    return api_.Count(Method::kPost, "/") + api_.Count(Method::kPut, "/") +
           api_.Count(Method::kPatch, "/");
  }

  base::testing::FakeLoop loop_;
  apiserver::testing::FakeApi api_{loop_};
  std::vector<Code> states_;
};

// ---- text and file ----

TEST_F(OutletTest, TextIsWrittenOnceForEachSetOfLabels) {
  std::vector<std::string> written;
  const auto outlet = NewTextOutlet(
      loop_, [&](const std::string& text) { written.push_back(text); }, State());
  outlet->Publish(kFour);
  outlet->Publish(kFour);
  outlet->Publish(kEight);
  EXPECT_THAT(states_, IsEmpty());
  loop_.RunPosted();
  EXPECT_THAT(written, ElementsAre(FormatLabels(kFour), FormatLabels(kEight)));
  EXPECT_THAT(states_, ElementsAre(Code::kOk, Code::kOk, Code::kOk));
}

class FileOutletTest : public OutletTest {
 protected:
  std::string Read() {
    const auto text = base::ReadFile(path_, 1U << 16U);
    return text.ok() ? *text : text.status().message();
  }
  const base::testing::TempDir directory_;
  const std::string path_ = directory_ / "features.d/gfd";
};

TEST_F(FileOutletTest, TheFileIsReplacedByWayOfAHiddenOneAndRemovedInTheEnd) {
  const auto outlet = NewFileOutlet(loop_, path_, State());
  outlet->Publish(kFour);
  EXPECT_EQ(Read(), FormatLabels(kFour));
  const base::FileIdentity first = base::IdentityOf(path_);
  outlet->Publish(kFour);
  EXPECT_EQ(base::IdentityOf(path_), first);  // not written where nothing differs
  outlet->Publish(kEight);
  EXPECT_EQ(Read(), FormatLabels(kEight));
  EXPECT_THAT(*base::ListDirectory(base::ParentDirectory(path_)), ElementsAre("gfd"));
  outlet->Withdraw();
  EXPECT_FALSE(base::Exists(path_));
  loop_.AdvanceBy(10min);
  EXPECT_FALSE(base::Exists(path_));
}

TEST_F(FileOutletTest, WhatCannotBeWrittenIsTriedAgain) {
  ASSERT_TRUE(base::WriteFileAtomic(directory_ / "features.d", "in the way").ok());
  const auto outlet = NewFileOutlet(loop_, path_, State());
  outlet->Publish(kFour);
  loop_.AdvanceBy(30s);
  EXPECT_THAT(states_, ElementsAre(Not(Code::kOk)));
  std::filesystem::remove(directory_ / "features.d");
  loop_.AdvanceBy(1min);
  EXPECT_EQ(Read(), FormatLabels(kFour));
  EXPECT_EQ(states_.back(), Code::kOk);
}

TEST_F(FileOutletTest, AFileThatSomebodyRemovesComesBack) {
  const auto outlet = NewFileOutlet(loop_, path_, State());
  outlet->Publish(kFour);
  std::filesystem::remove(path_);
  loop_.AdvanceBy(1min);
  EXPECT_EQ(Read(), FormatLabels(kFour));
}

// ---- NodeFeature ----

class NodeFeatureTest : public OutletTest {
 protected:
  std::unique_ptr<LabelOutlet> New(const std::string& pod = "") {
    return NewNodeFeatureOutlet(loop_, api_,
                                {.node = "gpu-node", .namespace_name = "gpu", .pod = pod}, State());
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
    return NewNodeLabelOutlet(loop_, api_, "gpu-node", State());
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

// ---- the publisher ----

class Recorder : public LabelOutlet {
 public:
  explicit Recorder(std::vector<Labels>& seen) : seen_(seen) {}
  void Publish(const Labels& labels) override { seen_.push_back(labels); }

 private:
  std::vector<Labels>& seen_;
};

TEST(LabelPublisherTest, PublishesWhatFollowsFromThePlanAndOnlyNews) {
  std::vector<Labels> seen;
  LabelPublisher publisher("/nowhere");
  publisher.Attach(std::make_unique<Recorder>(seen));
  config::Config config;
  gpu::Inventory node;
  node.gpus.push_back({.uuid = "GPU-0", .name = "T4"});
  plan::Plan plan;
  publisher.Update(config, node, &plan);
  publisher.Update(config, node, &plan);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_THAT(seen[0], Contains(Pair("nvidia.com/gpu.product", "T4")));
  EXPECT_THAT(seen[0], Contains(Key(kTimestampLabel)));
  config.flags.gfd.no_timestamp = true;
  publisher.Update(config, node, &plan);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_THAT(seen[1], Not(Contains(Key(kTimestampLabel))));
  publisher.Restart();
  publisher.Update(config, node, &plan);
  EXPECT_EQ(seen.size(), 3U);
}

TEST(LabelPublisherTest, AnOutletThatComesLaterGetsWhatThereIs) {
  std::vector<Labels> seen;
  LabelPublisher publisher("/nowhere");
  publisher.Withdraw();
  publisher.Update({}, {}, nullptr);
  EXPECT_THAT(publisher.labels(), Contains(Key(kTimestampLabel)));
  publisher.Attach(std::make_unique<Recorder>(seen));
  EXPECT_THAT(seen, ElementsAre(publisher.labels()));
}

TEST(CheckOutletTest, NamesWhatIsMissing) {
  EXPECT_TRUE(CheckOutlet({}).ok());
  EXPECT_TRUE(CheckOutlet({.kind = "nfd-file"}).ok());
  EXPECT_FALSE(CheckOutlet({.kind = "nodes"}).ok());
  EXPECT_EQ(CheckOutlet({.kind = "node"}).message(), "required flag \"node-name\" not set");
  EXPECT_TRUE(CheckOutlet({.kind = "node", .node = {.node = "n"}}).ok());
  EXPECT_EQ(CheckOutlet({.kind = "node-feature", .node = {.node = "n"}}).message(),
            "required flag \"namespace\" not set");
}

}  // namespace
}  // namespace tranche::labels
