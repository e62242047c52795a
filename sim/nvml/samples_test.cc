// Utilisation as NVML tells it, of what a driver has put into the state. Its clock goes a thousand
// times slower than ours, so that no period ends by itself while a test runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "sim/node/processes.h"
#include "sim/node/testing/nvml_fixture.h"
#include "sim/nvml/library.h"

namespace tranche::sim::nvml {
namespace {

using gpu::nvml::ProcessUtilizationSample;
using ::testing::ElementsAre;
using ::testing::Pair;

class SamplesTest : public sim::testing::NvmlFixture {
 protected:
  static constexpr std::uint64_t kPeriodUs = 1000 * kSamplePeriodNs / 1000;

  void StartWithDriver(const std::string& profile) {
    Start(profile);
    if (HasFatalFailure()) return;
    writer_ = StateWriter::Open(*StatePath(root_.path())).value();
    Change([](NodeState& state) { state.header.time_scale = 1000; });
    // A quarter of a period ago one ended.
    newest_ = RealtimeUs() - kPeriodUs / 4;
  }

  void Change(const std::function<void(NodeState&)>& change) {
    ASSERT_TRUE(writer_->TryChange(change));
  }

  // The end of the period so many before the newest.
  [[nodiscard]] std::uint64_t End(unsigned back) const { return newest_ - back * kPeriodUs; }

  void Sample(unsigned back, std::uint32_t pid, std::uint32_t percent) {
    Change([&](NodeState& state) {
      AddSample(state, 0,
                {.time_us = End(back), .pid = pid, .sm_percent = percent, .memory_percent = 1});
    });
  }

  // By pid: percent and time.
  std::map<unsigned, std::pair<unsigned, std::uint64_t>> Use(std::uint64_t last_seen) {
    std::vector<ProcessUtilizationSample> samples(kMaxProcesses);
    auto count = static_cast<unsigned>(samples.size());
    result_ = api_.nvmlDeviceGetProcessUtilization(Gpu(0), samples.data(), &count, last_seen);
    if (result_ != abi::kSuccess) count = 0;
    std::map<unsigned, std::pair<unsigned, std::uint64_t>> use;
    for (unsigned i = 0; i < count; ++i) {
      use[samples[i].pid] = {samples[i].sm_util, samples[i].time_stamp_us};
    }
    return use;
  }

  abi::Utilization Rates() {
    abi::Utilization rates{};
    EXPECT_EQ(api_.nvmlDeviceGetUtilizationRates(Gpu(0), &rates), abi::kSuccess);
    return rates;
  }

