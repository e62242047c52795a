// What WallKeeper looks at while walls stand, and what it tells people of them.
#include <utime.h>

#include <ctime>

#include "base/json_read.h"
#include "node/testing/wall_keeper_bed.h"
#include "node/wall_keeper.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kMib;
using testing::kOther;
using testing::kRunning;

class WallKeeperNewsTest : public testing::WallKeeperBed {
 protected:
  WallKeeperNewsTest() { Write(Enforce("20Mi")); }
  // What was said when the container was made, two hours ago.
  void Birth(const std::string& id, const std::string& text) {
    const std::string path = root_ / "births/" + id;
    std::ofstream(path) << text;
    const utimbuf times{.actime = time(nullptr) - 7200, .modtime = time(nullptr) - 7200};
    EXPECT_EQ(utime(path.c_str(), &times), 0);
  }
  [[nodiscard]] bool Remembered(const std::string& id) const {
    return base::Exists(root_ / "births/" + id);
  }
  std::optional<wire::MeasureAnswer> Measure() {
    const wire::Measure measure{.header = {wire::kMagic, wire::kVersion, wire::Kind::kMeasure},
                                .image = 1,
                                .slot = attached_.slot};
    wire::MeasureAnswer answer{};
    int fds[2];
    return Ask(measure, answer, fds) ? std::optional(answer) : std::nullopt;
  }
};

// ---- limits ----

TEST_F(WallKeeperNewsTest, AnotherLimitIsAnEventOnThePodItself) {
  Begin();
  PutPod("running", kRunning, "30Mi");
  EXPECT_EQ(WallOf("running").limit_bytes, 30 * kMib);
  EXPECT_THAT(Events(), ElementsAre("Normal MemoryLimitChanged running"));
  const base::Json& pod = *api_.Find("/api/v1/namespaces/team/pods/running");
  EXPECT_EQ(events_.events()[0].pod->uid, base::TextAt(pod, {"metadata", "uid"}));
  EXPECT_EQ(events_.events()[0].pod->pod_namespace, "team");
}

TEST_F(WallKeeperNewsTest, ALimitThatIsLoweredBelowUseIsToldAndTakesNothingAway) {
  Begin();
  ASSERT_EQ(Hello(), wire::Status::kOk);
  ASSERT_TRUE(Reserve(15 * kMib));
  PutPod("running", kRunning, "10Mi");
  EXPECT_THAT(Events(), ElementsAre("Normal MemoryLimitChanged running",
                                    "Warning MemoryLimitBelowUse running"));
  EXPECT_EQ(WallOf("running").limit_bytes, 10 * kMib);
  EXPECT_EQ(WallOf("running").used_bytes, 15 * kMib);
}

TEST_F(WallKeeperNewsTest, WhatCannotBeHadOrReadIsTold) {
  Begin();
  PutPod("running", kRunning, "90Mi");
  PutPod("running", kRunning, "lots");
  EXPECT_THAT(Events(),
              ElementsAre("Normal MemoryLimitChanged running", "Warning MemoryLimitRefused running",
                          "Warning MemoryLimitInvalid running"));
  EXPECT_EQ(WallOf("running").limit_bytes, 60 * kMib) << "the most that the profile allows";
}

TEST_F(WallKeeperNewsTest, APodThatGetsLessThanTheProfileSaysIsTold) {
  PutPod("other", kOther);
  Hold({"running", "other"});
  Write(Enforce("60Mi"));
  Begin();
  EXPECT_EQ(WallOf("running").limit_bytes + WallOf("other").limit_bytes, 100 * kMib);
  ASSERT_EQ(events_.events().size(), 1U);
  EXPECT_THAT(Events()[0], ::testing::StartsWith("Warning MemoryLimitReduced "));
}

TEST_F(WallKeeperNewsTest, APodThatIsGoneAndComesAgainUnderItsNameIsAnotherPod) {
  Begin();
  PutPod("running", kRunning, "30Mi");
  RemovePod("running");
  Hold({});
  loop_.AdvanceBy(KubeletWatch::kAsk);
  EXPECT_THAT(keeper_->State().walls, IsEmpty());
  PutPod("running", kOther);
  Hold({"running"});
  loop_.AdvanceBy(KubeletWatch::kAskSoon + 1ms);
  EXPECT_EQ(WallOf("running").pod_uid, kOther);
  EXPECT_EQ(WallOf("running").limit_bytes, 20 * kMib);
}

// ---- programs ----

