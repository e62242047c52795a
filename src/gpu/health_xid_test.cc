#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/health.h"

namespace tranche::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(DescribeXidTest, ApplicationIsExactlyUpstreamsIgnoreList) {
  std::vector<std::uint64_t> ignored;
  for (std::uint64_t xid = 0; xid < 1000; ++xid) {
    if (DescribeXid(xid).xid_class == XidClass::kApplication) ignored.push_back(xid);
  }
  EXPECT_THAT(ignored, ElementsAre(13U, 31U, 43U, 45U, 68U, 109U));
}

TEST(DescribeXidTest, ClassesFollowNvidiasAction) {
  EXPECT_EQ(DescribeXid(94).xid_class, XidClass::kRecoverable);  // contained: RESTART_APP
  EXPECT_EQ(DescribeXid(95).xid_class, XidClass::kNeedsReset);   // uncontained: RESET_GPU
  EXPECT_EQ(DescribeXid(48).xid_class, XidClass::kNeedsReset);
  EXPECT_EQ(DescribeXid(63).xid_class, XidClass::kRecoverable);
  EXPECT_EQ(DescribeXid(79).xid_class, XidClass::kNeedsReset);
}

TEST(DescribeXidTest, UnknownNeedsAReset) {
  for (const std::uint64_t xid : {0ULL, 1ULL, 999ULL, ~0ULL}) {
    EXPECT_EQ(DescribeXid(xid).xid_class, XidClass::kNeedsReset);
    EXPECT_EQ(DescribeXid(xid).xid, 0U);
  }
}

TEST(DescribeXidTest, EveryEntryHasItsSource) {
  for (std::uint64_t xid = 1; xid < 200; ++xid) {
    EXPECT_FALSE(DescribeXid(xid).meaning.empty());
    EXPECT_FALSE(DescribeXid(xid).source.empty());
  }
}

XidFilter Filter(std::string_view disable, std::string_view enable = "") {
  return ParseXidFilter(disable, enable).filter;
}

TEST(XidFilterTest, WithoutVariablesTheBuiltInListIsIgnored) {
  EXPECT_TRUE(Filter("").Ignores(13));
  EXPECT_TRUE(Filter("").Ignores(109));
  EXPECT_FALSE(Filter("").Ignores(48));
  EXPECT_FALSE(Filter("").Ignores(12345));
}

TEST(XidFilterTest, WhereAllAreDisabledOnlyAllAreEnabled) {
  for (const std::string_view all : {"all", "xids", "48,ALL"}) {
    EXPECT_TRUE(Filter(all, "74").Ignores(74)) << all;
    EXPECT_TRUE(Filter(all, "74").Ignores(48)) << all;
    EXPECT_FALSE(Filter(all, "all").Ignores(74)) << all;
    EXPECT_FALSE(Filter(all, "all").Ignores(13)) << all;
  }
}

TEST(XidFilterTest, DisabledOnesAreIgnoredToo) {
  const XidFilter filter = Filter("48, 95 ,,79");
  EXPECT_TRUE(filter.Ignores(48));
  EXPECT_TRUE(filter.Ignores(95));
  EXPECT_TRUE(filter.Ignores(79));
  EXPECT_TRUE(filter.Ignores(13));
  EXPECT_FALSE(filter.Ignores(94));
}

TEST(XidFilterTest, AllAndXidsAndZeroTurnChecksOff) {
  for (const std::string_view all : {"all", "ALL", "xids", "XIDs", "13,all", " Xids ", "0"}) {
    EXPECT_TRUE(Filter(all).Ignores(48)) << all;
    EXPECT_TRUE(Filter(all).Ignores(12345)) << all;
  }
}

TEST(XidFilterTest, EnabledBeatsDisabledAndTheBuiltInList) {
  EXPECT_FALSE(Filter("", "13").Ignores(13));
  EXPECT_FALSE(Filter("48", "48").Ignores(48));
  EXPECT_TRUE(Filter("", "13").Ignores(31));
  EXPECT_FALSE(Filter("all", "all").Ignores(13));
}

TEST(XidFilterTest, WhatIsNotUnderstoodIsReturned) {
  const ParsedXidFilter parsed = ParseXidFilter("13x,-1,+5,48,99999999999999999999999", "four,1.5");
  EXPECT_THAT(parsed.not_understood,
              ElementsAre("13x", "-1", "+5", "99999999999999999999999", "four", "1.5"));
  EXPECT_THAT(parsed.filter.disabled, ElementsAre(48U));
  EXPECT_THAT(parsed.filter.enabled, IsEmpty());
  EXPECT_THAT(ParseXidFilter("", "").not_understood, IsEmpty());
}

}  // namespace
}  // namespace tranche::gpu
