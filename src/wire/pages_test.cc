#include "wire/pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/testing/page_memory.h"

namespace tranche::wire {
namespace {

TEST(PagesTest, SealsAreTheKernels) {
  EXPECT_EQ(kSealSeal, F_SEAL_SEAL);
  EXPECT_EQ(kSealShrink, F_SEAL_SHRINK);
  EXPECT_EQ(kSealGrow, F_SEAL_GROW);
  EXPECT_EQ(kSealFutureWrite, F_SEAL_FUTURE_WRITE);
}

TEST(PagesTest, AnotherVersionOrSizeDoesNotFit) {
  const testing::Shared<Limits> limits;
  EXPECT_FALSE(LimitsFit(*limits, sizeof(Limits)));
  limits->magic = kLimitsMagic;
  limits->version = kVersion;
  limits->bytes = sizeof(Limits);
  limits->device_count = kMaxDevices;
  EXPECT_TRUE(LimitsFit(*limits, sizeof(Limits)));
  EXPECT_FALSE(LimitsFit(*limits, sizeof(Limits) - 1));
  limits->device_count = kMaxDevices + 1;
  EXPECT_FALSE(LimitsFit(*limits, sizeof(Limits)));
  limits->device_count = 1;
  limits->version = kVersion + 1;
  EXPECT_FALSE(LimitsFit(*limits, sizeof(Limits)));

  const testing::Shared<Counters> counters;
  EXPECT_FALSE(CountersFit(*counters, sizeof(Counters)));
  counters->magic = kCountersMagic;
  counters->version = kVersion;
  counters->bytes = sizeof(Counters);
  counters->slot_count = kMaxSlots;
  EXPECT_TRUE(CountersFit(*counters, sizeof(Counters)));
  EXPECT_FALSE(CountersFit(*counters, sizeof(Counters) - 1));
  counters->slot_count = kMaxSlots - 1;
  EXPECT_FALSE(CountersFit(*counters, sizeof(Counters)));
}

}  // namespace
}  // namespace tranche::wire
