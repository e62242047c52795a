// Pods on a stage whose simulated GPUs are served: what they use of them is seen by everybody.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/testing/places.h"
#include "sim/stage/stage.h"

namespace tranche::process {
namespace {

class GpuTest : public ::testing::Test {
 protected:
  GpuTest() {
    setenv("TRANCHE_SIM_HOME", base::testing::kSimHome, 1);
    base::ConfigureLog(base::LogLevel::kError, base::LogFormat::kText);
    loop_ = base::NewEpollLoop().value();
    auto stage =
        sim::Stage::Set(*loop_, {.node = "a100x2", .force = true, .driver = Program("tranche")});
    TRANCHE_CHECK(stage.ok());
    stage_ = std::move(*stage);
  }

  static std::string Program(const std::string& name) {
    return std::string(base::testing::kProgramDir) + "/" + name;
  }
  // Holds 60 GiB of GPU 0 and computes, until it is ended.
  pid_t StartHolder(const std::string& log) {
    const auto pid = stage_->StartProgram(
        {.path = Program("tranche"),
         .arguments = {"tranche", "sim", "workload", "steady", "--root", stage_->driver_root(),
                       "--memory", "60Gi", "--for", "10m"},
         .log = log});
    TRANCHE_CHECK(pid.ok());
    return *pid;
  }
  [[nodiscard]] sim::GpuState Gpu() const { return stage_->node()->Read().gpus[0]; }
  [[nodiscard]] bool Holds(pid_t pid) const {
    const sim::GpuState gpu = Gpu();
    for (unsigned i = 0; i < gpu.process_count; ++i) {
      if (gpu.processes[i].pid == static_cast<std::uint32_t>(pid) &&
          gpu.processes[i].memory_bytes > std::uint64_t{60} << 30U) {
        return true;
      }
    }
    return false;
  }

  std::unique_ptr<base::EventLoop> loop_;
  std::unique_ptr<sim::Stage> stage_;
};

TEST_F(GpuTest, OneProgramsMemoryIsMissingForTheNextUntilItIsKilled) {
  const pid_t first = StartHolder("first.log");
  ASSERT_TRUE(stage_->Until([&] { return Holds(first); }));
  const pid_t second = StartHolder("second.log");
  ASSERT_TRUE(stage_->Until([&] { return !stage_->Runs(second); })) << "it has no memory to run";
  EXPECT_NE(stage_->LogTail("second.log", 20), std::vector<std::string>());
  EXPECT_TRUE(stage_->Until([&] { return Gpu().process_count == 1; }));
  stage_->StopProgram(first, SIGKILL);
  ASSERT_TRUE(stage_->Until([&] { return Gpu().process_count == 0; }));
  const pid_t third = StartHolder("third.log");
  EXPECT_TRUE(stage_->Until([&] { return Holds(third); }));
}

TEST_F(GpuTest, ADriverThatDiesTakesItsProgramsAlongAndMayComeAgain) {
  const pid_t first = StartHolder("first.log");
  ASSERT_TRUE(stage_->Until([&] { return Holds(first); }));
  stage_->StopProgram(stage_->driver(), SIGKILL);
  ASSERT_TRUE(stage_->Until([&] { return stage_->node()->Read().header.driver_died == 1; }));
  EXPECT_EQ(Gpu().process_count, 0U);
  EXPECT_TRUE(stage_->Until([&] { return !stage_->Runs(first); })) << "its GPU is unavailable";
  ASSERT_TRUE(stage_->StartDriver(Program("tranche")).ok());
  const pid_t second = StartHolder("second.log");
  EXPECT_TRUE(stage_->Until([&] { return Holds(second); }));
}

}  // namespace
}  // namespace tranche::process
