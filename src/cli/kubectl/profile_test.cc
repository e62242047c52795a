#include "cli/kubectl/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/json_read.h"
#include "cli/kubectl/testing/small_cluster.h"

namespace tranche::cli::kubectl {
namespace {

using base::Code;
using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = ProfileProgress::State;

class KubectlProfileTest : public testing::SmallCluster {
 protected:
  KubectlProfileTest() {
    options_.node = "gpu-node";
    options_.profile = "dev";
    options_.timeout = std::chrono::milliseconds(200);
  }
  int Run() {
    out_.str("");
    errors_.str("");
    return SetProfile(cluster_, options_, out_, errors_);
  }
  void Soon(std::function<void()> what) {
    loop_->RunAfter(std::chrono::milliseconds(30), std::move(what));
  }
  Json Label() {
    return base::ValueAt(*api_.Find("/api/v1/nodes/gpu-node"),
                         {"metadata", "labels", kProfileLabel});
  }
  ProfileOptions options_;
  std::ostringstream out_;
  std::ostringstream errors_;
};

TEST_F(KubectlProfileTest, LabelsAndWaitsForAgentAndNode) {
  options_.timeout = std::chrono::seconds(20);
  Soon([this] {
    EXPECT_EQ(Label(), Json("dev"));
    PutAgent("gpu-node", AgentStatus("dev", 16));
    Soon([this] { PutNode("gpu-node", R"("nvidia.com/gpu": "16")", R"("nvidia.com/gpu": "16")"); });
  });
  EXPECT_EQ(Run(), 0) << errors_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("node/gpu-node: nvidia.com/device-plugin.config=dev "
                                          "(was: none)"),
                                HasSubstr("profile dev is in force"),
                                HasSubstr("nvidia.com/gpu: 8 → 16 allocatable")));
  EXPECT_THAT(errors_.str(), IsEmpty());
}

TEST_F(KubectlProfileTest, ARefusalIsExplainedAndTheLabelStays) {
  api_.Put("/api/v1/namespaces/gpu-operator/configmaps/device-plugin-config",
           Parse(R"({"metadata": {}, "data": {"dev": "x", "default": "y"}})"));
  options_.profile = "dve";
  options_.timeout = std::chrono::seconds(20);
  Soon([this] {
    std::string status = AgentStatus("default", 8);
    const std::string none = R"("error": "")";
    status.replace(status.find(none), none.size(),
                   R"("error": "specified config dve does not exist")");
    PutAgent("gpu-node", status);
  });
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), AllOf(HasSubstr("profile dve is refused, what was in force stays: "
                                             "specified config dve does not exist"),
                                   HasSubstr("(there are: default, dev)")));
  EXPECT_EQ(Label(), Json("dve"));
}

TEST_F(KubectlProfileTest, TooLateIsNotInForce) {
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("profile dev is not in force after"));
  EXPECT_EQ(Label(), Json("dev"));
}

TEST_F(KubectlProfileTest, AllocatableThatDoesNotFollowIsNamed) {
  PutAgent("gpu-node", AgentStatus("dev", 16));
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("nvidia.com/gpu is 8, not 16"));
}

TEST_F(KubectlProfileTest, WithoutWaitingTheLabelIsAll) {
  options_.wait = false;
  EXPECT_EQ(Run(), 0);
  EXPECT_EQ(Label(), Json("dev"));
}

TEST_F(KubectlProfileTest, RemovingTheLabelWaitsForTheDefault) {
  options_.node = "dev-gpu-node";
  options_.profile = "";
  options_.remove = true;
  options_.timeout = std::chrono::seconds(20);
  Soon([this] { PutAgent("dev-gpu-node", AgentStatus("default", 8)); });
  EXPECT_EQ(Run(), 0) << errors_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("removed (was: dev)"), HasSubstr("the node's default is in force"),
                    HasSubstr("nvidia.com/gpu: 8 → 8 allocatable")));
}

TEST_F(KubectlProfileTest, WhoMayNotLabelIsTold) {
  api_.Deny(apiserver::Method::kPatch, "/api/v1/nodes/gpu-node");
  EXPECT_EQ(Run(), 2);
  EXPECT_THAT(errors_.str(), HasSubstr("labelling node gpu-node"));
  EXPECT_TRUE(Label().is_null());
  options_.node = "nowhere";
  EXPECT_EQ(Run(), 2);
}

TEST_F(KubectlProfileTest, WhoMayNotAskTheAgentIsToldThatTheLabelIsSet) {
  api_.Deny(apiserver::Method::kGet, "/api/v1/namespaces/gpu-operator/pods");
  EXPECT_EQ(Run(), 2);
  EXPECT_THAT(errors_.str(), HasSubstr("the label is set, but the agent may not be asked"));
}

