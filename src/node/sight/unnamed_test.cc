// What containers compute before it is known how they are called.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "node/sight/sight.h"
#include "node/sight/testing/sight_case.h"

namespace tranche::node::sight {
namespace {

using ::testing::IsEmpty;
using testing::kGi;
using testing::PodNamed;
using ::testing::SizeIs;

class UnnamedTest : public testing::SightTest {
 protected:
  // Process 7 is of a container of pod a whose name is not known.
  static constexpr char kId[] = "c0ffee";
  void Unname() {
    whose_[7].holder.container = "";
    whose_[7].unnamed_id = kId;
  }
  void Name() {
    PutPod(7, "a");
    names_.insert(kId);
  }
  [[nodiscard]] double Parts() {
    double seconds = Gpu().rest.gpu_seconds;
    for (const auto& [holder, use] : Gpu().pods) seconds += use.gpu_seconds;
    return seconds;
  }
  [[nodiscard]] double Joules() {
    double joules = Gpu().rest.energy_joules;
    for (const auto& [holder, use] : Gpu().pods) joules += use.energy_joules;
    return joules;
  }
};

TEST_F(UnnamedTest, WhatAContainerUsedBeforeItsNameWasKnownIsGivenToIt) {
  alive_["a"] = true;
  Unname();
  Put(7, kGi);
  Put(8, kGi);
  Second({});
  Second({});
  double device = Gpu().busy_seconds;
  const auto seconds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      Second({{7, 50}, {8, 20}});
      EXPECT_NEAR(Parts(), Gpu().busy_seconds, 1e-9) << "the parts are the device at any time";
      EXPECT_NEAR(Joules(), Gpu().energy_joules, 1e-6);
      EXPECT_GE(Gpu().busy_seconds, device) << "no counter goes down";
      device = Gpu().busy_seconds;
    }
  };
  Holder nameless = PodNamed("a");
  nameless.container = "";
  seconds(10);
  ASSERT_TRUE(Gpu().pods.contains(nameless));
  EXPECT_EQ(Gpu().pods.at(nameless).gpu_seconds, 0) << "held back";
  EXPECT_EQ(Gpu().pods.at(nameless).memory_bytes, kGi) << "what does not add up is there at once";
  EXPECT_GT(*Gpu().pods.at(nameless).busy.percent(), 40);
  EXPECT_GT(*Gpu().busy.percent(), 55);
  EXPECT_NEAR(device, 2, 0.3) << "the other pod's";
  EXPECT_NEAR(Gpu().UnnamedSeconds(), 5, 0.6);
  Name();
  seconds(2);
  EXPECT_FALSE(Gpu().pods.contains(nameless)) << "it has never had anything";
  EXPECT_NEAR(Of("a").gpu_seconds, gpu_.Seconds(7), 0.6);
  EXPECT_GT(Of("a").energy_joules, 11 * 300 * 0.4);
  EXPECT_EQ(Gpu().UnnamedSeconds(), 0);
  seconds(50);
  EXPECT_NEAR(Of("a").gpu_seconds, gpu_.Seconds(7), 0.6);
}

TEST_F(UnnamedTest, AContainerWhoseNameDoesNotComeInTimeIsThePodsWithoutOne) {
  alive_["a"] = true;
  Unname();
  Put(7, kGi);
  Second({});
  Second({});
  Holder nameless = PodNamed("a");
  nameless.container = "";
  const auto counted = [&](const Holder& holder) {
    const auto found = Gpu().pods.find(holder);
    return found == Gpu().pods.end() ? 0 : found->second.gpu_seconds;
  };
  const int in_time = static_cast<int>(Sight::kNameWithinUs / 1'000'000);
  for (int i = 0; i < in_time; ++i) {
    Second({{7, 50}});
    EXPECT_EQ(counted(nameless), 0) << i;
  }
  for (int i = 0; i < 5; ++i) Second({{7, 50}});
  const double before = counted(nameless);
  EXPECT_NEAR(before, 0.5 * (in_time + 4), 1);
  Name();
  for (int i = 0; i < 10; ++i) Second({{7, 50}});
  EXPECT_GE(counted(nameless), before) << "what it has counted is its for good";
  EXPECT_NEAR(counted(nameless) + Of("a").gpu_seconds, gpu_.Seconds(7), 0.6) << "once";
  EXPECT_GT(Of("a").gpu_seconds, 4);
  EXPECT_NEAR(Parts(), Gpu().busy_seconds, 1e-9);
}

TEST_F(UnnamedTest, AContainerThatHasEndedBeforeItsNameWasKnownGetsWhatItUsed) {
  alive_["a"] = true;
  Unname();
  Put(7, kGi);
  Second({});
  Second({});
  for (int i = 0; i < 3; ++i) Second({{7, 50}});
  memory_.clear();
  for (int i = 0; i < 3; ++i) Second({});
  EXPECT_THAT(Gpu().pods, IsEmpty()) << "nothing of it is left to be shown";
  names_.insert(kId);
  Second({});
  EXPECT_NEAR(Of("a").gpu_seconds, 1.5, 0.3);
  EXPECT_NEAR(Parts(), Gpu().busy_seconds, 1e-9);
}

TEST_F(UnnamedTest, WhatIsHeldBackOfAPodThatEndsIsTheRests) {
  alive_["a"] = true;
  Unname();
  Put(7, kGi);
  Second({});
  Second({});
  for (int i = 0; i < 3; ++i) Second({{7, 50}});
  alive_["a"] = false;
  memory_.clear();
  for (int i = 0; i < 3; ++i) Second({});
  EXPECT_THAT(Gpu().pods, IsEmpty());
  EXPECT_NEAR(Gpu().rest.gpu_seconds, 1.5, 0.3);
  EXPECT_NEAR(Parts(), Gpu().busy_seconds, 1e-9);
  EXPECT_TRUE(Gpu().unnamed.empty());
}

TEST_F(UnnamedTest, ContainersWithoutANameAreBounded) {
  for (unsigned i = 0; i < 2 * kMaxPods; ++i) {
    whose_[1000 + i] = {.kind = Whose::Kind::kPod, .holder = PodNamed("a")};
    whose_[1000 + i].holder.container = "";
    whose_[1000 + i].unnamed_id = "id-" + std::to_string(i);
  }
  Second({});
  Second({});
  std::map<unsigned, double> percents;
  for (unsigned i = 0; i < 2 * kMaxPods; ++i) percents[1000 + i] = 1;
  Second(percents);
  EXPECT_THAT(Gpu().unnamed, SizeIs(kMaxPods));
  EXPECT_NEAR(Parts(), Gpu().busy_seconds, 1e-9);
  for (int i = 0; i < 100; ++i) Second({});
  EXPECT_THAT(Gpu().unnamed, IsEmpty());
  EXPECT_NEAR(Parts(), Gpu().busy_seconds, 1e-9);
}

}  // namespace
}  // namespace tranche::node::sight