  std::unique_ptr<StateWriter> writer_;
  std::uint64_t newest_ = 0;
  Return result_ = abi::kSuccess;
};

TEST_F(SamplesTest, EachProcessOnceAveragedOverThePeriodsSinceThen) {
  StartWithDriver("a100x2");
  for (unsigned back = 6; back-- > 0;) {
    Sample(back, 11, 50);
    if (back % 2 == 1) Sample(back, 12, 30);
  }
  EXPECT_THAT(Use(0), ElementsAre(Pair(11, Pair(50, End(0))), Pair(12, Pair(15, End(1)))));
  EXPECT_THAT(Use(End(2)), ElementsAre(Pair(11, Pair(50, End(0))), Pair(12, Pair(15, End(1)))));
  EXPECT_THAT(Use(End(1)), ElementsAre(Pair(11, Pair(50, End(0)))));
  EXPECT_THAT(Use(End(3) + 1), ElementsAre(Pair(11, Pair(50, End(0))), Pair(12, Pair(10, End(1)))));
  Use(End(0));
  EXPECT_EQ(result_, abi::kNotFound);
}

// Wherever between two ends the caller's time lies, and though an end is a little off its place.
TEST_F(SamplesTest, AlwaysBusyIsAlwaysAllOfIt) {
  StartWithDriver("a100x2");
  for (unsigned back = 4; back-- > 0;) {
    Change([&](NodeState& state) {
      const std::uint64_t end = End(back) + (back % 2 == 0 ? 2000 : 0);
      AddSample(state, 0, {.time_us = end, .pid = 11, .sm_percent = 100, .memory_percent = 0});
    });
  }
  for (std::uint64_t after = End(4); after < End(0); after += kPeriodUs / 40) {
    const auto use = Use(after);
    ASSERT_EQ(use.size(), 1U);
    EXPECT_EQ(use.at(11).first, 100U) << (after - End(4)) / 1000 << " ms";
  }
}

TEST_F(SamplesTest, ProcessesThatAreGoneAreSeenUntilThen) {
  StartWithDriver("a100x2");
  Sample(9, 13, 100);
  Sample(0, 14, 20);
  EXPECT_THAT(Use(0), ElementsAre(Pair(13, Pair(10, End(9))), Pair(14, Pair(2, End(0)))));
  EXPECT_THAT(Use(End(9)), ElementsAre(Pair(14, Pair(2, End(0)))));
}

TEST_F(SamplesTest, TooLittleRoomIsAnsweredWithHowMuchItTakes) {
  StartWithDriver("a100x2");
  unsigned count = 7;
  EXPECT_EQ(api_.nvmlDeviceGetProcessUtilization(Gpu(0), nullptr, &count, 0), abi::kNotFound);
  Sample(0, 11, 50);
  Sample(0, 12, 50);
  EXPECT_EQ(api_.nvmlDeviceGetProcessUtilization(Gpu(0), nullptr, &count, 0),
            abi::kInsufficientSize);
  EXPECT_EQ(count, 2U);
  ProcessUtilizationSample one[2] = {};
  count = 1;
  EXPECT_EQ(api_.nvmlDeviceGetProcessUtilization(Gpu(0), one, &count, 0), abi::kInsufficientSize);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(one[0].pid, 0U);
  EXPECT_EQ(api_.nvmlDeviceGetProcessUtilization(Gpu(0), one, &count, 0), abi::kSuccess);
  EXPECT_EQ(one[1].pid, 12U);
  EXPECT_EQ(api_.nvmlDeviceGetProcessUtilization(Gpu(0), one, nullptr, 0), abi::kInvalidArgument);
}

TEST_F(SamplesTest, TheNewerCallSaysTheSame) {
  StartWithDriver("a100x2");
  Sample(0, 11, 50);
  abi::ProcessesUtilizationInfo info{};
  EXPECT_EQ(api_.nvmlDeviceGetProcessesUtilizationInfo(Gpu(0), &info),
            abi::kArgumentVersionMismatch);
  info.version = abi::StructVersion<abi::ProcessesUtilizationInfo>(1);
  EXPECT_EQ(api_.nvmlDeviceGetProcessesUtilizationInfo(Gpu(0), &info), abi::kInsufficientSize);
  ASSERT_EQ(info.count, 1U);
  abi::ProcessUtilizationInfo use{};
  info.samples = &use;
  EXPECT_EQ(api_.nvmlDeviceGetProcessesUtilizationInfo(Gpu(0), &info), abi::kSuccess);
  EXPECT_EQ(use.pid, 11U);
  EXPECT_EQ(use.sm_util, 50U);
  EXPECT_EQ(use.mem_util, 1U);
  info.last_seen_time_stamp_us = use.time_stamp_us;
  EXPECT_EQ(api_.nvmlDeviceGetProcessesUtilizationInfo(Gpu(0), &info), abi::kNotFound);
}

TEST_F(SamplesTest, ProcessesTogetherAreNeverBusierThanTheGpu) {
  StartWithDriver("a100x2");
  for (const unsigned back : {1U, 0U}) {
    for (const unsigned pid : {11U, 12U, 13U}) Sample(back, pid, 33 + back % 2);
  }
  const auto use = Use(0);
  ASSERT_EQ(use.size(), 3U);
  for (const auto& [pid, percent] : use) EXPECT_EQ(percent.first, 33U) << "of 33.5";
  EXPECT_EQ(Rates().gpu, 99U);
  // Those that were put there by hand count, too.
  ASSERT_TRUE(node_->AddProcess({.slot = 1}, {.pid = 21, .sm_percent = 40}).ok());
  ASSERT_TRUE(node_->AddProcess({.slot = 1}, {.pid = 22, .sm_percent = 35}).ok());
  abi::Utilization rates{};
  EXPECT_EQ(api_.nvmlDeviceGetUtilizationRates(Gpu(1), &rates), abi::kSuccess);
  EXPECT_EQ(rates.gpu, 75U);
}

TEST_F(SamplesTest, NotOfAGpuThatMigHasCut) {
  StartWithDriver("a100-mig-uniform");
  Sample(0, 11, 50);
  unsigned count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetProcessUtilization(Gpu(0), nullptr, &count, 0), abi::kNotSupported);
  abi::Utilization rates{};
  EXPECT_EQ(api_.nvmlDeviceGetUtilizationRates(Gpu(0), &rates), abi::kNotSupported);
  abi::ValueType type{};
  EXPECT_EQ(
      api_.nvmlDeviceGetSamples(Gpu(0), abi::kSampleGpuUtilization, 0, &type, &count, nullptr),
      abi::kNotSupported);
  EXPECT_EQ(api_.nvmlDeviceGetSamples(Gpu(0), abi::kSamplePower, 0, &type, &count, nullptr),
            abi::kSuccess);
}

TEST_F(SamplesTest, AProcessPutThereByHandHasASampleInEveryPeriod) {
  StartWithDriver("a100x2");
  ASSERT_TRUE(node_->AddProcess({.slot = 0}, {.pid = 21, .sm_percent = 40}).ok());
  ASSERT_TRUE(node_->AddProcess({.slot = 0}, {.pid = 22, .sm_percent = 0}).ok());
  const auto use = Use(0);
  ASSERT_EQ(use.size(), 1U) << "one that does nothing has none";
  EXPECT_EQ(use.at(21).first, 40U);
  EXPECT_LE(use.at(21).second, RealtimeUs());
  Use(use.at(21).second);
  EXPECT_EQ(result_, abi::kNotFound) << "the next period is not over yet";
}

TEST_F(SamplesTest, TheGpuIsAsBusyAsItsProcessesInTheLastPeriod) {
  StartWithDriver("a100x2");
  EXPECT_EQ(Rates().gpu, 0U);
  Sample(1, 11, 90);
  Sample(0, 11, 30);
  Sample(0, 12, 25);
  EXPECT_EQ(Rates().gpu, 55U);
  EXPECT_EQ(Rates().memory, 2U);
  unsigned power = 0;
  ASSERT_EQ(api_.nvmlDeviceGetPowerUsage(Gpu(0), &power), abi::kSuccess);
  const GpuState gpu = node_->Read().gpus[0];
  EXPECT_GT(power, gpu.power_milliwatts);
  ASSERT_TRUE(node_->SetReadings(0, {.utilization_percent = 60}).ok());
  EXPECT_EQ(Rates().gpu, 100U) << "what is set by hand adds to it, up to all of it";
}

TEST_F(SamplesTest, AnIdleGpuIsNotBusyAnyLonger) {
  StartWithDriver("a100x2");
  Sample(3, 11, 90);
  EXPECT_EQ(Rates().gpu, 0U);
}

TEST_F(SamplesTest, PeriodsOfTheGpuWithThoseInWhichNothingComputed) {
  StartWithDriver("a100x2");
  Sample(3, 11, 80);
  Sample(1, 11, 20);
  Sample(1, 12, 30);
  Sample(0, 11, 10);
  abi::ValueType type{};
  unsigned count = 0;
  ASSERT_EQ(
      api_.nvmlDeviceGetSamples(Gpu(0), abi::kSampleGpuUtilization, End(4), &type, &count, nullptr),
      abi::kSuccess);
  EXPECT_EQ(count, 4U);
  EXPECT_EQ(type, abi::kValueUnsigned);
  std::vector<abi::Sample> samples(8);
  count = 8;
  ASSERT_EQ(api_.nvmlDeviceGetSamples(Gpu(0), abi::kSampleGpuUtilization, End(4), &type, &count,
                                      samples.data()),
            abi::kSuccess);
  ASSERT_EQ(count, 4U);
  EXPECT_EQ(samples[0].value.ui, 80U);
  EXPECT_EQ(samples[1].value.ui, 0U);
  EXPECT_EQ(samples[2].value.ui, 50U);
  EXPECT_EQ(samples[3].value.ui, 10U);
  count = 1;
  ASSERT_EQ(api_.nvmlDeviceGetSamples(Gpu(0), abi::kSampleGpuUtilization, End(4), &type, &count,
                                      samples.data()),
            abi::kSuccess);
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(samples[0].value.ui, 80U) << "the oldest first, the others by the next call";
  EXPECT_EQ(
      api_.nvmlDeviceGetSamples(Gpu(0), abi::kSampleGpuUtilization, End(0), &type, &count, nullptr),
      abi::kNotFound);
  count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetSamples(Gpu(0), abi::kSampleGpuUtilization, 0, &type, &count,
                                      samples.data()),
            abi::kInvalidArgument);
}

TEST_F(SamplesTest, TheRingForgetsTheOldest) {
  StartWithDriver("a100x2");
  Sample(1, 10, 100);
  for (unsigned pid = 1000; pid < 1000 + kMaxSamples; ++pid) Sample(0, pid, 100);
  const auto reader = StateReader::Open(*StatePath(root_.path()));
  const auto samples = reader->SamplesFrom(0, 0);
  EXPECT_EQ(samples.size(), kMaxSamples);
  EXPECT_EQ(samples.front().pid, 1000U);
  EXPECT_TRUE(reader->SamplesFrom(0, End(0)).empty());
  EXPECT_TRUE(reader->SamplesFrom(1, 0).empty());
  EXPECT_TRUE(reader->SamplesFrom(kMaxGpus, 0).empty());
}

}  // namespace
}  // namespace tranche::sim::nvml
