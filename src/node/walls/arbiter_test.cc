// The arbiter with real programs: processes that attach, allocate and are killed.
#include "node/walls/arbiter.h"

#include <gmock/gmock.h>

#include "node/walls/testing/program.h"

namespace tranche::node::walls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Order;
using testing::Outcome;
using testing::Program;

constexpr char kGpu[] = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
constexpr char kGreedy[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0001";
constexpr char kModest[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0002";
constexpr std::uint64_t kGib = 1ULL << 30U;

identity::Held Holds(const std::string& pod) {
  return {.pod_namespace = "team",
          .pod = pod,
          .container = "main",
          .device = kGpu,
          .replicas = 1,
          .of_pod = 1,
          .pod_uid = pod == "greedy" ? kGreedy : kModest};
}

class ArbiterTest : public ::testing::Test {
 protected:
  ArbiterTest() : proc_(dir_.path() + "/proc"), real_proc_(identity::NewProc(proc_.root())) {
    std::filesystem::create_directories(proc_.root());
    Begin();
  }

  // A new arbiter, as when the program is started again.
  void Begin() {
    arbiter_.reset();
    arbiter_ = std::make_unique<Arbiter>(
        *loop_, *real_proc_,
        Arbiter::Options{.directory = dir_.path() + "/walls",
                         .record = dir_.path() + "/walls.json",
                         .proc_root = proc_.root()},
        Arbiter::Sources{.owner =
                             [](const identity::PodGroup& group) {
                               const bool greedy = group.pod_uid == kGreedy;
                               return identity::Owner{.pod_namespace = "team",
                                                      .pod = greedy ? "greedy" : "modest",
                                                      .container = "",
                                                      .pod_uid = group.pod_uid};
                             },
                         .ask_kubelet = [this] { ++asked_kubelet_; },
                         .look = [this] { ++looks_; },
                         .ask = [this](const std::string& uid) { return asks_[uid]; },
                         .tell = [this](News news, const identity::PodRef& /*pod*/,
                                        const std::string& /*message*/) { news_.push_back(news); },
                         .look_inside =
                             [this](unsigned /*pid*/, const std::string& container_id,
                                    const std::function<void(Inside)>& done) {
                               looked_into_.push_back(container_id);
                               done(inside_);
                             }});
    arbiter_->Start();
  }
  void Enforce() {
    arbiter_->SetRules(
        {{kGpu,
          {.enforced = true,
           .share = {.device_bytes = 16 * kGib, .max_bytes = 8 * kGib, .replicas = 4}}}});
    arbiter_->SetHeld({Holds("greedy"), Holds("modest")});
  }
  std::unique_ptr<Program> Start(const std::string& pod) {
    return std::make_unique<Program>(proc_, pod, dir_.path() + "/walls/" + wire::kSocketFile);
  }
  Wall WallOf(const std::string& pod) {
    for (const Wall& wall : arbiter_->Walls()) {
      if (wall.pod.pod == pod) return wall;
    }
    return {};
  }
  // One look, a second after the last one.
  void DriverShows(unsigned pid, std::uint64_t bytes) {
    gpu::Inventory inventory;
    inventory.gpus.push_back({.uuid = kGpu});
    gpu::DeviceUsage device{.uuid = kGpu};
    device.processes.emplace({gpu::RunningProcess{.pid = pid, .memory_bytes = bytes}});
    arbiter_->LookBegins();
    arbiter_->UsageRead(inventory,
                        {.status = {}, .time_us = time_us_ += 1'000'000, .devices = {device}},
                        [](unsigned /*pid*/) {
                          return identity::PodGroup{.pod_uid = kGreedy, .container_id = "c1"};
                        });
  }
  void DriverShows(unsigned pid, std::uint64_t bytes, int looks) {
    for (int i = 0; i < looks; ++i) DriverShows(pid, bytes);
  }

  base::testing::TempDir dir_;
  base::testing::RealLoop loop_;
  testing::PodProc proc_;
  std::unique_ptr<identity::Proc> real_proc_;
  std::unique_ptr<Arbiter> arbiter_;
  std::vector<News> news_;
  std::map<std::string, identity::MemoryAsk> asks_;
  std::uint64_t time_us_ = 1ULL << 62U;  // later than whatever is asked
  Inside inside_;
  std::vector<std::string> looked_into_;
  int looks_ = 0;
  int asked_kubelet_ = 0;
};

TEST_F(ArbiterTest, OneIsRefusedAtItsWallAndItsNeighbourGoesOn) {
  Enforce();
  const auto greedy = Start(kGreedy);
  const auto modest = Start(kModest);
  EXPECT_EQ(greedy->Do(loop_, {Order::kHello, 1}).limit, 4 * kGib);
  EXPECT_TRUE(modest->Do(loop_, {Order::kHello, 1}).done);
  EXPECT_TRUE(greedy->Do(loop_, {Order::kReserve, 4 * kGib}).done);
  EXPECT_FALSE(greedy->Do(loop_, {Order::kReserve, 1}).done);
  EXPECT_TRUE(modest->Do(loop_, {Order::kReserve, 4 * kGib}).done);
  EXPECT_EQ(WallOf("greedy").used_bytes, 4 * kGib);
  EXPECT_EQ(WallOf("greedy").refusals, 1U);
  EXPECT_EQ(WallOf("modest").refusals, 0U);
}

TEST_F(ArbiterTest, ProgramsOfOnePodShareOneWall) {
  Enforce();
  const auto one = Start(kGreedy);
  const auto other = Start(kGreedy);
  EXPECT_EQ(one->Do(loop_, {Order::kHello, 1}).slot, 0U);
  EXPECT_EQ(other->Do(loop_, {Order::kHello, 1}).slot, 1U);
  EXPECT_TRUE(one->Do(loop_, {Order::kReserve, 3 * kGib}).done);
  EXPECT_FALSE(other->Do(loop_, {Order::kReserve, 2 * kGib}).done);
}

TEST_F(ArbiterTest, WhatAKilledProgramHeldComesBackAlsoFromTheMiddleOfAReservation) {
  Enforce();
  const auto dies = Start(kGreedy);
  const auto lives = Start(kGreedy);
  dies->Do(loop_, {Order::kHello, 1});
  lives->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(dies->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  EXPECT_TRUE(lives->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  EXPECT_EQ(dies->Do(loop_, {Order::kHold, 1 * kGib}).total, 4 * kGib);
  dies->Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return WallOf("greedy").used_bytes == 1 * kGib; }));
  EXPECT_TRUE(lives->Do(loop_, {Order::kReserve, 3 * kGib}).done);
  EXPECT_EQ(arbiter_->programs(), 1U);
}

TEST_F(ArbiterTest, AnotherImageOfAProcessHasNothingOfWhatTheFirstHad) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  // The second copy of the shim in the same image shares its slot.
  EXPECT_EQ(program->Do(loop_, {Order::kHello, 1}).total, 2 * kGib);
  EXPECT_EQ(program->Do(loop_, {Order::kHello, 2}).total, 0U);
  EXPECT_EQ(arbiter_->programs(), 1U);
}

