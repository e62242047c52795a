#include "agent/cluster_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "agent/configurator.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "config/load.h"
#include "kube/testing/fake_api.h"

namespace tranche::agent {
namespace {

using base::Code;
using base::Json;
using base::Status;
using kube::Method;
using kube::testing::FakeApi;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";
constexpr char kLabel[] = "nvidia.com/device-plugin.config";
constexpr char kMap[] = "/api/v1/namespaces/gpu-operator/configmaps/plugin-config";
constexpr char kPolicy[] = "/apis/nvidia.com/v1/clusterpolicies/cluster-policy";
constexpr char kPolicies[] = "/apis/nvidia.com/v1/clusterpolicies";

std::string Replicas(int replicas) {
  return "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: nvidia.com/gpu\n"
         "      replicas: " +
         std::to_string(replicas) + "\n";
}

Json Map(const Json::Object& data) { return Json::MakeObject({{"data", Json::MakeObject(data)}}); }

Json Policy(const std::string& config_map, const std::string& default_profile) {
  Json config = Json::MakeObject();
  if (!config_map.empty()) config.Set("name", config_map);
  if (!default_profile.empty()) config.Set("default", default_profile);
  return Json::MakeObject(
      {{"spec", Json::MakeObject({{"devicePlugin", Json::MakeObject({{"config", config}})}})}});
}

// The source with the configurator behind it, as in the agent: what matters is what is applied.
class ClusterSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    files_.default_profile = "default";
    options_.node_name = "gpu-node";
    options_.watch_node = true;
    options_.policy_namespace = "gpu-operator";
    api_.PutLabel(kNode, "other", "1");
    PutMap(4);
  }

  void PutMap(int dev) {
    api_.Put(kMap, Map({{"default", Replicas(2)}, {"dev", Replicas(dev)}, {"none", ""}}));
  }
  void Label(std::optional<std::string> value) {
    api_.PutLabel(kNode, kLabel, std::move(value));
    loop_.RunPosted();
  }

  // A process begins: nothing in memory, the disk as it was.
  void Start(bool connected = true) {
    configurator_.reset();
    source_.reset();
    applied_.clear();
    events_.clear();
    source_ = std::make_unique<ClusterSource>(loop_, files_, options_, [this] {
      if (configurator_ != nullptr) configurator_->Refresh(false);
    });
    configurator_ = std::make_unique<Configurator>(
        loop_, *source_, std::vector<config::Override>{}, std::vector<config::Override>{}, state_,
        Configurator::Owner{
            .apply = [this](const config::Loaded& loaded, const std::string&) -> Status {
              const auto& resources = loaded.config.time_slicing.resources;
              applied_.push_back(resources.empty() ? 1 : resources[0].replicas);
              return Status::Ok();
            },
            .event =
                [this](const std::string& type, const std::string& reason,
                       const std::string& message) {
                  events_.push_back(type + " " + reason + ": " + message);
                }});
    configurator_->Refresh(true);
    if (!connected) return;
    source_->Connect(api_, "");
    loop_.AdvanceBy(milliseconds(50));
  }

  std::vector<int> Applied() { return std::exchange(applied_, {}); }
  std::vector<std::string> Events() { return std::exchange(events_, {}); }
  const ConfigState& config() const { return configurator_->state(); }
  KubernetesState Described() const {
    KubernetesState state;
    source_->Describe(state);
    return state;
  }

  base::testing::TempDir dir_;
  const std::string state_ = dir_ / "tranche";
  base::testing::FakeLoop loop_;
  FakeApi api_{loop_};
  ConfigSourceOptions files_;
  ClusterSourceOptions options_;
  std::vector<int> applied_;
  std::vector<std::string> events_;
  std::unique_ptr<ClusterSource> source_;
  std::unique_ptr<Configurator> configurator_;
};

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
  EXPECT_TRUE(api_.watched()[0].metadata_only);
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
  source_->Connect(api_, "");
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
  EXPECT_THAT(source_->AvailableProfiles(), ElementsAre("default", "dev", "none"));
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
  source_->CannotConnect({Code::kFailedPrecondition, "no libcurl"});
  EXPECT_EQ(Described().api, "no libcurl");
  EXPECT_EQ(config().awaiting, "no libcurl");
}

// ---- the ClusterPolicy ----

class ClusterPolicyTest : public ClusterSourceTest {
 protected:
  void SetUp() override {
    ClusterSourceTest::SetUp();
    options_.watch_node = false;  // implied
    options_.cluster_policy = "cluster-policy";
    files_.default_profile.clear();
  }
};

