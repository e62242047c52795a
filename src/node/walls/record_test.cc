#include "node/walls/record.h"

#include <gmock/gmock.h>

#include "node/walls/requests.h"

namespace tranche::node::walls {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kGpu[] = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

PodRecord Record() {
  return {.uid = "uid",
          .counters = {1, UINT64_MAX},
          .away_open = false,
          .devices = {{.device = kGpu,
                       .uuid = *ParseUuid(kGpu),
                       .limit_bytes = UINT64_MAX - 1,
                       .device_bytes = 7}},
          .granted = {.name = {"team", "pod"},
                      .devices = {{kGpu,
                                   {.limit_bytes = UINT64_MAX - 1,
                                    .fixed_bytes = 5,
                                    .device_bytes = 7,
                                    .reserve_bytes = 1,
                                    .held = 3,
                                    .away_open = false}}}},
          .asked = "12.5%"};
}

TEST(RecordTest, WhatIsWrittenIsReadAgain) {
  const auto read = ReadRecord(RecordText({Record()}));
  ASSERT_TRUE(read.ok());
  ASSERT_THAT(*read, SizeIs(1));
  const PodRecord& pod = read->front();
  EXPECT_EQ(pod.uid, "uid");
  EXPECT_EQ(pod.granted, Record().granted);
  EXPECT_EQ(pod.asked, "12.5%");
  EXPECT_EQ(pod.counters, (PageIdentity{1, UINT64_MAX}));
  EXPECT_FALSE(pod.away_open);
  EXPECT_EQ(pod.devices.at(0).limit_bytes, UINT64_MAX - 1);
  EXPECT_EQ(pod.devices.at(0).device, kGpu);
}

TEST(RecordTest, WhatMakesNoSenseIsLeftOut) {
  PodRecord without_uid = Record();
  without_uid.uid.clear();
  PodRecord without_device = Record();
  without_device.devices.clear();
  EXPECT_THAT(*ReadRecord(RecordText({without_uid, without_device})), IsEmpty());
  EXPECT_FALSE(ReadRecord("").ok());
  EXPECT_FALSE(ReadRecord(R"({"version": 2, "pods": []})").ok());
}

TEST(RecordTest, APodWithoutPagesKeepsItsLimits) {
  PodRecord without_page = Record();
  without_page.counters = {};
  const auto read = ReadRecord(RecordText({without_page}));
  ASSERT_THAT(*read, SizeIs(1));
  EXPECT_EQ(read->front().granted, Record().granted);
}

// As a forerunner wrote it that knew of no annotations.
TEST(RecordTest, AnOlderRecordIsReadAsWhatWasGivenAtFirst) {
  const auto read = ReadRecord(R"({"version": 1, "pods": [{"uid": "u", "namespace": "team",
      "name": "pod", "device": "1", "inode": "2", "awayOpen": true, "devices": [{"uuid":
      "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "limitBytes": "40", "deviceBytes": "100"}]}]})");
  ASSERT_THAT(*read, SizeIs(1));
  EXPECT_EQ(read->front().granted.devices.at(kGpu),
            (Grant{.limit_bytes = 40, .fixed_bytes = 40, .device_bytes = 100}));
}

}  // namespace
}  // namespace tranche::node::walls