TEST_F(ArbiterTest, AProgramThatOnlyLooksSeesThePodsPagesAndHoldsNothing) {
  Enforce();
  const auto looks = Start(kGreedy);
  const Outcome seen = looks->Do(loop_, {Order::kLook, 0});
  EXPECT_TRUE(seen.done);
  EXPECT_EQ(seen.limit, 4 * kGib);
  EXPECT_EQ(seen.slot, wire::kNoSlot);
  EXPECT_EQ(arbiter_->programs(), 0U);
  const auto program = Start(kGreedy);
  EXPECT_EQ(program->Do(loop_, {Order::kHello, 1}).slot, 0U);
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  EXPECT_EQ(looks->Do(loop_, {Order::kLook, 0}).total, 1 * kGib);
  EXPECT_EQ(WallOf("greedy").programs, 1U);
  arbiter_->SetRules({});
  arbiter_->SetHeld({});
  arbiter_->SetHeld({Holds("modest")});
  EXPECT_EQ(Start(kModest)->Do(loop_, {Order::kLook, 0}).status, wire::Status::kNotWalled);
}

TEST_F(ArbiterTest, APodWithoutALimitIsToldSoAndAnUnknownOneIsToAskAgain) {
  Enforce();
  arbiter_->SetRules({});
  arbiter_->SetHeld({Holds("greedy")});
  const auto modest = Start(kModest);
  EXPECT_EQ(modest->Do(loop_, {Order::kHello, 1}).status, wire::Status::kNotYet);
  EXPECT_GT(asked_kubelet_, 0);
  // Somebody of its name holds something, and it is not known who.
  identity::Held unknown = Holds("modest");
  unknown.pod_uid = "";
  for (int i = 0; i < 3; ++i) arbiter_->SetHeld({unknown});
  EXPECT_EQ(modest->Do(loop_, {Order::kHello, 1}).status, wire::Status::kNotYet);
  arbiter_->SetHeld({Holds("modest")});
  EXPECT_EQ(modest->Do(loop_, {Order::kHello, 1}).status, wire::Status::kNotWalled);
}

