// The ClusterPolicy as a source of the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/file.h"
#include "profile/cluster_source.h"
#include "profile/testing/cluster_source_fixture.h"

namespace tranche::profile {
namespace {

using profile::testing::ClusterSourceTest;
using profile::testing::kPolicies;
using profile::testing::kPolicy;
using profile::testing::Map;
using profile::testing::Policy;
using profile::testing::Replicas;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

}  // namespace
}  // namespace tranche::profile
