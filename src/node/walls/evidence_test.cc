// Which looks of the driver make a pod one that keeps to no wall, or has more than it counts.
#include "node/walls/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::node::walls {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kGib = 1ULL << 30U;
constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kStart = 1000 * kSecond;
const Evidence::Key kPod{"greedy", "GPU-0"};
const Evidence::Key kOther{"modest", "GPU-0"};

class EvidenceTest : public ::testing::Test {
 protected:
  // One look, `seconds` after the start.
  template <class See>
  Evidence::Found Look(double seconds, const See& see) {
    evidence_.Begin(kStart + static_cast<std::uint64_t>(seconds * 1e6));
    evidence_.LookAt("GPU-0");
    see();
    return evidence_.End();
  }
  void Shows(std::uint64_t shown, std::uint64_t known, bool steady = true) {
    evidence_.See(
        kPod,
        {.shown_bytes = shown, .known_bytes = known, .limit_bytes = 4 * kGib, .steady = steady});
  }
  [[nodiscard]] bool Mismatch() const {
    const auto* state = evidence_.Find(kPod);
    return state != nullptr && state->mismatch;
  }
  [[nodiscard]] bool Unwalled() const {
    const auto* state = evidence_.Find(kPod);
    return state != nullptr && state->unwalled;
  }

  Evidence evidence_;
};

TEST_F(EvidenceTest, MoreThanTheToleranceIsAMismatchOnceItHasLastedAndIsToldOnce) {
  const auto more = [this] { Shows(2 * kGib, kGib); };
  EXPECT_THAT(Look(0, more).mismatches, IsEmpty());
  EXPECT_THAT(Look(2.9, more).mismatches, IsEmpty());
  EXPECT_FALSE(Mismatch());
  EXPECT_THAT(Look(3, more).mismatches, SizeIs(1));
  EXPECT_TRUE(Mismatch());
  EXPECT_THAT(Look(4, more).mismatches, IsEmpty());
  EXPECT_TRUE(Mismatch());
  Look(5, [this] { Shows(kGib, kGib); });
  EXPECT_FALSE(Mismatch());
}

TEST_F(EvidenceTest, WhatIsWithinTheToleranceIsNone) {
  for (int i = 0; i < 20; ++i) {
    const auto found = Look(i, [this] { Shows(kGib + Evidence::kToleranceBytes, kGib); });
    EXPECT_THAT(found.mismatches, IsEmpty());
  }
  Look(30, [this] { Shows(kGib + Evidence::kToleranceBytes + 1, kGib); });
  EXPECT_THAT(Look(40, [this] { Shows(kGib + Evidence::kToleranceBytes + 1, kGib); }).mismatches,
              SizeIs(1));
}

TEST_F(EvidenceTest, AProgramThatAllocatesWhileTheDriverIsAskedIsNotAccused) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Look(i, [this] { Shows(3 * kGib, 0, false); }).mismatches, IsEmpty());
  }
  EXPECT_FALSE(Mismatch());
}

TEST_F(EvidenceTest, ALookThatTellsNothingLeavesWhatWasConcluded) {
  Look(0, [this] { Shows(2 * kGib, kGib); });
  Look(3, [this] { Shows(2 * kGib, kGib); });
  Look(4, [this] { Shows(2 * kGib, kGib, false); });
  EXPECT_TRUE(Mismatch());
}

TEST_F(EvidenceTest, APodThatHasMoreThanItsLimitIsFoundOutWhateverItsCountersDo) {
  const auto two = [this] {
    Shows(3 * kGib, 3 * kGib, false);
    Shows(2 * kGib, 2 * kGib, false);
  };
  Look(0, two);
  EXPECT_THAT(Look(3, two).mismatches, SizeIs(1));
}

TEST_F(EvidenceTest, AProgramThatHasNotAttachedIsToldOfOnceItHasLastedAndWhy) {
  const auto stranger = [this] {
    Shows(kGib, kGib);
    evidence_.SeeUnattached(kPod, ReasonOf("musl"));
    evidence_.SeeUnattached(kPod, ReasonOf("arch"));
  };
  EXPECT_THAT(Look(0, stranger).unwalled, IsEmpty());
  EXPECT_FALSE(Unwalled());
  EXPECT_THAT(Look(3, stranger).unwalled, SizeIs(1));
  EXPECT_TRUE(Unwalled());
  EXPECT_EQ(evidence_.Find(kPod)->reason.word, "musl");
  EXPECT_EQ(evidence_.Find(kPod)->unattached, 2);
  EXPECT_EQ(evidence_.Find(kOther), nullptr);
  EXPECT_FALSE(Mismatch()) << "what it has is not held against the counters";
  EXPECT_THAT(Look(4, stranger).unwalled, IsEmpty());
  Look(5, [this] { Shows(kGib, kGib); });
  EXPECT_FALSE(Unwalled());
  EXPECT_EQ(evidence_.Find(kPod)->reason.word, "");
  Look(6, [] {});
  EXPECT_EQ(evidence_.Find(kPod), nullptr);
}

TEST_F(EvidenceTest, ADeviceThatWasNotLookedAtKeepsWhatIsKnown) {
  const auto stranger = [this] { evidence_.SeeUnattached(kPod, ReasonOf("musl")); };
  Look(0, stranger);
  Look(3, stranger);
  evidence_.Begin(kStart + 4 * kSecond);
  evidence_.LookAt("GPU-1");
  evidence_.End();
  EXPECT_TRUE(Unwalled());
}

TEST_F(EvidenceTest, AClockThatIsSetBackDelaysAndNoMore) {
  const auto more = [this] { Shows(2 * kGib, kGib); };
  Look(100, more);
  EXPECT_THAT(Look(0, more).mismatches, IsEmpty());
  EXPECT_THAT(Look(3, more).mismatches, SizeIs(1));
}

TEST_F(EvidenceTest, ARefusalIsOfLatelyForAMinute) {
  const auto refused = [&](double seconds, std::uint64_t count) {
    Look(seconds, [&] { evidence_.NoteRefusals(kPod, count); });
    return evidence_.RefusedLately(kPod);
  };
  EXPECT_FALSE(refused(0, 7)) << "those were before anybody looked";
  EXPECT_FALSE(refused(1, 7));
  EXPECT_TRUE(refused(2, 8));
  EXPECT_TRUE(refused(61, 8));
  EXPECT_FALSE(refused(62, 8));
  EXPECT_TRUE(refused(63, 9));
  Look(64, [] {});
  EXPECT_FALSE(evidence_.RefusedLately(kPod)) << "the pod is gone";
}

}  // namespace
}  // namespace tranche::node::walls
