#include "node/strangers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/testing/fake_loop.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StrangersTest : public ::testing::Test {
 protected:
  sight::PodUse& Use(const std::string& name_space, const std::string& pod) {
    sight::PodUse& use =
        accounts_["GPU-0"].pods[{.pod_namespace = name_space, .pod = pod, .pod_uid = pod}];
    use.processes = 1;
    return use;
  }
  void Look(base::Duration later = {}) {
    loop_.AdvanceBy(later);
    strangers_.Look(accounts_);
  }

  base::testing::FakeLoop loop_;
  std::map<std::string, sight::Account> accounts_;
  std::vector<std::string> told_;
  Strangers strangers_{loop_, [this](daemon::EventType /*type*/, daemon::Reason /*reason*/,
                                     const std::string& message) { told_.push_back(message); }};
};

TEST_F(StrangersTest, APodThatWasNotGivenWhatItUsesIsToldOnce) {
  Use("team", "odd");
  Use("team", "right").granted = true;
  Look();
  Look(Strangers::kPatience - 1s);
  EXPECT_THAT(told_, IsEmpty()) << "the kubelet's answer may be older than the pod";
  Look(1s);
  Look(1min);
  EXPECT_THAT(told_, ElementsAre("pod team/odd uses GPU-0, which the kubelet has not given it"));
}

TEST_F(StrangersTest, OneThatWasAwayMeanwhileBeginsAnew) {
  Use("team", "odd");
  Look();
  accounts_.clear();
  Look(10s);
  Use("team", "odd");
  Look(10s);
  EXPECT_THAT(told_, IsEmpty());
  Look(Strangers::kPatience);
  EXPECT_EQ(told_.size(), 1U);
}

TEST_F(StrangersTest, WhileItIsNotKnownWhoWasGivenWhatNobodyIsAStranger) {
  Use("team", "odd");
  Look();
  strangers_.Forget();
  Look(Strangers::kPatience);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(StrangersTest, OneWithoutANameOrAProcessIsNotTold) {
  Use("", "8d3c1e0f");
  Use("team", "idle").processes = 0;
  Look();
  Look(Strangers::kPatience);
  EXPECT_THAT(told_, IsEmpty());
}

}  // namespace
}  // namespace tranche::node
