#include "agent/shortfall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/testing/fake_loop.h"

namespace tranche::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShortfallTest : public ::testing::Test {
 protected:
  ShortfallTest() {
    for (const char* uuid : {"A", "B", "C", "D", "E", "F"}) plan_.devices[uuid] = {.uuid = uuid};
  }

  base::testing::FakeLoop loop_;
  std::set<std::string> ill_;  // as the driver says
  std::vector<std::string> told_;
  Shortfall shortfall_{
      loop_,
      {.healthy = [this](const std::string& uuid) { return !ill_.contains(uuid); },
       .event =
           [this](daemon::EventType /*type*/, daemon::Reason reason, const std::string& message) {
             told_.push_back(std::string(reason.name()) + " " + message);
           }}};
  plan::Plan plan_;
};

TEST_F(ShortfallTest, KeepsTheWarningsOfTheLastPlan) {
  plan_.warnings = {{.message = "no such GPU", .line = 3}, {.message = "odd", .line = 0}};
  shortfall_.SetPlan(plan_, "a.yaml");
  EXPECT_THAT(shortfall_.warnings(), ElementsAre(HasSubstr("a.yaml:3"), HasSubstr("odd")));
  plan_.warnings.clear();
  shortfall_.SetPlan(plan_, "a.yaml");
  EXPECT_THAT(shortfall_.warnings(), IsEmpty());
}

TEST_F(ShortfallTest, TellsOfEachReasonOnceAndNamesAFewDevices) {
  const plan::Unfit unfit{{"A", "cut anew"}, {"B", "cut anew"}, {"C", "cut anew"},
                          {"D", "cut anew"}, {"E", "cut anew"}, {"F", "gone"}};
  EXPECT_TRUE(shortfall_.SetUnfit(plan_, unfit));
  EXPECT_THAT(told_, ElementsAre("DeviceUnhealthy A, B, C, D and 1 more: cut anew",
                                 "DeviceUnhealthy F: gone"));
  told_.clear();
  EXPECT_FALSE(shortfall_.SetUnfit(plan_, unfit));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ShortfallTest, OfMoreThatIsUnfitOnlyWhatIsNewIsTold) {
  shortfall_.SetUnfit(plan_, {{"A", "gone"}});
  told_.clear();
  EXPECT_TRUE(shortfall_.SetUnfit(plan_, {{"A", "gone"}, {"B", "gone"}}));
  EXPECT_THAT(told_, ElementsAre("DeviceUnhealthy B: gone"));
}

TEST_F(ShortfallTest, ADeviceThatTheDriverCallsIllHasHadItsEvent) {
  ill_ = {"A"};
  EXPECT_TRUE(shortfall_.SetUnfit(plan_, {{"A", "gone"}}));
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_FALSE(shortfall_.Check({"B", "A"}).ok()) << "it is unfit all the same";
}

TEST_F(ShortfallTest, WhatCanBeUsedAgainIsToldIfItIsStillAdvertised) {
  shortfall_.SetUnfit(plan_, {{"A", "gone"}, {"B", "gone"}});
  told_.clear();
  plan_.devices.erase("B");
  EXPECT_TRUE(shortfall_.SetUnfit(plan_, {}));
  EXPECT_THAT(told_, ElementsAre("DeviceRecovered A: can be used as advertised again"));
}

TEST_F(ShortfallTest, SaysWhyADeviceIsNotGiven) {
  shortfall_.SetUnfit(plan_, {{"A", "gone"}});
  EXPECT_TRUE(shortfall_.Check({"B", "C"}).ok());
  EXPECT_THAT(shortfall_.Check({"B", "A"}).message(), HasSubstr("device A cannot be given"));
}

}  // namespace
}  // namespace tranche::agent
