// Pods that mean harm, before the arbiter. Whatever one of them does, its neighbour keeps its limit
// and its bytes, and the neighbour's programs are answered. docs/security.md has them in a table.
#include "node/walls/testing/arbiter_bed.h"

namespace tranche::node::walls {
namespace {

using testing::kGib;
using testing::kGreedy;
using testing::kModest;
using testing::Order;
using testing::Outcome;
using testing::Program;

constexpr char kOtherContainer[] =
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

class HostileTest : public testing::ArbiterBed {
 protected:
  // The neighbour has a program that holds a GiB.
  HostileTest() {
    Enforce();
    neighbour_ = Start(kModest);
    EXPECT_TRUE(neighbour_->Do(loop_, {Order::kHello, 1}).done);
    EXPECT_TRUE(neighbour_->Do(loop_, {Order::kReserve, kGib}).done);
    attacker_ = Start(kGreedy);
    EXPECT_TRUE(attacker_->Do(loop_, {Order::kHello, 1}).done);
  }

  // Its limit and bytes are what they were, to the byte, and it can use what it has.
  void ExpectNeighbourUnharmed() {
    EXPECT_TRUE(NeighbourIsAsItWas());
    const auto fresh = Start(kModest);
    const Outcome answer = fresh->Do(loop_, {Order::kHello, 1});
    EXPECT_EQ(answer.status, wire::Status::kOk);
    EXPECT_EQ(answer.limit, 4 * kGib);
    EXPECT_EQ(answer.total, kGib);
    EXPECT_TRUE(fresh->Do(loop_, {Order::kReserve, 3 * kGib}).done);
    EXPECT_FALSE(neighbour_->Do(loop_, {Order::kReserve, 1}).done) << "its wall stands";
    fresh->Kill();
    EXPECT_TRUE(loop_.RunUntil([&] { return NeighbourIsAsItWas(); }));
  }
  bool NeighbourIsAsItWas() {
    const Wall wall = WallOf("modest");
    return wall.limit_bytes == 4 * kGib && wall.used_bytes == kGib && wall.programs == 1 &&
           !wall.mismatch;
  }
  Outcome Attack(const Order& order) { return attacker_->Do(loop_, order); }

