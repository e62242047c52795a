#include "node/history/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace tranche::node::history {
namespace {

using base::Json;

constexpr double kStart = 1'700'000'000;

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() { accounts_["GPU-0"].memory = gpu::MemoryUse{.total = 100, .used = 10}; }

  sight::PodUse& Pod(const std::string& name, const std::string& gpu = "GPU-0") {
    return accounts_[gpu].pods[{"team", name, "main", "uid-" + name}];
  }
  // A step in which the GPU was measured for so long.
  void Step(double measured = 2) {
    now_ += History::kStepSeconds;
    for (auto& [uuid, account] : accounts_) account.measured_seconds += measured;
    history_.Add(now_, accounts_);
  }
  // What the history has under this name ("busyPercent", "memoryBytes") of the pod or the GPU.
  std::string Of(const std::string& what, const std::string& pod = "",
                 std::size_t points = History::kPoints) const {
    const Json document = history_.ToJson(points);
    for (const Json& device : document.Find("devices")->as_array()) {
      if (pod.empty()) return device.Find(what)->Dump();
      for (const Json& one : device.Find("pods")->as_array()) {
        if (one.Find("pod")->as_string() == pod) return one.Find(what)->Dump();
      }
    }
    return "absent";
  }

  double now_ = kStart;
  std::map<std::string, sight::Account> accounts_;
  History history_;
};

TEST_F(HistoryTest, BusyIsThePartOfWhatWasMeasured) {
  Pod("a").memory_bytes = 7;
  Step();
  Pod("a").gpu_seconds += 1;
  accounts_["GPU-0"].busy_seconds += 1.5;
  Step();
  Pod("a").gpu_seconds += 0.25;
  accounts_["GPU-0"].busy_seconds += 0.25;
  Step(1);
  EXPECT_EQ(Of("busyPercent", "a"), "[null,50.0,25.0]");
  EXPECT_EQ(Of("busyPercent"), "[null,75.0,25.0]");
  EXPECT_EQ(Of("memoryBytes", "a"), "[7,7,7]");
  EXPECT_EQ(Of("memoryBytes"), "[10,10,10]");
}

TEST_F(HistoryTest, LooksWithinAStepMakeOnePoint) {
  Pod("a");
  Step();
  for (int i = 0; i < 5; ++i) history_.Add(now_ + 0.3 * i, accounts_);
  EXPECT_EQ(Of("memoryBytes", "a"), "[0]");
}

TEST_F(HistoryTest, AStepWithoutSamplesIsAsTheOneBeforeAndLaterUnknown) {
  Pod("a");
  Step();
  Pod("a").gpu_seconds += 2;
  Step();
  for (int i = 0; i < 4; ++i) Step(0);
  EXPECT_EQ(Of("busyPercent", "a"), "[null,100.0,100.0,100.0,100.0,null]");
  Pod("a").gpu_seconds += 5;
  Step(10);
  EXPECT_EQ(Of("busyPercent", "a", 1), "[50.0]") << "nothing of it is lost";
}

TEST_F(HistoryTest, WhatIsNeverMeasuredIsUnknownAndHasMemory) {
  Pod("a").memory_bytes = 3;
  accounts_["GPU-0"].memory.reset();
  for (int i = 0; i < 5; ++i) Step(0);
  EXPECT_EQ(Of("busyPercent", "a", 2), "[null,null]");
  EXPECT_EQ(Of("memoryBytes", "a", 2), "[3,3]");
  EXPECT_EQ(Of("memoryBytes", "", 2), "[null,null]");
}

TEST_F(HistoryTest, StepsThatWereMissedHaveNoValue) {
  Pod("a").memory_bytes = 3;
  Step();
  now_ += 2 * History::kStepSeconds;
  Step();
  EXPECT_EQ(Of("memoryBytes", "a"), "[3,null,null,3]");
}

TEST_F(HistoryTest, ItIsARingOfTheLastMinutes) {
  for (std::size_t i = 0; i < 2 * History::kPoints; ++i) {
    Pod("a").memory_bytes = i;
    Step();
  }
  const std::string all = Of("memoryBytes", "a");
  EXPECT_THAT(all, ::testing::StartsWith("[" + std::to_string(History::kPoints) + ","));
  EXPECT_THAT(all, ::testing::EndsWith("," + std::to_string(2 * History::kPoints - 1) + "]"));
  const Json document = history_.ToJson(History::kNewest);
  EXPECT_EQ(document.Find("endTime")->as_double(), now_);
  EXPECT_EQ(Of("memoryBytes", "a", History::kNewest), "[297,298,299]");
}

TEST_F(HistoryTest, APodsHistoryEndsWithThePodAndAGpusWithTheGpu) {
  Pod("a");
  Pod("b");
  Step();
  EXPECT_EQ(history_.series(), 3U);
  accounts_["GPU-0"].pods.erase({"team", "a", "main", "uid-a"});
  Step();
  EXPECT_EQ(Of("memoryBytes", "a"), "absent");
  EXPECT_EQ(Of("memoryBytes", "b"), "[0,0]");
  accounts_.clear();
  Step();
  EXPECT_EQ(history_.series(), 0U);
}

TEST_F(HistoryTest, AGpuThatCameBackBeginsAnew) {
  Pod("a").gpu_seconds = 100;
  Step();
  Step();
  accounts_["GPU-0"].measured_seconds = 0;
  Pod("a").gpu_seconds = 0;
  Step(0);
  Pod("a").gpu_seconds = 1;
  Step();
  EXPECT_EQ(Of("busyPercent", "a", 1), "[50.0]");
}

TEST_F(HistoryTest, AClockThatWasSetBeginsAnew) {
  Pod("a");
  for (int i = 0; i < 3; ++i) Step();
  for (const double jump : {-1000.0, 1e6}) {
    now_ += jump;
    Step();
    EXPECT_EQ(Of("memoryBytes", "a"), "[0]");
  }
}

TEST_F(HistoryTest, WhatPodsCanMakeManyOfIsBounded) {
  for (int gpu = 0; gpu < 8; ++gpu) {
    for (int i = 0; i < 256; ++i) Pod("p" + std::to_string(i), "GPU-" + std::to_string(gpu));
  }
  for (int i = 0; i < 3; ++i) Step();
  EXPECT_EQ(history_.series(), History::kMaxSeries);
}

TEST_F(HistoryTest, NamesArePrintable) {
  accounts_["GPU-0"].pods[{"team", "a\x1b[31m\n", "main", "u"}];
  Step();
  const std::string text = history_.ToJson().Dump();
  EXPECT_THAT(text, ::testing::HasSubstr(R"("a\\x1b[31m\\n")"));
}

}  // namespace
}  // namespace tranche::node::history
