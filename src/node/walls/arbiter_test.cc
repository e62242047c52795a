// The arbiter with real programs: processes that attach, allocate and are killed.
#include "node/walls/arbiter.h"

#include "node/walls/testing/arbiter_bed.h"

namespace tranche::node::walls {
namespace {

using ::testing::ElementsAre;
using testing::Holds;
using ::testing::IsEmpty;
using testing::kGib;
using testing::kGreedy;
using testing::kModest;
using testing::Order;
using testing::Outcome;

class ArbiterTest : public testing::ArbiterBed {};

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

TEST_F(ArbiterTest, ASuccessorLooksForPagesInTurnsOfTheLoopAndAnswersMeanwhile) {
  Enforce();
  const auto lives = Start(kGreedy);
  lives->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(lives->Do(loop_, {Order::kReserve, 3 * kGib}).done);
  arbiter_.reset();
  constexpr pid_t kFirst = 10'000'000;  // the kernel gives none so high
  constexpr pid_t kProcesses = 4000;
  for (pid_t pid = kFirst; pid < kFirst + kProcesses; ++pid) proc_.PutOther(pid, kModest);
  Begin();
  Enforce();
  EXPECT_TRUE(arbiter_->takes_over()) << "the turn in which it begins is over before it has found";
  EXPECT_EQ(arbiter_->programs(), 0U);
  const auto asks = Start(kGreedy);
  const Outcome early = asks->Do(loop_, {Order::kHello, 1});
  EXPECT_EQ(early.status, wire::Status::kNotYet);
  // What is granted waits, so the record is still the forerunner's: another successor finds all.
  Begin();
  EXPECT_TRUE(loop_.RunUntil([&] { return !arbiter_->takes_over(); }));
  Enforce();
  EXPECT_EQ(arbiter_->programs(), 1U);
  EXPECT_EQ(asks->Do(loop_, {Order::kHello, 1}).total, 3 * kGib);
  EXPECT_FALSE(asks->Do(loop_, {Order::kReserve, 2 * kGib}).done) << "they share one wall";
  EXPECT_TRUE(lives->Do(loop_, {Order::kReserve, 1 * kGib}).done);
}

TEST_F(ArbiterTest, WhatIsSaidWhileASuccessorLooksForPagesIsHeardAfterwards) {
  Enforce();
  const auto lives = Start(kGreedy);
  lives->Do(loop_, {Order::kHello, 1});
  arbiter_.reset();
  constexpr pid_t kFirst = 10'000'000;
  for (pid_t pid = kFirst; pid < kFirst + 1000; ++pid) proc_.PutOther(pid, kModest);
  Begin();
  asks_[kGreedy].text = "6Gi";
  Enforce();
  arbiter_->AsksChanged();
  ASSERT_TRUE(arbiter_->takes_over());
  EXPECT_TRUE(loop_.RunUntil([&] { return !arbiter_->takes_over(); }));
  EXPECT_EQ(WallOf("greedy").limit_bytes, 6 * kGib);
  EXPECT_EQ(Start(kModest)->Do(loop_, {Order::kHello, 1}).limit, 4 * kGib);
}

TEST_F(ArbiterTest, WithoutARuleNothingListens) {
  arbiter_->SetHeld({Holds("greedy")});
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/walls/" + wire::kSocketFile));
  EXPECT_THAT(arbiter_->Walls(), IsEmpty());
}

}  // namespace
}  // namespace tranche::node::walls