  std::unique_ptr<Program> neighbour_;
  std::unique_ptr<Program> attacker_;
};

TEST_F(HostileTest, CountersFullOfNonsense) {
  const int files = base::testing::OpenFiles();
  for (std::uint64_t round = 1; round <= 2000; ++round) {
    ASSERT_TRUE(Attack({Order::kScribble, round}).done);
    DriverShows(attacker_->pid(), round % 5 * kGib);
    static_cast<void>(arbiter_->Walls());
    if (round % 5 == 0) {
      ASSERT_EQ(Attack({Order::kHello, round}).status, wire::Status::kOk);
    }
    if (round % 50 == 0) {
      const auto another = Start(kGreedy);
      ASSERT_EQ(another->Do(loop_, {Order::kHello, 1}).status, wire::Status::kOk);
      another->Do(loop_, {Order::kReserve, kGib});
    }
  }
  EXPECT_EQ(WallOf("greedy").limit_bytes, 4 * kGib) << "its own limit is out of its reach, too";
  EXPECT_TRUE(loop_.RunUntil([&] { return arbiter_->programs() == 2; }));
  EXPECT_LE(base::testing::OpenFiles(), files);
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, TheSameNonsenseFromAProgramOfTheNeighboursOwnIsSeenInItsBytes) {
  ASSERT_TRUE(NeighbourIsAsItWas());
  for (std::uint64_t round = 1; round <= 2000 && NeighbourIsAsItWas(); ++round) {
    ASSERT_TRUE(neighbour_->Do(loop_, {Order::kScribble, round}).done);
  }
  EXPECT_FALSE(NeighbourIsAsItWas());
}

TEST_F(HostileTest, CountersThatAreWrittenOverWhileTheyAreRead) {
  ASSERT_TRUE(Attack({Order::kHammer, 0}).done);
  for (std::uint64_t round = 2; round <= 300; ++round) {
    ASSERT_EQ(Attack({Order::kHello, round}).status, wire::Status::kOk);
    DriverShows(attacker_->pid(), kGib);
  }
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, NonsenseThatASuccessorFinds) {
  for (std::uint64_t round = 1; round <= 50; ++round) {
    ASSERT_TRUE(Attack({Order::kScribble, round}).done);
    Begin();
    Enforce();
    ASSERT_TRUE(NeighbourIsAsItWas()) << round;
    ASSERT_EQ(Attack({Order::kHello, 1}).status, wire::Status::kOk);
  }
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, NotesOfSharedMemoryWithoutEnd) {
  for (std::uint64_t round = 2; round <= 100; ++round) {
    ASSERT_TRUE(Attack({Order::kClutter, 0}).done);
    ASSERT_EQ(Attack({Order::kHello, round}).status, wire::Status::kOk);
    DriverShows(attacker_->pid(), kGib);
  }
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, GroupsThatAPodMakesAndNamesAfterAnother) {
  const std::string victim = kModest;
  const std::string container = kOtherContainer;
  std::string slice = victim;
  std::replace(slice.begin(), slice.end(), '-', '_');
  const std::vector<std::string> forged{
      "/kubepods/pod" + victim + "/" + container, "/pod" + victim + "/" + container,
      "/kubepods.slice/kubepods-pod" + slice + ".slice/cri-containerd-" + container + ".scope",
      "/kubepods/burstable/pod" + victim,
      "/kubepods-pod" + slice + ".slice:cri-containerd:" + container};
  for (std::size_t round = 0; round < 100; ++round) {
    const auto forger = Start(kGreedy);
    proc_.Put(static_cast<pid_t>(forger->pid()), kGreedy, forged[round % forged.size()]);
    const Outcome answer = forger->Do(loop_, {Order::kHello, 1});
    ASSERT_EQ(answer.status, wire::Status::kOk);
    ASSERT_TRUE(forger->Do(loop_, {Order::kReserve, 2 * kGib}).done);
    ASSERT_EQ(WallOf("greedy").used_bytes, 2 * kGib) << "it is its own pod's";
    ASSERT_TRUE(NeighbourIsAsItWas());
    forger->Kill();
    ASSERT_TRUE(loop_.RunUntil([&] { return WallOf("greedy").used_bytes == 0; }));
  }
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, WhoIsReallyInTheNeighboursGroupIsTheNeighbours) {
  const auto own = Start(kModest);
  ASSERT_EQ(own->Do(loop_, {Order::kHello, 1}).status, wire::Status::kOk);
  ASSERT_TRUE(own->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  EXPECT_EQ(WallOf("modest").used_bytes, 3 * kGib);
  EXPECT_FALSE(NeighbourIsAsItWas());
}

TEST_F(HostileTest, MeasuresInTheNameOfEveryOtherProgram) {
  for (unsigned slot = 1; slot < wire::kMaxSlots; ++slot) {
    ASSERT_EQ(Attack({Order::kMeasureSlot, slot}).status, wire::Status::kRefused) << slot;
  }
  ExpectNeighbourUnharmed();
  // Its own is answered.
  attacker_->Start({Order::kMeasureSlot, 0});
  EXPECT_TRUE(loop_.RunUntil([&] { return looks_ > 0; }));
  DriverShows(attacker_->pid(), 300);
  Outcome outcome;
  EXPECT_TRUE(loop_.RunUntil([&] { return attacker_->Finished(outcome); }));
  EXPECT_EQ(outcome.status, wire::Status::kOk);
}

TEST_F(HostileTest, APidThatIsUsedAgain) {
  for (int round = 0; round < 100; ++round) {
    auto first = Start(kModest);
    const auto pid = static_cast<pid_t>(first->pid());
    ASSERT_TRUE(first->Do(loop_, {Order::kHello, 1}).done);
    ASSERT_TRUE(first->Do(loop_, {Order::kReserve, kGib}).done);
    first->Kill();
    // Nothing has been seen of its end when another pod's program comes with the same pid.
    const auto second = Start(kGreedy, pid);
    if (second->pid() == 0) GTEST_SKIP() << "a pid cannot be chosen here";
    const Outcome answer = second->Do(loop_, {Order::kHello, 1});
    ASSERT_EQ(answer.status, wire::Status::kOk);
    ASSERT_EQ(answer.total, 0U) << "nothing of what the first one had";
    ASSERT_TRUE(second->Do(loop_, {Order::kReserve, kGib}).done);
    ASSERT_TRUE(loop_.RunUntil([&] { return NeighbourIsAsItWas(); })) << "what the first one had";
    ASSERT_EQ(WallOf("greedy").used_bytes, kGib) << "what the second one has stays";
  }
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, APidThatIsUsedAgainInTheSamePod) {
  for (int round = 0; round < 100; ++round) {
    auto first = Start(kGreedy);
    ASSERT_EQ(first->Do(loop_, {Order::kHello, 1}).slot, 1U);
    ASSERT_TRUE(first->Do(loop_, {Order::kReserve, 2 * kGib}).done);
    const auto pid = static_cast<pid_t>(first->pid());
    first->Kill();
    const auto second = Start(kGreedy, pid);
    if (second->pid() == 0) GTEST_SKIP() << "a pid cannot be chosen here";
    ASSERT_EQ(second->Do(loop_, {Order::kHello, 1}).total, 0U);
    ASSERT_TRUE(second->Do(loop_, {Order::kReserve, 3 * kGib}).done);
    loop_.RunFor(std::chrono::milliseconds(1));
    ASSERT_EQ(WallOf("greedy").used_bytes, 3 * kGib);
    ASSERT_EQ(arbiter_->programs(), 3U);
    second->Do(loop_, {Order::kRelease, 3 * kGib});
  }
}

// The node program hears of the first one's end only after it has answered the second, which began
// in the same tick of the clock, with the same image.
TEST_F(HostileTest, APidThatIsUsedAgainBeforeItsFirstEndIsHeardOf) {
  for (int round = 0; round < 100; ++round) {
    auto first = Start(kGreedy);
    ASSERT_EQ(first->Do(loop_, {Order::kHello, 1}).slot, 1U);
    ASSERT_TRUE(first->Do(loop_, {Order::kReserve, 2 * kGib}).done);
    const auto pid = static_cast<pid_t>(first->pid());
    const std::string stat = proc_.Stat(pid);
    ends_.HoldEnds();
    first->Kill();
    const auto second = Start(kGreedy, pid);
    if (second->pid() == 0) GTEST_SKIP() << "a pid cannot be chosen here";
    proc_.PutStat(pid, stat);
    ASSERT_EQ(second->Do(loop_, {Order::kHello, 1}).total, 0U) << "before it can ask for memory";
    ASSERT_TRUE(second->Do(loop_, {Order::kReserve, 3 * kGib}).done);
    ends_.TellEnds();
    loop_.RunFor(std::chrono::milliseconds(1));
    ASSERT_EQ(WallOf("greedy").used_bytes, 3 * kGib) << "the end was the first one's";
    ASSERT_EQ(arbiter_->programs(), 3U);
    second->Do(loop_, {Order::kRelease, 3 * kGib});
  }
}

TEST_F(HostileTest, APodWithMoreProgramsThanThereArePlacesLeavesSomeToOthers) {
  max_programs_ = 16;
  neighbour_->Kill();
  attacker_->Kill();
  Begin();
  Enforce();
  std::vector<std::unique_ptr<Program>> crowd;
  int let_in = 0;
  for (int i = 0; i < 40; ++i) {
    crowd.push_back(Start(kGreedy));
    const Outcome answer = crowd.back()->Do(loop_, {Order::kHello, 1});
    let_in += answer.status == wire::Status::kOk ? 1 : 0;
    if (i >= 12) {
      ASSERT_EQ(answer.status, wire::Status::kNoRoom);
    }
  }
  EXPECT_EQ(let_in, 12) << "three quarters";
  const auto other = Start(kModest);
  EXPECT_EQ(other->Do(loop_, {Order::kHello, 1}).status, wire::Status::kOk);
  // The place of who ends is free again.
  crowd.front()->Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return arbiter_->programs() == 12; }));
  EXPECT_EQ(crowd.back()->Do(loop_, {Order::kHello, 1}).status, wire::Status::kNoRoom);
  other->Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return arbiter_->programs() == 11; }));
  EXPECT_EQ(crowd.back()->Do(loop_, {Order::kHello, 1}).status, wire::Status::kOk);
}

TEST_F(HostileTest, APodThatSaysOfEverySlotThatOneProgramIsInItHasOneToASuccessor) {
  const int files = base::testing::OpenFiles();
  ASSERT_TRUE(Attack({Order::kEverywhere, 0}).done);
  Begin();
  Enforce();
  EXPECT_EQ(arbiter_->programs(), 2U);
  EXPECT_EQ(WallOf("greedy").programs, 1U);
  EXPECT_LE(base::testing::OpenFiles(), files);
  ExpectNeighbourUnharmed();
}

TEST_F(HostileTest, HellosWithoutEnd) {
  const int files = base::testing::OpenFiles();
  for (std::uint64_t image = 2; image <= 1000; ++image) {
    ASSERT_EQ(Attack({Order::kHello, image}).status, wire::Status::kOk);
  }
  EXPECT_EQ(WallOf("greedy").programs, 1U);
  EXPECT_LE(base::testing::OpenFiles(), files);
  ExpectNeighbourUnharmed();
}

}  // namespace
}  // namespace tranche::node::walls