TEST_F(WallKeeperNewsTest, AProgramThatAsksInAnotherVersionIsToldAndSoArePeople) {
  Begin();
  EXPECT_EQ(Hello(wire::kVersion + 1), wire::Status::kUnknownVersion);
  EXPECT_EQ(keeper_->State().door.unknown_versions, 1U);
  for (int i = 0; i < 5; ++i) DriverShows(kMib);
  EXPECT_THAT(Events(), ElementsAre("Warning PodUnwalled running"));
  EXPECT_EQ(WallOf("running").walled, false);
  EXPECT_EQ(WallOf("running").reason.word, "other-version");
  proc_->Put(kSelf, identity::testing::GroupText(kRunning, kRunning + kRunning), 2000);
  for (int i = 0; i < 5; ++i) DriverShows(kMib);
  EXPECT_NE(WallOf("running").reason.word, "other-version") << "the pid is another process's now";
}

TEST_F(WallKeeperNewsTest, WhyAProgramKeepsToNoWallIsLookedAtElsewhere) {
  Birth(kRunning + kRunning, R"({"walls": "no", "reason": "musl"})");
  Begin();
  looks_worker_->Hang();
  for (int i = 0; i < 5; ++i) DriverShows(kMib);
  EXPECT_GT(looks_worker_->waiting(), 0U);
  EXPECT_EQ(WallOf("running").reason.word, "not-known");
  looks_worker_->Release();
  for (int i = 0; i < 5; ++i) DriverShows(kMib);
  EXPECT_EQ(WallOf("running").reason.word, "musl");
}

TEST_F(WallKeeperNewsTest, MemoryOfWhichThePodsCountersKnowNothingIsTold) {
  Begin();
  ASSERT_EQ(Hello(), wire::Status::kOk);
  for (int i = 0; i < 5; ++i) DriverShows(4096 * kMib);
  EXPECT_THAT(Events(), ElementsAre("Warning LedgerMismatch running"));
  EXPECT_TRUE(WallOf("running").mismatch);
}

// The wall is its forerunner's, and nobody knows yet how the pod is called.
TEST_F(WallKeeperNewsTest, NewsOfAPodThatTheApiServerDoesNotTellOfIsOnTheNode) {
  Begin();
  connected_ = false;
  Begin();
  for (int i = 0; i < 5; ++i) DriverShows(kMib);
  EXPECT_THAT(Events(), ElementsAre("Warning PodUnwalled"));
  EXPECT_THAT(events_.events()[0].message, HasSubstr("pod team/running"));
}

// As after an exec. This process has the page as long as the walls stand, so what the kernel says
// of its mappings is written by the test.
TEST_F(WallKeeperNewsTest, AProgramThatHasNothingOfItsPodsPagesAnyMoreGivesBackWhatItHeld) {
  Begin();
  ASSERT_EQ(Hello(), wire::Status::kOk);
  ASSERT_TRUE(Reserve(5 * kMib));
  gpu::DeviceUsage nobody{.uuid = testing::kGpu};
  nobody.processes.emplace();
  const auto look = [&] {
    keeper_->UsageRead(inventory_,
                       {.status = {}, .time_us = time_us_ += 20'000'000, .devices = {nobody}});
    loop_.AdvanceBy(1s);
  };
  look();
  EXPECT_EQ(WallOf("running").used_bytes, 5 * kMib) << "there is nothing to be read";
  const std::string folder = root_ / "proc/" + std::to_string(kSelf);
  std::filesystem::create_directories(folder);
  std::filesystem::create_symlink("/proc/self/maps", folder + "/maps");
  look();
  EXPECT_EQ(WallOf("running").used_bytes, 5 * kMib) << "it has the page, and the GPU is at rest";
  std::filesystem::remove(folder + "/maps");
  std::ofstream(folder + "/maps") << "1000-2000 r-xp 00000000 fd:01 7 /usr/bin/other\n";
  look();
  EXPECT_EQ(WallOf("running").used_bytes, 0U);
  EXPECT_EQ(keeper_->State().programs, 0U);
}

// ---- looks ----

TEST_F(WallKeeperNewsTest, HoweverManyContextsAreMeasuredTheDriverIsAskedOnceInAWhile) {
  Begin();
  ASSERT_EQ(Hello(), wire::Status::kOk);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Measure()) << "the driver has not been asked yet";
  EXPECT_EQ(looks_, 0);
  loop_.AdvanceBy(WallKeeper::kLookAgain);
  EXPECT_EQ(looks_, 1);
  Measure();
  loop_.AdvanceBy(WallKeeper::kLookAgain);
  EXPECT_EQ(looks_, 2);
}

TEST_F(WallKeeperNewsTest, BirthsAreForgottenWhileItIsKnownWhichContainersThereAre) {
  Birth(kRunning + kRunning, "{}");
  Birth("gone", "{}");
  connected_ = false;
  Begin();
  loop_.AdvanceBy(2 * WallKeeper::kForgetBirths);
  EXPECT_TRUE(Remembered("gone")) << "nobody knows which containers there are";
  owners_->Connect(api_);
  loop_.AdvanceBy(WallKeeper::kForgetBirths);
  EXPECT_FALSE(Remembered("gone"));
  EXPECT_TRUE(Remembered(kRunning + kRunning));
}

}  // namespace
}  // namespace tranche::node
