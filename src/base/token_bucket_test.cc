#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace tranche::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int TakeAll(TokenBucket& bucket, TimePoint now) {
  int taken = 0;
  while (bucket.Take(now)) ++taken;
  return taken;
}

TEST(TokenBucketTest, ABurstAndThenTheRate) {
  TokenBucket bucket(5, 2);
  TimePoint now{std::chrono::hours(1)};
  EXPECT_EQ(TakeAll(bucket, now), 5);
  now += seconds(1);
  EXPECT_EQ(TakeAll(bucket, now), 2);
  // What is not used is kept up to the burst, and no further.
  now += std::chrono::hours(1);
  EXPECT_EQ(TakeAll(bucket, now), 5);
}

TEST(TokenBucketTest, TheWaitIsJustLongEnough) {
  TokenBucket bucket(1, 4);
  TimePoint now{std::chrono::hours(1)};
  EXPECT_EQ(TakeAll(bucket, now), 1);
  EXPECT_EQ(bucket.Wait(), milliseconds(250));
  EXPECT_FALSE(bucket.Take(now + milliseconds(100)));
  EXPECT_TRUE(bucket.Take(now + milliseconds(250)));
}

TEST(TokenBucketTest, ATimeThatGoesBackGivesNothing) {
  TokenBucket bucket(1, 1);
  const TimePoint now{std::chrono::hours(1)};
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_FALSE(bucket.Take(now - std::chrono::minutes(1)));
}

}  // namespace
}  // namespace tranche::base
