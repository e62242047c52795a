#include "profile/cluster_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/file.h"
#include "config/load.h"
#include "profile/testing/cluster_source_fixture.h"

namespace tranche::profile {
namespace {

using apiserver::Method;
using base::Code;
using base::Json;
using profile::testing::ClusterSourceTest;
using profile::testing::kMap;
using profile::testing::kNode;
using profile::testing::Map;
using profile::testing::Replicas;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- the label, profiles in files ----

class NodeLabelTest : public ClusterSourceTest {
 protected:
  void SetUp() override {
    ClusterSourceTest::SetUp();
    files_.profiles_directory = dir_ / "profiles";
    for (const auto& [name, replicas] : {std::pair("default", 2), {"dev", 4}}) {
      ASSERT_TRUE(
          base::WriteFileAtomic(base::JoinPath(files_.profiles_directory, name), Replicas(replicas))
              .ok());
    }
  }
};

TEST_F(NodeLabelTest, ALabelledNodeNeverSeesTheDefault) {
  Label("dev");
  Start();
  EXPECT_THAT(Applied(), ElementsAre(4));
  EXPECT_THAT(Events(), ElementsAre("Normal ConfigApplied: profile 'dev' is in force"));
  EXPECT_EQ(Described().label_value, "dev");
  EXPECT_EQ(Described().api, kInSync);
}

TEST_F(NodeLabelTest, TheWatchIsOfOneNodeAndItsMetadataOnly) {
  Start();
  ASSERT_EQ(api_.watched().size(), 1U);
  EXPECT_EQ(api_.watched()[0].path, "/api/v1/nodes");
  EXPECT_EQ(api_.watched()[0].field_selector, "metadata.name=gpu-node");
  EXPECT_EQ(api_.watched()[0].form, apiserver::ReplyForm::kMetadata);
  EXPECT_THAT(api_.requests(), IsEmpty());
}

TEST_F(NodeLabelTest, TheLabelIsFollowedAtOnce) {
  Start();
  EXPECT_THAT(Applied(), ElementsAre(2));
  EXPECT_EQ(Described().label_value, "");
  Label("dev");
  EXPECT_THAT(Applied(), ElementsAre(4));
  api_.PutLabel(kNode, "unrelated", "2");
  loop_.RunPosted();
  EXPECT_THAT(Applied(), IsEmpty());
  Label("");
  EXPECT_THAT(Applied(), ElementsAre(2)) << "an empty label is none";
  Label("dev");
  Label(std::nullopt);
  EXPECT_THAT(Applied(), ElementsAre(4, 2));
}

TEST_F(NodeLabelTest, ALabelOfAMissingProfileKeepsWhatIsInForce) {
  Label("dev");
  Start();
  Applied();
  Events();
  Label("typo");
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_EQ(config().error, "specified config typo does not exist");
  EXPECT_THAT(Events(), ElementsAre(HasSubstr("Warning ConfigRejected")));
  loop_.AdvanceBy(milliseconds(50));
  Start();
  EXPECT_THAT(Applied(), ElementsAre(4)) << "also over a restart, whatever the default";
}

TEST_F(NodeLabelTest, AnAbsentApiIsWaitedForAndThenTheDefaultIsGuessed) {
  Label("dev");
  api_.SetAway(true);
  Start();
  loop_.AdvanceBy(seconds(4));
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_THAT(config().awaiting, HasSubstr("connection refused"));
  loop_.AdvanceBy(seconds(1));
  EXPECT_THAT(Applied(), ElementsAre(2));
  EXPECT_THAT(config().awaiting, HasSubstr("connection refused"));
  EXPECT_THAT(Described().api, HasSubstr("node gpu-node: connection refused"));
  EXPECT_EQ(LoadLastGood(state_).status().code(), Code::kNotFound) << "a guess is not remembered";
  api_.SetAway(false);
  loop_.AdvanceBy(seconds(2));
  EXPECT_THAT(Applied(), ElementsAre(4));
  EXPECT_EQ(config().awaiting, "");
  EXPECT_EQ(LoadLastGood(state_)->profile, "dev");
}

TEST_F(NodeLabelTest, AGuessThatWasRightDisturbsNothing) {
  api_.SetHanging(true);
  Start();
  loop_.AdvanceBy(seconds(5));
  EXPECT_THAT(Applied(), ElementsAre(2));
  api_.SetHanging(false);
  loop_.AdvanceBy(seconds(2));
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_EQ(config().awaiting, "");
  EXPECT_EQ(LoadLastGood(state_)->profile, "default") << "now it is known";
}

TEST_F(NodeLabelTest, TheLastGoodIsInForceForAsLongAsTheApiIsAway) {
  Label("dev");
  Start();
  api_.SetAway(true);
  Start();
  EXPECT_THAT(Applied(), ElementsAre(4)) << "before the API server was even asked";
  EXPECT_THAT(Events(), ElementsAre(HasSubstr("Normal LastGoodConfig: the last good config, "
                                              "profile 'dev', is in force until")));
  loop_.AdvanceBy(std::chrono::hours(1));
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_EQ(config().profile, "dev");
  api_.SetAway(false);
  loop_.AdvanceBy(seconds(2));
  EXPECT_THAT(Applied(), IsEmpty()) << "it is what is wanted: nothing is disturbed";
  EXPECT_FALSE(config().from_last_good);
  EXPECT_THAT(Events(), ElementsAre("Normal ConfigApplied: profile 'dev' is in force"));
}

TEST_F(NodeLabelTest, ALabelChangedMeanwhileReplacesTheLastGood) {
  Label("dev");
  Start();
  Label(std::nullopt);
  loop_.AdvanceBy(seconds(1));
  Start(/*connected=*/false);
  EXPECT_THAT(Applied(), ElementsAre(2));
  Label("dev");
  config_->source().Connect(api_, "");
  loop_.RunPosted();
  EXPECT_THAT(Applied(), ElementsAre(4));
}

TEST_F(NodeLabelTest, TheLabelStaysWhileTheApiIsAwayAndAfterTheNodeIsDeleted) {
  Label("dev");
  Start();
  Applied();
  api_.SetAway(true);
  loop_.AdvanceBy(seconds(120));
  EXPECT_EQ(config().error, "");
  EXPECT_THAT(Described().api, HasSubstr("connection refused"));
  api_.SetAway(false);
  loop_.AdvanceBy(seconds(2));
  EXPECT_EQ(Described().api, kInSync);
  api_.Remove(kNode);
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(Applied(), IsEmpty());
  api_.PutLabel(kNode, "new", "1");
  loop_.RunPosted();
  EXPECT_THAT(Applied(), ElementsAre(2)) << "the kubelet made it again, without the label";
}

TEST_F(NodeLabelTest, WhereNoProfileIsToBeChosenNobodyWaits) {
  files_.profiles_directory.clear();
  api_.SetAway(true);
  Start();
  EXPECT_THAT(Applied(), ElementsAre(1));
}

// ---- the ConfigMap by name ----

class ConfigMapTest : public ClusterSourceTest {
 protected:
  void SetUp() override {
    ClusterSourceTest::SetUp();
    options_.config_map = "gpu-operator/plugin-config";
    Label("dev");
  }
};

TEST_F(ConfigMapTest, ProfilesComeFromItAndEditsApply) {
  Start();
  EXPECT_THAT(Applied(), ElementsAre(4));
  EXPECT_EQ(config().source, "configmap:gpu-operator/plugin-config/dev");
  const std::string version = Described().config_map_version;
  PutMap(8);
  loop_.RunPosted();
  EXPECT_THAT(Applied(), ElementsAre(8));
  EXPECT_NE(Described().config_map_version, version);
  EXPECT_EQ(Described().config_map, "gpu-operator/plugin-config");
  EXPECT_THAT(config_->source().AvailableProfiles(), ElementsAre("default", "dev", "none"));
  Label("none");
  EXPECT_THAT(Applied(), ElementsAre(1)) << "an empty key is an empty file: not shared";
}

TEST_F(ConfigMapTest, OnlyThatOneIsWatched) {
  Start();
  ASSERT_EQ(api_.watched().size(), 2U);
  EXPECT_EQ(api_.watched()[1].path, "/api/v1/namespaces/gpu-operator/configmaps");
  EXPECT_EQ(api_.watched()[1].field_selector, "metadata.name=plugin-config");
}

TEST_F(ConfigMapTest, OnceDeletedOrEmptiedWhatIsInForceStays) {
  Start();
  Applied();
  api_.Remove(kMap);
  loop_.RunPosted();
  EXPECT_EQ(config().error, "configmap gpu-operator/plugin-config does not exist");
  api_.Put(kMap, Map({}));
  loop_.RunPosted();
  EXPECT_EQ(config().error, "no configuration files available");
  api_.Put(kMap, Json::MakeObject({{"binaryData", Json::MakeObject({{"dev", "eA=="}})}}));
  loop_.RunPosted();
  EXPECT_EQ(config().error, "no configuration files available");
  EXPECT_THAT(Applied(), IsEmpty());
  loop_.AdvanceBy(seconds(1));
  Start();
  EXPECT_THAT(Applied(), ElementsAre(4)) << "also over a restart";
  PutMap(4);
  loop_.RunPosted();
  EXPECT_EQ(config().error, "");
}

TEST_F(ConfigMapTest, WhatIsTooLongIsRefused) {
  Start();
  Applied();
  api_.Put(kMap, Map({{"dev", std::string(config::kMaxConfigBytes + 1, '#')}}));
  loop_.RunPosted();
  EXPECT_THAT(config().error, HasSubstr("longer than 1048576 bytes"));
  EXPECT_THAT(Applied(), IsEmpty());
}

TEST_F(ConfigMapTest, ItIsNeverGuessed) {
  api_.SetAway(true);
  Start();
  loop_.AdvanceBy(seconds(3600));
  EXPECT_THAT(Applied(), IsEmpty()) << "never the unshared default";
  EXPECT_FALSE(config().usable);
  EXPECT_THAT(Events(), ElementsAre(HasSubstr("Warning ConfigNotKnown: configmap "
                                              "gpu-operator/plugin-config has not been read")));
  api_.SetAway(false);
  loop_.AdvanceBy(seconds(2));
  EXPECT_THAT(Applied(), ElementsAre(4));
}

TEST_F(ConfigMapTest, AnAccountThatMayNotReadItSaysSo) {
  api_.Deny(Method::kGet, "/api/v1/namespaces/gpu-operator/configmaps");
  Start();
  loop_.AdvanceBy(seconds(6));
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_THAT(config().awaiting, HasSubstr("is forbidden"));
  EXPECT_THAT(Described().api, HasSubstr("is forbidden"));
}

TEST_F(ConfigMapTest, RightsRevokedLaterChangeNothing) {
  Start();
  Applied();
  api_.Deny(Method::kGet, "/api/v1");
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_EQ(config().error, "");
  EXPECT_THAT(Described().api, HasSubstr("is forbidden"));
}

TEST_F(ConfigMapTest, WithoutTheLabelAFlagSelects) {
  options_.watch_node = false;
  files_.profile = "default";
  Start();
  EXPECT_THAT(Applied(), ElementsAre(2));
  EXPECT_EQ(api_.watched().size(), 1U);
}

TEST_F(ConfigMapTest, WithoutAClientTheReasonIsShown) {
  Start(/*connected=*/false);
  config_->source().CannotConnect({Code::kFailedPrecondition, "no libcurl"});
  EXPECT_EQ(Described().api, "no libcurl");
  EXPECT_EQ(config().awaiting, "no libcurl");
}

// ---- flags ----

TEST(ClusterSourceOptionsTest, WhatDoesNotGoTogetherIsRefused) {
  const auto why = [](ClusterSourceOptions options, const FileSourceOptions& files = {}) {
    return options.Check(files).message();
  };
  EXPECT_EQ(why({}), "");
  EXPECT_EQ(why({.node_name = "n", .watch_node = true}), "");
  EXPECT_THAT(why({.watch_node = true}), HasSubstr("needs --node-name"));
  EXPECT_THAT(why({.cluster_policy = "p"}), HasSubstr("needs --node-name"));
  EXPECT_THAT(why({.node_name = "n", .watch_node = true}, {.profile = "x"}),
              HasSubstr("leave out --profile"));
  EXPECT_EQ(why({.config_map = "a/b"}, {.profile = "x"}), "");
  for (const char* bad : {"b", "/b", "a/", "a/b/c", "a/../b", "a/b?x"}) {
    EXPECT_THAT(why({.config_map = bad}), HasSubstr("NAMESPACE/NAME")) << bad;
  }
  EXPECT_THAT(why({.node_name = "n/../x", .watch_node = true}), HasSubstr("no node's name"));
}

}  // namespace
}  // namespace tranche::profile
