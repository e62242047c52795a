#include "agent/gpu_news.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace tranche::agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class GpuNewsTest : public ::testing::Test {
 protected:
  std::vector<std::string> Raised() {
    news_.RaiseNew(driver_, gpus_);
    return std::exchange(raised_, {});
  }
  static gpu::GpuState Gpu(const std::string& uuid, const std::string& index) {
    gpu::GpuState gpu;
    gpu.uuid = uuid;
    gpu.index = index;
    return gpu;
  }

  std::vector<std::string> raised_;
  GpuNews news_{[this](daemon::EventType type, daemon::Reason reason, const std::string& message) {
    raised_.push_back(std::string(daemon::TypeName(type)) + " " + std::string(reason.name()) +
                      ": " + message);
  }};
  gpu::DriverState driver_{.ready = true};
  std::vector<gpu::GpuState> gpus_ = {Gpu("GPU-0", "0"), Gpu("", "1")};
};

TEST_F(GpuNewsTest, WhenAllIsWellThereIsNone) { EXPECT_THAT(Raised(), IsEmpty()); }

TEST_F(GpuNewsTest, AGpuThatIsLeftOutIsToldOnceAndWhenItIsBack) {
  gpus_[1].error = "nvmlDeviceGetHandleByIndex: unknown error (999)";
  EXPECT_THAT(Raised(), ElementsAre("Warning GpuLeftOut: GPU 1 is not advertised: "
                                    "nvmlDeviceGetHandleByIndex: unknown error (999)"));
  EXPECT_THAT(Raised(), IsEmpty());
  gpus_[1].error = "another";
  EXPECT_THAT(Raised(), ElementsAre(HasSubstr("another")));
  gpus_[1].error = "";
  EXPECT_THAT(Raised(), ElementsAre("Normal GpuLeftOut: GPU 1 is no longer left out"));
}

TEST_F(GpuNewsTest, WhatIsNotToldOfAGpuIsOneEvent) {
  gpus_[0].warnings = {"no memory; do this", "no model; do that"};
  EXPECT_THAT(Raised(),
              ElementsAre("Warning GpuPartlyKnown: GPU 0 (GPU-0) is told of only in part: "
                          "no memory; do this. no model; do that"));
  EXPECT_THAT(Raised(), IsEmpty());
  driver_.warnings = {"waiting for GPU events fails"};
  EXPECT_THAT(Raised(), ElementsAre(HasSubstr("the driver fails in part")));
}

TEST_F(GpuNewsTest, ADriverWithoutAUsableGpuIsTold) {
  driver_.error = "it lists no GPU";
  EXPECT_THAT(Raised(),
              ElementsAre("Warning NoUsableGpu: the driver answers, but it lists no GPU"));
  driver_.error = "";
  EXPECT_THAT(Raised(), ElementsAre(StartsWith("Normal NoUsableGpu")));
  driver_ = {.ready = false, .error = "not loaded"};
  EXPECT_THAT(Raised(), IsEmpty()) << "DriverNotReady is the news of that";
}

TEST_F(GpuNewsTest, ACallThatHangsIsToldOnceAndWhenItReturns) {
  driver_.stuck_call = "Initialise";
  driver_.stuck_seconds = kStuckIsNewsSeconds - 1;
  EXPECT_THAT(Raised(), IsEmpty());
  driver_.stuck_seconds = kStuckIsNewsSeconds;
  EXPECT_THAT(Raised(),
              ElementsAre(AllOf(StartsWith("Warning DriverStuck"), HasSubstr("Initialise"))));
  driver_.stuck_seconds = 1000;
  EXPECT_THAT(Raised(), IsEmpty());
  driver_ = {.ready = true};
  EXPECT_THAT(Raised(), ElementsAre(StartsWith("Normal DriverStuck")));
}

}  // namespace
}  // namespace tranche::agent