TEST_F(ClusterPolicyTest, ThePatchOfTheSeedTakesANodeFromTwoToSixteen) {
  api_.Put(kPolicy, Policy("", ""));
  Start();
  EXPECT_THAT(Applied(), ElementsAre(1));
  api_.Put(kPolicy, Policy("plugin-config", "dev"));
  loop_.RunPosted();
  EXPECT_THAT(Applied(), ElementsAre(4));
  EXPECT_EQ(config().source, "configmap:gpu-operator/plugin-config/dev");
  Label("default");
  EXPECT_THAT(Applied(), ElementsAre(2));
  PutMap(8);
  Label("dev");
  EXPECT_THAT(Applied(), ElementsAre(8));
  api_.Put(kPolicy, Policy("", ""));
  loop_.RunPosted();
  EXPECT_THAT(Applied(), ElementsAre(1));
}

TEST_F(ClusterPolicyTest, AnotherConfigMapReplacesTheFirstWhenItHasBeenRead) {
  api_.Put(kPolicy, Policy("plugin-config", "dev"));
  Start();
  Applied();
  api_.Put("/api/v1/namespaces/gpu-operator/configmaps/second", Map({{"dev", Replicas(3)}}));
  api_.Put(kPolicy, Policy("second", "dev"));
  loop_.RunPosted();
  EXPECT_THAT(Applied(), ElementsAre(3));
  api_.Put(kPolicy, Policy("missing", "dev"));
  loop_.RunPosted();
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_EQ(config().error, "configmap gpu-operator/missing does not exist");
  EXPECT_EQ(api_.open_watches(), 3U) << "node, policy, and one ConfigMap";
}

TEST_F(ClusterPolicyTest, WithoutADefaultAndALabelThereIsNoSharing) {
  api_.Put(kPolicy, Policy("plugin-config", ""));
  Start();
  EXPECT_THAT(Applied(), ElementsAre(1)) << "the operator's own fallback: empty";
}

TEST_F(ClusterPolicyTest, AClusterWithoutPoliciesIsLeftAlone) {
  api_.SetServed(kPolicies, false);
  Start();
  EXPECT_THAT(Applied(), ElementsAre(1));
  EXPECT_EQ(Described().api, kInSync);
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_EQ(config().awaiting, "");
  api_.SetServed(kPolicies, true);
  api_.Put(kPolicy, Policy("plugin-config", "dev"));
  loop_.AdvanceBy(seconds(2));
  EXPECT_THAT(Applied(), ElementsAre(4));
}

TEST_F(ClusterPolicyTest, AServerThatStartsIsNotBelieved) {
  api_.Put(kPolicy, Policy("plugin-config", "dev"));
  Start();
  Applied();
  api_.SetServed(kPolicies, false);
  loop_.AdvanceBy(seconds(5));
  api_.SetServed(kPolicies, true);
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(Applied(), IsEmpty());
  Start();
  EXPECT_THAT(Applied(), ElementsAre(4));
  api_.SetServed(kPolicies, false);
  loop_.AdvanceBy(seconds(11));
  EXPECT_THAT(Applied(), ElementsAre(1)) << "the definition was removed";
}

TEST_F(ClusterPolicyTest, WhereItCannotBeReadNothingIsServedUnshared) {
  api_.Put(kPolicy, Policy("plugin-config", "dev"));
  api_.SetAway(true);
  Start();
  loop_.AdvanceBy(seconds(3600));
  EXPECT_THAT(Applied(), IsEmpty());
}

TEST_F(ClusterPolicyTest, ThatNothingWasNamedIsRememberedToo) {
  api_.Put(kPolicy, Policy("plugin-config", "dev"));
  Start();
  api_.Put(kPolicy, Policy("", ""));
  loop_.AdvanceBy(seconds(1));
  api_.SetAway(true);
  Start();
  EXPECT_THAT(Applied(), ElementsAre(1));
  EXPECT_TRUE(config().from_last_good);
}

TEST_F(ClusterPolicyTest, ItsOwnProfilesServeWhereThePolicyNamesNone) {
  files_.profiles_directory = dir_ / "profiles";
  ASSERT_TRUE(
      base::WriteFileAtomic(base::JoinPath(files_.profiles_directory, "dev"), Replicas(5)).ok());
  api_.Put(kPolicy, Policy("", ""));
  Label("dev");
  Start();
  EXPECT_THAT(Applied(), ElementsAre(5));
}

TEST_F(ClusterPolicyTest, AHostileNameIsNoPath) {
  api_.Put(kPolicy, Policy("../../secrets/x", "dev"));
  Start();
  EXPECT_THAT(Applied(), IsEmpty());
  EXPECT_THAT(config().error, HasSubstr("names what can be no ConfigMap"));
  EXPECT_EQ(api_.watched().size(), 2U);
}

// ---- flags ----

TEST(ClusterSourceOptionsTest, WhatDoesNotGoTogetherIsRefused) {
  const auto why = [](ClusterSourceOptions options, const ConfigSourceOptions& files = {}) {
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
}  // namespace tranche::agent
