#include "gpu/patience.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::gpu {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class PatienceTest : public ::testing::Test {
 protected:
  std::map<std::string, std::string> Fail(std::chrono::seconds after) {
    now_ += after;
    return patience_.Failing({{"GPU-0", "unknown error"}}, now_);
  }
  Patience patience_;
  Patience::Time now_{1h};
};

TEST_F(PatienceTest, NothingFailsAtFirst) {
  EXPECT_FALSE(patience_.waiting());
  EXPECT_THAT(patience_.Failing({}, now_), IsEmpty());
}

TEST_F(PatienceTest, SeveralFailuresOverSomeSecondsCount) {
  EXPECT_THAT(Fail(0s), IsEmpty());
  EXPECT_TRUE(patience_.waiting());
  EXPECT_THAT(Fail(2s), IsEmpty());
  EXPECT_THAT(Fail(2s), IsEmpty()) << "three in less than five seconds";
  EXPECT_THAT(Fail(1s), ElementsAre(Pair("GPU-0", "unknown error")));
  EXPECT_FALSE(patience_.waiting());
  EXPECT_THAT(Fail(0s), ElementsAre(Pair("GPU-0", "unknown error")));
}

TEST_F(PatienceTest, TwoFailuresDoNotCountHoweverLongAfter) {
  Fail(0s);
  EXPECT_THAT(Fail(60s), IsEmpty());
  EXPECT_THAT(Fail(0s), ElementsAre(Pair("GPU-0", "unknown error")));
}

TEST_F(PatienceTest, ASuccessBetweenThemBeginsAnew) {
  Fail(0s);
  Fail(5s);
  patience_.Failing({}, now_);
  EXPECT_FALSE(patience_.waiting());
  EXPECT_THAT(Fail(5s), IsEmpty());
}

TEST_F(PatienceTest, EachHasItsOwn) {
  Fail(0s);
  Fail(5s);
  now_ += 1s;
  EXPECT_THAT(patience_.Failing({{"GPU-0", "a"}, {"GPU-1", "b"}}, now_),
              ElementsAre(Pair("GPU-0", "a")));
  EXPECT_TRUE(patience_.waiting());
}

}  // namespace
}  // namespace tranche::gpu
