// Limits of pods in virtual time: what annotations ask for, and what comes of it.
#include "node/walls/pod_limits.h"

#include <gmock/gmock.h>

#include <random>

#include "base/testing/fake_loop.h"

namespace tranche::node::walls {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGpu[] = "GPU-0";
constexpr char kOther[] = "GPU-1";
constexpr std::uint64_t kGib = 1ULL << 30U;

identity::Held Holds(const std::string& uid, const std::string& device = kGpu) {
  return {.pod_namespace = "team",
          .pod = uid,
          .container = "main",
          .device = device,
          .replicas = 1,
          .of_pod = 1,
          .pod_uid = uid};
}

plan::MemoryRules Rules(const share::MemoryShare& share) {
  return {{kGpu, {.enforced = true, .share = share}}, {kOther, {.enforced = true, .share = share}}};
}
const share::MemoryShare kBounded{
    .device_bytes = 80 * kGib, .limit_bytes = 20 * kGib, .max_bytes = 60 * kGib, .replicas = 4};

class PodLimitsTest : public ::testing::Test {
 protected:
  PodLimitsTest()
      : limits_(loop_,
                {.ask = [this](const std::string& uid) -> std::optional<identity::MemoryAsk> {
                   if (unknown_ == uid) return std::nullopt;
                   return asks_[uid];
                 },
                 .runs = [](const std::string& /*uid*/) { return false; },
                 .used = [this](const std::string& uid,
                                const std::string& /*device*/) { return used_[uid]; },
                 .changed = [this](const std::set<std::string>& uids) { changed_ = uids; },
                 .tell =
                     [this](News news, const identity::PodRef& pod, const std::string& message) {
                       EXPECT_EQ(pod.name, pod.uid);
                       news_.push_back(news);
                       last_ = message;
                     }}) {}
  std::uint64_t LimitOf(const std::string& uid, const std::string& device = kGpu) const {
    const GrantedPod* pod = limits_.grants().Find(uid);
    return pod == nullptr ? UINT64_MAX : pod->devices.at(device).limit_bytes;
  }
  void Ask(const std::string& uid, const std::optional<std::string>& text) {
    asks_[uid].text = text;
    limits_.Reconsider();
  }

