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
          .name = {"team", "pod"},
          .counters = {1, UINT64_MAX},
          .away_open = false,
          .devices = {{.device = kGpu,
                       .uuid = *ParseUuid(kGpu),
                       .limit_bytes = UINT64_MAX - 1,
                       .device_bytes = 7}}};
}

TEST(RecordTest, WhatIsWrittenIsReadAgain) {
  const auto read = ReadRecord(RecordText({Record()}));
  ASSERT_TRUE(read.ok());
  ASSERT_THAT(*read, SizeIs(1));
  const PodRecord& pod = read->front();
  EXPECT_EQ(pod.uid, "uid");
  EXPECT_EQ(pod.name, (PodName{"team", "pod"}));
  EXPECT_EQ(pod.counters, (PageIdentity{1, UINT64_MAX}));
  EXPECT_FALSE(pod.away_open);
  EXPECT_EQ(pod.devices.at(0).limit_bytes, UINT64_MAX - 1);
  EXPECT_EQ(pod.devices.at(0).device, kGpu);
}

TEST(RecordTest, WhatMakesNoSenseIsLeftOut) {
  PodRecord without_page = Record();
  without_page.counters.inode = 0;
  PodRecord without_device = Record();
  without_device.devices.clear();
  EXPECT_THAT(*ReadRecord(RecordText({without_page, without_device})), IsEmpty());
  EXPECT_FALSE(ReadRecord("").ok());
  EXPECT_FALSE(ReadRecord(R"({"version": 2, "pods": []})").ok());
}

}  // namespace
}  // namespace tranche::node::walls