TEST_F(KubectlProfileTest, ANodeWithoutAPluginIsSaid) {
  options_.node = "plain-node";
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("no plugin pod runs on node plain-node"));
}

TEST_F(KubectlProfileTest, AnInterruptLeavesTheLabel) {
  options_.timeout = std::chrono::seconds(20);
  Soon([this] { cluster_.Interrupt(); });
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("stopped waiting; the label stays"));
  EXPECT_EQ(Label(), Json("dev"));
}

class ProgressOfTest : public KubectlProfileTest {
 protected:
  static Json Config(const std::string& config) {
    return Parse(R"({"config": {"usable": true, "fromLastGood": false, )" + config + "}}");
  }
  State Of(const Json& now, const Json& before = {}, const std::string& old = "") {
    return ProgressOf(now, before, options_, old).state;
  }
};

TEST_F(ProgressOfTest, AProfileByName) {
  EXPECT_EQ(Of(Config(R"("profile": "dev", "error": "")")), State::kInForce);
  EXPECT_EQ(Of(Config(R"("profile": "default", "error": "")")), State::kNotYet);
  EXPECT_EQ(Of(Config(R"("profile": "x", "wantedProfile": "dev", "error": "bad")")),
            State::kRefused);
  // Left over from before: of another profile.
  EXPECT_EQ(Of(Config(R"("profile": "x", "wantedProfile": "y", "error": "bad")")), State::kNotYet);
  EXPECT_EQ(Of(Config(R"("profile": "x", "error": "bad", "rejected": 2)"),
               Config(R"("profile": "x", "error": "", "rejected": 1)")),
            State::kRefused);
  EXPECT_EQ(Of(Parse(R"({"ready": true})")), State::kCannotTell);
}

TEST_F(ProgressOfTest, AnAgentThatFollowsTheLabelSaysWhatItHasSeen) {
  const auto of = [&](const std::string& label, const std::string& config) {
    return Of(Parse(R"({"kubernetes": {"labelValue": ")" + label +
                    R"("}, "config": {"usable": true, )" + config + "}}"),
              {}, "dev");
  };
  EXPECT_EQ(of("", R"("profile": "dev", "error": "")"), State::kNotYet);
  EXPECT_EQ(of("dev", R"("profile": "dev", "error": "")"), State::kInForce);
  EXPECT_EQ(of("dev", R"("profile": "x", "error": "")"), State::kNotYet);
  EXPECT_EQ(of("dev", R"("profile": "x", "error": "bad")"), State::kRefused);
  EXPECT_EQ(of("dev", R"("profile": "dev", "fromLastGood": true, "error": "")"), State::kNotYet);
  options_.remove = true;
  options_.profile = "";
  EXPECT_EQ(of("dev", R"("profile": "dev", "error": "")"), State::kNotYet);
  EXPECT_EQ(of("", R"("profile": "dev", "error": "")"), State::kInForce);
}

TEST_F(ProgressOfTest, AFileThatConfigManagerLinks) {
  const std::string file = R"("profile": "", "source": "/config/config.yaml", "error": "")";
  EXPECT_EQ(Of(Config(file + R"(, "applied": 1)"), Config(file + R"(, "applied": 1)")),
            State::kCannotTell);
  EXPECT_EQ(Of(Config(file + R"(, "applied": 2)"), Config(file + R"(, "applied": 1)")),
            State::kInForce);
  options_.remove = true;
  options_.profile = "";
  EXPECT_EQ(Of(Config(file + R"(, "applied": 1)"), Config(file + R"(, "applied": 1)"), "dev"),
            State::kCannotTell);
}

TEST_F(ProgressOfTest, RemovalOfWhatTheDefaultIsToo) {
  options_.remove = true;
  options_.profile = "";
  const Json same = Config(R"("profile": "default", "error": "", "applied": 1)");
  EXPECT_EQ(Of(same, same, "default"), State::kCannotTell);
  EXPECT_EQ(Of(same, same, "dev"), State::kInForce);
  EXPECT_EQ(Of(same, same, ""), State::kInForce);
}

TEST(IsLabelValueTest, AsKubernetesHasIt) {
  for (const char* good : {"dev", "a", "A.b_c-1"}) EXPECT_TRUE(IsLabelValue(good)) << good;
  for (const std::string& bad : {std::string(), std::string("-a"), std::string("a."),
                                 std::string("a b"), std::string("a/b"), std::string(64, 'a')}) {
    EXPECT_FALSE(IsLabelValue(bad)) << bad;
  }
}

}  // namespace
}  // namespace tranche::cli::kubectl