  base::testing::FakeLoop loop_;
  std::map<std::string, identity::MemoryAsk> asks_;
  std::map<std::string, std::uint64_t> used_;
  std::string unknown_;
  std::set<std::string> changed_;
  std::vector<News> news_;
  std::string last_;
  PodLimits limits_;
};

TEST_F(PodLimitsTest, WhatIsAskedForFromTheStartIsGivenWithTheDevice) {
  asks_["a"].text = "5Gi";
  asks_["b"].text = "50%";
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a"), Holds("b"), Holds("c"), Holds("c", kOther)});
  EXPECT_EQ(LimitOf("a"), 5 * kGib);
  EXPECT_EQ(LimitOf("b"), 40 * kGib);
  EXPECT_EQ(LimitOf("c"), 20 * kGib);
  EXPECT_THAT(news_, ElementsAre(News::kLimitChanged, News::kLimitChanged));
  EXPECT_THAT(changed_, ElementsAre("a", "b", "c"));
}

TEST_F(PodLimitsTest, ALimitIsByDevice) {
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a"), Holds("a", kOther)});
  Ask("a", "30Gi");
  EXPECT_EQ(LimitOf("a", kGpu), 30 * kGib);
  EXPECT_EQ(LimitOf("a", kOther), 30 * kGib);
  EXPECT_THAT(news_, ElementsAre(News::kLimitChanged, News::kLimitChanged)) << "one by device";
}

TEST_F(PodLimitsTest, TheOldAndTheNewValueAreTold) {
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a")});
  Ask("a", "30Gi");
  EXPECT_EQ(last_,
            "pod team/a: the limit of memory on GPU-0 is 30Gi, it was 20Gi (annotation "
            "tranche.dev/gpu-memory: 30Gi)");
  Ask("a", std::nullopt);
  EXPECT_EQ(last_,
            "pod team/a: the limit of memory on GPU-0 is 20Gi, it was 30Gi (no annotation asks for "
            "another)");
}

TEST_F(PodLimitsTest, ARaiseThatFindsNoRoomKeepsTheOldLimitAndComesWhenThereIsRoom) {
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a"), Holds("b"), Holds("c"), Holds("d")});
  Ask("a", "40Gi");
  EXPECT_EQ(LimitOf("a"), 20 * kGib);
  EXPECT_THAT(news_, ElementsAre(News::kAskRefused));
  EXPECT_THAT(last_, HasSubstr("asks for 40Gi of GPU-0, and the limit stays 20Gi: the rest is "
                               "granted to others"));
  limits_.Reconsider();
  EXPECT_THAT(news_, ElementsAre(News::kAskRefused)) << "it is said once";
  // Another pod wants less, and one ends.
  Ask("b", "10Gi");
  EXPECT_EQ(LimitOf("a"), 30 * kGib);
  limits_.SetHeld({Holds("a"), Holds("b"), Holds("c")});
  EXPECT_EQ(LimitOf("a"), 40 * kGib);
  EXPECT_EQ(news_.back(), News::kLimitChanged);
  Ask("b", std::nullopt);
  EXPECT_EQ(LimitOf("b"), 20 * kGib);
  EXPECT_EQ(limits_.grants().GrantedOn(kGpu), 80 * kGib);
}

TEST_F(PodLimitsTest, WhatCannotBeReadKeepsTheLastGoodOne) {
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a"), Holds("b"), Holds("c"), Holds("d")});
  Ask("a", "30Gi");
  EXPECT_EQ(LimitOf("a"), 20 * kGib);
  Ask("a", "much");
  EXPECT_THAT(news_, ElementsAre(News::kAskRefused, News::kAskInvalid));
  EXPECT_EQ(limits_.AskedBy("a"), "30Gi");
  limits_.SetHeld({Holds("a"), Holds("b"), Holds("c")});
  EXPECT_EQ(LimitOf("a"), 30 * kGib) << "the last good one is still asked for";
}

TEST_F(PodLimitsTest, WhoIsLoweredBelowItsUseIsToldSo) {
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a")});
  used_["a"] = 10 * kGib;
  Ask("a", "10Gi");
  EXPECT_THAT(news_, ElementsAre(News::kLimitChanged));
  Ask("a", "9Gi");
  EXPECT_THAT(news_, ElementsAre(News::kLimitChanged, News::kLimitChanged, News::kLimitBelowUse));
  EXPECT_THAT(last_, AllOf(HasSubstr("have 10Gi"), HasSubstr("limit of 9Gi")));
}

TEST_F(PodLimitsTest, OfManyAsksTheNewestCountsWhenItsTurnComes) {
  limits_.SetRules(Rules(kBounded));
  limits_.SetHeld({Holds("a"), Holds("b")});
  for (int i = 1; i <= 100; ++i) Ask("a", std::to_string(i % 50 + 1) + "Gi");
  EXPECT_EQ(news_.size(), PodLimits::kAsksAtOnce);
  Ask("b", "30Gi");
  EXPECT_EQ(LimitOf("b"), 30 * kGib) << "another pod does not wait";
  Ask("a", "7Gi");
  EXPECT_EQ(LimitOf("a"), 6 * kGib);
  loop_.AdvanceBy(seconds(11));
  EXPECT_EQ(LimitOf("a"), 7 * kGib);
}

TEST_F(PodLimitsTest, APodThatIsNotKnownYetKeepsWhatItHas) {
  limits_.SetRules(Rules(kBounded));
  limits_.Restore("a",
                  {.name = {"team", "a"},
                   .devices = {{kGpu,
                                {.limit_bytes = 30 * kGib,
                                 .fixed_bytes = 20 * kGib,
                                 .device_bytes = 80 * kGib}}}},
                  "30Gi");
  unknown_ = "a";
  limits_.SetHeld({Holds("a")});
  EXPECT_EQ(LimitOf("a"), 30 * kGib);
  unknown_ = "";
  asks_["a"].text = "30Gi";
  limits_.Reconsider();
  EXPECT_EQ(LimitOf("a"), 30 * kGib);
  EXPECT_THAT(news_, IsEmpty());
  Ask("a", std::nullopt);
  EXPECT_EQ(LimitOf("a"), 20 * kGib);
}

TEST_F(PodLimitsTest, WhoAsksForLessLeavesTheRestToWhoComesNext) {
  asks_["a"].text = "40Gi";
  asks_["b"].text = "40Gi";
  limits_.SetRules(Rules({.device_bytes = 80 * kGib, .limit_bytes = 80 * kGib}));
  limits_.SetHeld({Holds("a"), Holds("b")});
  EXPECT_EQ(LimitOf("a"), 40 * kGib);
  EXPECT_EQ(LimitOf("b"), 40 * kGib);
  for (const News news : news_) EXPECT_EQ(news, News::kLimitChanged) << "nobody lacks anything";
}

// Pods come and go and ask for anything, and the profile changes: at no time is more granted than
// there is.
TEST_F(PodLimitsTest, WhateverIsAskedForLimitsNeverSumAboveTheDevice) {
  std::mt19937_64 random(11);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  const char* texts[] = {"1Gi", "100%", "37.5%", "79Gi", "999999Gi", "x", "0", "20Gi", ""};
  std::vector<identity::Held> held;
  std::uint64_t most = 0;
  for (int step = 0; step < 5000; ++step) {
    switch (below(5)) {
      case 0:
        limits_.SetRules(Rules({.device_bytes = 80 * kGib,
                                .reserve_bytes = 2 * kGib,
                                .limit_bytes = (1 + below(50)) * kGib,
                                .max_bytes = (1 + below(90)) * kGib,
                                .replicas = static_cast<int>(1 + below(8))}));
        break;
      case 1:
        if (held.size() < 8) held.push_back(Holds("p" + std::to_string(step)));
        break;
      case 2:
        if (!held.empty() && below(3) == 0) {
          held.erase(held.begin() + static_cast<std::ptrdiff_t>(below(held.size())));
        }
        break;
      default:
        if (!held.empty()) Ask(held[below(held.size())].pod_uid, texts[below(std::size(texts))]);
    }
    limits_.SetHeld(held);
    loop_.AdvanceBy(seconds(below(10)));
    const std::uint64_t granted = limits_.grants().GrantedOn(kGpu);
    ASSERT_LE(granted, 78 * kGib) << "step " << step;
    most = std::max(most, granted);
  }
  EXPECT_EQ(most, 78 * kGib) << "the device was full at times";
}

}  // namespace
}  // namespace tranche::node::walls