TEST_F(ArbiterTest, ALimitThatIsRaisedIsUsableAtOnceByAProgramThatRuns) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 4 * kGib}).done);
  EXPECT_FALSE(program->Do(loop_, {Order::kReserve, 1}).done);
  asks_[kGreedy].text = "6Gi";
  arbiter_->AsksChanged();
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  EXPECT_FALSE(program->Do(loop_, {Order::kReserve, 1}).done);
  asks_[kGreedy].text = "5Gi";
  arbiter_->AsksChanged();
  EXPECT_THAT(news_, ElementsAre(News::kLimitChanged, News::kLimitChanged, News::kLimitBelowUse));
  EXPECT_TRUE(program->Do(loop_, {Order::kRelease, 1 * kGib}).done) << "nothing is taken from it";
  EXPECT_FALSE(program->Do(loop_, {Order::kReserve, 1}).done);
  EXPECT_TRUE(program->Do(loop_, {Order::kRelease, 1 * kGib}).done);
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  EXPECT_EQ(WallOf("greedy").limit_bytes, 5 * kGib);
}

TEST_F(ArbiterTest, ASuccessorKeepsWhatWasAskedForAlsoOfAPodWithoutPrograms) {
  asks_[kGreedy].text = "6Gi";
  asks_[kModest].text = "1Gi";
  Enforce();
  const auto program = Start(kGreedy);
  EXPECT_EQ(program->Do(loop_, {Order::kHello, 1}).limit, 6 * kGib);
  news_.clear();
  Begin();
  EXPECT_EQ(WallOf("greedy").limit_bytes, 6 * kGib);
  EXPECT_EQ(WallOf("modest").limit_bytes, 1 * kGib);
  Enforce();
  EXPECT_EQ(WallOf("greedy").limit_bytes, 6 * kGib);
  EXPECT_THAT(news_, IsEmpty()) << "nobody has asked for anything new";
  asks_[kGreedy].text.reset();
  arbiter_->AsksChanged();
  EXPECT_EQ(program->Do(loop_, {Order::kHello, 1}).limit, 4 * kGib);
}

TEST_F(ArbiterTest, APodThatIsMadeAgainUnderItsNameHasAWallOfItsOwn) {
  Enforce();
  const auto first = Start(kGreedy);
  first->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(first->Do(loop_, {Order::kReserve, 4 * kGib}).done);
  arbiter_->SetHeld({Holds("greedy")});
  identity::Held again = Holds("greedy");
  again.pod_uid = kModest;
  arbiter_->SetHeld({again});
  const auto second = Start(kModest);
  EXPECT_EQ(second->Do(loop_, {Order::kHello, 1}).total, 0U);
  EXPECT_TRUE(second->Do(loop_, {Order::kReserve, 4 * kGib}).done);
  EXPECT_FALSE(first->Do(loop_, {Order::kReserve, 1}).done);
}

TEST_F(ArbiterTest, AProcessOutsideOfPodsIsTurnedAway) {
  Enforce();
  Outcome outcome;
  const auto stranger = Start("");  // its group names no pod
  outcome = stranger->Do(loop_, {Order::kHello, 1});
  EXPECT_FALSE(outcome.done);
  EXPECT_EQ(arbiter_->counts().strangers, 1U);
}

TEST_F(ArbiterTest, ContextsAreMeasuredByALookOfLater) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  program->Start({Order::kMeasure, 0});
  EXPECT_TRUE(loop_.RunUntil([&] { return looks_ > 0; }));
  DriverShows(program->pid(), kGib + 300);
  Outcome outcome;
  EXPECT_TRUE(loop_.RunUntil([&] { return program->Finished(outcome); }));
  EXPECT_EQ(outcome.status, wire::Status::kOk);
  EXPECT_EQ(outcome.number, 300U);
}

TEST_F(ArbiterTest, AContextThatTheDriverDoesNotShowIsNotWaitedFor) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  program->Start({Order::kMeasure, 0});
  EXPECT_TRUE(loop_.RunUntil([&] { return looks_ > 0; }));
  DriverShows(1, kGib);
  Outcome outcome;
  EXPECT_TRUE(loop_.RunUntil([&] { return program->Finished(outcome); }));
  EXPECT_EQ(outcome.status, wire::Status::kNotYet);
}

TEST_F(ArbiterTest, WhatTheDriverShowsAboveTheLedgerIsToldOnce) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  DriverShows(program->pid(), kGib + Evidence::kToleranceBytes, 8);
  EXPECT_THAT(news_, IsEmpty());
  DriverShows(program->pid(), 3 * kGib, 8);
  EXPECT_THAT(news_, ElementsAre(News::kLedgerMismatch));
  EXPECT_TRUE(WallOf("greedy").mismatch);
}

