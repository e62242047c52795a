#include "node/walls/record.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/testing/temp_dir.h"
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

class PageSearchTest : public ::testing::Test {
 protected:
  // A process of the pod; `maps`: "" where it has none.
  void Put(unsigned pid, const std::string& uid, const std::string& maps) const {
    const std::string folder = dir_ / std::to_string(pid);
    std::filesystem::create_directories(folder + "/map_files");
    std::ofstream(folder + "/cgroup") << "0::/kubepods/pod" << uid << "/c\n";
    std::ofstream(folder + "/maps") << maps;
  }
  static PodRecord Of(const std::string& uid, std::uint64_t inode) {
    PodRecord pod = Record();
    pod.uid = uid;
    pod.counters = {1, inode};
    return pod;
  }
  base::testing::TempDir dir_;
};

constexpr char kUid[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0001";
constexpr char kOther[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0002";

TEST_F(PageSearchTest, OneStepLooksAtSoManyProcessesAndAllStepsAtAllOfThemOnce) {
  constexpr std::size_t kProcesses = 5000;
  for (unsigned pid = 1; pid <= kProcesses; ++pid) Put(pid, kOther, "");
  std::filesystem::create_directories(dir_ / "self");
  PageSearch search(dir_.path(), {Of(kUid, 7)});
  EXPECT_EQ(search.processes_left(), kProcesses);
  std::size_t steps = 0;
  while (!search.done()) {
    const std::size_t before = search.processes_left();
    EXPECT_THAT(search.Step(), IsEmpty());
    EXPECT_EQ(before - search.processes_left(), std::min(before, PageSearch::kProcessesAtOnce));
    ++steps;
  }
  EXPECT_EQ(steps, (kProcesses + PageSearch::kProcessesAtOnce - 1) / PageSearch::kProcessesAtOnce);
  EXPECT_THAT(search.sought(), SizeIs(1)) << "nobody has it";
}

// To read its mappings costs more than to read of which pod a process is.
TEST_F(PageSearchTest, OneStepReadsTheMappingsOfFewProcesses) {
  for (unsigned pid = 1; pid <= 100; ++pid) Put(pid, kUid, "1000-2000 rw-p 0 0:1 9 /other\n");
  PageSearch search(dir_.path(), {Of(kUid, 7)});
  EXPECT_THAT(search.Step(), IsEmpty());
  EXPECT_EQ(search.processes_left(), 100 - PageSearch::kMapsAtOnce);
}

TEST_F(PageSearchTest, ItEndsWithTheLastPodThatIsSought) {
  const std::string maps = "1000-2000 rw-s 0 0:1 7 /memfd:tranche-counters (deleted)\n";
  Put(1, kUid, maps);
  Put(2, kOther, maps);
  std::ofstream(dir_ / "1/map_files/1000-2000") << "page";
  PageSearch search(dir_.path(), {Of(kUid, 7), Of(kOther, 8)});
  std::vector<PageSearch::Found> all;
  while (!search.done()) {
    for (auto& found : search.Step()) all.push_back(std::move(found));
  }
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].pod.uid, kUid);
  EXPECT_TRUE(all[0].counters.ok());
  EXPECT_THAT(search.sought(), SizeIs(1)) << "another page than that of the record";
  EXPECT_TRUE(PageSearch(dir_.path(), {Of(kUid, 0)}).done()) << "it never had any";
}

}  // namespace
}  // namespace tranche::node::walls
