// What counts as a repeat, for how long, and what does not count at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "gpu/health.h"
#include "gpu/testing/inventories.h"

namespace tranche::gpu {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::Gpus;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Time = HealthTracker::Time;

constexpr std::uint64_t kContained = 94;     // recoverable
constexpr std::uint64_t kDoubleBitEcc = 48;  // needs a reset
const std::string kGpu0 = "GPU-0";

class HealthRepeatsTest : public ::testing::Test {
 protected:
  HealthRepeatsTest() { Scan(); }

  std::vector<std::string> Signs(const std::vector<HealthChange>& changes) {
    std::vector<std::string> signs;
    for (const HealthChange& change : changes) {
      signs.push_back((change.healthy ? "+" : "-") + change.uuid);
    }
    return signs;
  }
  std::vector<std::string> Raise(std::uint64_t xid = kContained) {
    HealthEvent event;
    event.uuid = kGpu0;
    event.xid = xid;
    return Signs(tracker_.Happened(event, now_));
  }
  std::vector<std::string> Scan(const std::vector<std::string>& lost = {}) {
    return Signs(tracker_.Scanned(Gpus(2), lost, now_));
  }
  std::vector<std::string> Unanswered(const std::map<std::string, std::string>& errors) {
    return Signs(tracker_.Unanswered(errors, now_));
  }
  // Lets the wait pass, and tells how long it was.
  std::chrono::seconds WaitOut() {
    const auto wait = tracker_.NextDeadline() - now_;
    now_ = tracker_.NextDeadline();
    EXPECT_THAT(Signs(tracker_.Elapsed(now_)), ElementsAre("+GPU-0"));
    return std::chrono::duration_cast<std::chrono::seconds>(wait);
  }

  HealthTracker tracker_{{}, RecoveryPolicy::kAuto, 60s};
  Time now_{1h};
};

TEST_F(HealthRepeatsTest, ABurstIsOneIncident) {
  for (int i = 0; i < 8; ++i) {
    Raise();
    now_ += 125ms;
  }
  now_ -= 125ms;
  EXPECT_EQ(WaitOut(), 60s) << "counted from the last of them";
}

TEST_F(HealthRepeatsTest, ABurstGoesOnForAsLongAsEachFollowsTheOneBeforeSoon) {
  for (int i = 0; i < 30; ++i) {
    Raise();
    now_ += kIncident;
  }
  now_ -= kIncident;
  EXPECT_EQ(WaitOut(), 60s);
}

// The control: without it, a test in which nothing ever counts would pass the two above.
TEST_F(HealthRepeatsTest, WhatComesLaterIsAnotherIncident) {
  Raise();
  now_ += kIncident + 1s;
  Raise();
  EXPECT_EQ(WaitOut(), 120s);
  Raise();
  EXPECT_EQ(WaitOut(), 240s) << "after a recovery too";
}

TEST_F(HealthRepeatsTest, RepeatsFadeOneByOne) {
  for (const auto wait : {60s, 120s, 240s, 480s}) {
    Raise();
    EXPECT_EQ(WaitOut(), wait);
  }
  now_ += 2 * kFade;  // four repeats, of which two are left
  Raise();
  EXPECT_EQ(WaitOut(), 240s);
  now_ += 24h;
  Raise();
  EXPECT_EQ(WaitOut(), 60s);
}

TEST_F(HealthRepeatsTest, WhatFadesIsNoMoreThanTheLongestWaitNeeds) {
  for (int i = 0; i < 50; ++i) {
    Raise();
    WaitOut();
  }
  now_ += 7 * kFade;
  Raise();
  EXPECT_EQ(WaitOut(), 60s);
}

TEST_F(HealthRepeatsTest, TheCommandClearsWhatWasCounted) {
  Raise();
  WaitOut();
  Raise();
  WaitOut();
  tracker_.Clear(now_);  // nothing is ill, and the count is cleared all the same
  Raise();
  EXPECT_EQ(tracker_.NextDeadline(), now_ + 60s);
  EXPECT_THAT(Signs(tracker_.Clear(now_)), ElementsAre("+GPU-0"));
  Raise();
  EXPECT_EQ(WaitOut(), 60s);
}

// ---- calls that fail ----

TEST_F(HealthRepeatsTest, AnAnswerThatFailsIsNeitherAFaultNorALoss) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Unanswered({{kGpu0, "unknown error"}}), ElementsAre("-GPU-0"));
    EXPECT_FALSE(tracker_.Find(kGpu0)->lost);
    EXPECT_THAT(tracker_.Find(kGpu0)->reason, HasSubstr("unknown error"));
    EXPECT_THAT(Unanswered({{kGpu0, "unknown error"}}), IsEmpty()) << "told once";
    EXPECT_THAT(Unanswered({}), ElementsAre("+GPU-0")) << "at once, however often";
  }
  Raise();
  EXPECT_EQ(WaitOut(), 60s) << "nothing was counted";
}

TEST_F(HealthRepeatsTest, AnAnswerAfterAFailureIsNoReset) {
  Raise(kDoubleBitEcc);
  EXPECT_THAT(Unanswered({{kGpu0, "unknown error"}}), IsEmpty());
  EXPECT_THAT(Unanswered({}), IsEmpty());
  EXPECT_FALSE(tracker_.Healthy(kGpu0));
  EXPECT_EQ(tracker_.Find(kGpu0)->xid, kDoubleBitEcc);
}

TEST_F(HealthRepeatsTest, AWaitThatEndsMeanwhileIsToldWithTheAnswer) {
  Raise();
  Unanswered({{kGpu0, "unknown error"}});
  now_ += 60s;
  EXPECT_THAT(Signs(tracker_.Elapsed(now_)), IsEmpty());
  EXPECT_THAT(Unanswered({}), ElementsAre("+GPU-0"));
}

TEST_F(HealthRepeatsTest, AFaultDuringAFailureOutlivesIt) {
  Unanswered({{kGpu0, "unknown error"}});
  EXPECT_THAT(Raise(kDoubleBitEcc), IsEmpty());
  EXPECT_THAT(Unanswered({}), IsEmpty());
  EXPECT_EQ(tracker_.Find(kGpu0)->xid, kDoubleBitEcc);
}

TEST_F(HealthRepeatsTest, TheCommandDoesNotMakeADriverAnswer) {
  Unanswered({{kGpu0, "unknown error"}});
  EXPECT_THAT(Signs(tracker_.Clear(now_)), IsEmpty());
  EXPECT_FALSE(tracker_.Healthy(kGpu0));
}

TEST_F(HealthRepeatsTest, ADriverThatIsLoadedAnewHasResetItsGpus) {
  Raise(kDoubleBitEcc);
  EXPECT_THAT(Signs(tracker_.Reloaded(now_)), ElementsAre("+GPU-0"));
  EXPECT_THAT(Signs(tracker_.Reloaded(now_)), IsEmpty());
}

}  // namespace
}  // namespace tranche::gpu