TEST_F(ArbiterTest, WhoAllocatesWhileTheDriverIsAskedHasNotMoreThanItCounts) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 2 * kGib}).done);
    arbiter_->LookBegins();
    EXPECT_TRUE(program->Do(loop_, {Order::kRelease, 2 * kGib}).done);
    gpu::Inventory inventory;
    inventory.gpus.push_back({.uuid = kGpu});
    gpu::DeviceUsage device{.uuid = kGpu};
    device.processes.emplace(
        {gpu::RunningProcess{.pid = program->pid(), .memory_bytes = 2 * kGib}});
    arbiter_->UsageRead(inventory,
                        {.status = {}, .time_us = time_us_ += 1'000'000, .devices = {device}},
                        [](unsigned /*pid*/) { return identity::PodGroup{.pod_uid = kGreedy}; });
  }
  EXPECT_THAT(news_, IsEmpty());
}

TEST_F(ArbiterTest, AProgramOnTheGpuThatHasNotAttachedMakesThePodUnwalled) {
  Enforce();
  EXPECT_EQ(WallOf("greedy").walled, std::nullopt) << "nobody has come yet";
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  DriverShows(program->pid(), kGib);
  EXPECT_EQ(WallOf("greedy").walled, true);
  inside_ = {.loaded = Loaded::kOther, .birth = Birth{.walled = true, .word = "", .message = ""}};
  DriverShows(1, kGib);
  EXPECT_EQ(WallOf("greedy").walled, std::nullopt) << "it may be about to attach";
  DriverShows(1, kGib, 6);
  EXPECT_EQ(WallOf("greedy").walled, false);
  EXPECT_EQ(WallOf("greedy").reason.word, "not-loaded");
  EXPECT_THAT(news_, ElementsAre(News::kUnwalled));
  EXPECT_THAT(looked_into_, ElementsAre("c1")) << "not at every look";
}

TEST_F(ArbiterTest, APodOfWhichNobodyEverAttachedIsUnwalledOnceItIsOnTheGpu) {
  Enforce();
  inside_.loaded = Loaded::kOther;
  DriverShows(1, kGib, 6);
  EXPECT_EQ(WallOf("greedy").walled, false);
  EXPECT_EQ(WallOf("greedy").reason.word, "no-shim");
  EXPECT_EQ(WallOf("modest").walled, std::nullopt);
  EXPECT_THAT(news_, ElementsAre(News::kUnwalled));
}

TEST_F(ArbiterTest, AShimOfAnotherVersionIsTheReason) {
  Enforce();
  const auto program = Start(kGreedy);
  EXPECT_EQ(program->Do(loop_, {Order::kOtherVersion, 1}).status, wire::Status::kUnknownVersion);
  DriverShows(program->pid(), kGib, 6);
  EXPECT_EQ(WallOf("greedy").walled, false);
  EXPECT_EQ(WallOf("greedy").reason.word, "other-version");
}

TEST_F(ArbiterTest, WhoIsRefusedIsSaidToHaveBeenLately) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  DriverShows(program->pid(), 0);
  EXPECT_FALSE(WallOf("greedy").refused_lately);
  EXPECT_FALSE(program->Do(loop_, {Order::kReserve, 5 * kGib}).done);
  DriverShows(program->pid(), 0);
  EXPECT_TRUE(WallOf("greedy").refused_lately);
  DriverShows(program->pid(), 0, 60);
  EXPECT_FALSE(WallOf("greedy").refused_lately);
}

TEST_F(ArbiterTest, ASuccessorGoesOnWithWhatProgramsHold) {
  Enforce();
  const auto lives = Start(kGreedy);
  auto dies = Start(kGreedy);
  lives->Do(loop_, {Order::kHello, 1});
  dies->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(lives->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  EXPECT_TRUE(dies->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  EXPECT_EQ(dies->Do(loop_, {Order::kHold, 1 * kGib}).total, 4 * kGib);
  arbiter_.reset();
  // While nobody arbitrates the wall holds, and a program is killed.
  EXPECT_FALSE(lives->Do(loop_, {Order::kReserve, 1}).done);
  dies->Kill();
  Begin();
  EXPECT_EQ(WallOf("greedy").used_bytes, 1 * kGib);
  EXPECT_EQ(WallOf("greedy").limit_bytes, 4 * kGib);
  EXPECT_EQ(arbiter_->programs(), 1U);
  // It attaches anew, keeps what it has, and is watched.
  EXPECT_EQ(lives->Do(loop_, {Order::kHello, 1}).total, 1 * kGib);
  EXPECT_TRUE(lives->Do(loop_, {Order::kReserve, 3 * kGib}).done);
  lives->Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return WallOf("greedy").used_bytes == 0; }));
}

TEST_F(ArbiterTest, WithoutARuleNothingListens) {
  arbiter_->SetHeld({Holds("greedy")});
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/walls/" + wire::kSocketFile));
  EXPECT_THAT(arbiter_->Walls(), IsEmpty());
}

}  // namespace
}  // namespace tranche::node::walls
