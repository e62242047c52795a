// Each call about the driver as a whole, about events and about topology answers each error code
// there is. A call that is made, and that neither this file nor faults_test.cc makes fail, fails
// the last test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "gpu/nvml/testing/faulty_nvml.h"

namespace tranche::gpu::nvml {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::IsLoss;
using testing::IsUnsupported;
using testing::kCodes;
using testing::kCutGpu;
using testing::NvmlFaultsTest;

// ---- the driver as a whole, events, topology ----

TEST_F(NvmlFaultsTest, WithoutACountThereIsNoInventory) {
  for (const Return code : kCodes) {
    injected_ = {.call = "nvmlDeviceGetCount_v2", .code = code};
    EXPECT_THAT(driver_->Enumerate().status().message(), HasSubstr("nvmlDeviceGetCount"));
    injected_.call = "";
    EXPECT_EQ(Look(), whole_) << "the next call is a new one";
  }
}

TEST_F(NvmlFaultsTest, AnInitialisationThatFailsIsTriedAgain) {
  for (const Return code : kCodes) {
    Restart();
    injected_ = {.call = "nvmlInit_v2", .code = code};
    EXPECT_EQ(driver_->Initialise().code() == base::Code::kDataLoss, code == kDriverNotLoaded);
    injected_.call = "";
    EXPECT_EQ(Look(), whole_);
  }
}

TEST_F(NvmlFaultsTest, AGpuThatCannotBeWatchedIsSaidAndTheOthersAreWatched) {
  for (const char* call : {"nvmlDeviceGetSupportedEventTypes", "nvmlDeviceRegisterEvents"}) {
    for (const Return code : kCodes) {
      injected_ = {.call = call, .code = code, .device = kCutGpu};
      const auto unwatched = driver_->WatchHealth({"GPU-0", "GPU-1", "GPU-2"});
      ASSERT_TRUE(unwatched.ok());
      ASSERT_EQ(unwatched->size(), 1U);
      EXPECT_EQ((*unwatched)[0].uuid, "GPU-1");
      EXPECT_EQ((*unwatched)[0].why.code() == base::Code::kDataLoss, IsLoss(code));
      EXPECT_EQ((*unwatched)[0].why.code() == base::Code::kUnimplemented, IsUnsupported(code));
    }
  }
}

TEST_F(NvmlFaultsTest, WithoutAnEventSetNothingIsWatched) {
  for (const Return code : kCodes) {
    injected_ = {.call = "nvmlEventSetCreate", .code = code};
    EXPECT_FALSE(driver_->WatchHealth({"GPU-0"}).ok());
    injected_.call = "nvmlEventSetFree";
    EXPECT_TRUE(driver_->WatchHealth({"GPU-0"}).ok()) << "an old set that stays is no obstacle";
  }
}

TEST_F(NvmlFaultsTest, AWaitThatFailsIsAnErrorAndOneThatDoesNotWaitToo) {
  ASSERT_TRUE(driver_->WatchHealth({"GPU-0"}).ok());
  for (const Return code : kCodes) {
    injected_ = {.call = "nvmlEventSetWait_v2", .code = code};
    EXPECT_THAT(driver_->WaitForEvents(1min).status().message(), HasSubstr("nvmlEventSetWait"));
  }
  injected_.call = "";
  for (int i = 0; i < 2000; ++i) {
    EventData other = testing::XidEvent(1, 1);
    other.type = kEventPState;
    nvml_.events.emplace_back(kSuccess, other);
  }
  EXPECT_THAT(driver_->WaitForEvents(1min).status().message(), HasSubstr("nobody asked for"));
  nvml_.events = {{kSuccess, testing::XidEvent(1, 48)}};
  EXPECT_EQ(driver_->WaitForEvents(1min)->size(), 1U);
}

TEST_F(NvmlFaultsTest, EventsThatDifferInNothingAreOneAndAnUnnamedGpuIsUnnamed) {
  ASSERT_TRUE(driver_->WatchHealth({"GPU-0"}).ok());
  for (int i = 0; i < 300; ++i) nvml_.events.emplace_back(kSuccess, testing::XidEvent(1, 94));
  EXPECT_EQ(driver_->WaitForEvents(1min)->size(), 1U);
}

TEST_F(NvmlFaultsTest, AProbeBelievesInNothingButALoss) {
  for (const Return code : kCodes) {
    injected_ = {.call = "nvmlDeviceGetMemoryInfo", .code = code};
    EXPECT_EQ(driver_->Probe("GPU-0").ok(), !IsLoss(code)) << ReturnText(code);
  }
}

TEST_F(NvmlFaultsTest, WithoutTopologyGpusAreFarApart) {
  for (const char* call : {"nvmlDeviceGetTopologyCommonAncestor", "nvmlDeviceGetNvLinkState",
                           "nvmlDeviceGetNvLinkRemotePciInfo_v2"}) {
    for (const Return code : kCodes) {
      injected_ = {.call = call, .code = code};
      const auto topology = driver_->ReadTopology(whole_);
      ASSERT_TRUE(topology.ok());
      EXPECT_EQ(topology->uuids.size(), 3U);
    }
  }
}

// ---- the table itself ----

TEST_F(NvmlFaultsTest, EveryCallThatIsMadeIsTried) {
  injected_.made.clear();
  injected_.call = "";
  Restart();
  Look();
  EXPECT_TRUE(driver_->ReadTopology(whole_).ok());
  EXPECT_TRUE(driver_->WatchHealth({"GPU-0"}).ok());
  EXPECT_TRUE(driver_->WaitForEvents(0ms).ok());
  EXPECT_TRUE(driver_->Probe("GPU-0").ok());
  driver_->Shutdown();
  const std::set<std::string> tried = {"nvmlInit_v2",
                                       "nvmlShutdown",  // whose answer nobody asks for
                                       "nvmlSystemGetDriverVersion",
                                       "nvmlSystemGetCudaDriverVersion_v2",
                                       "nvmlDeviceGetCount_v2",
                                       "nvmlDeviceGetHandleByIndex_v2",
                                       "nvmlDeviceGetUUID",
                                       "nvmlDeviceGetMinorNumber",
                                       "nvmlDeviceGetName",
                                       "nvmlDeviceGetPciInfo_v3",
                                       "nvmlDeviceGetMemoryInfo",
                                       "nvmlDeviceGetCudaComputeCapability",
                                       "nvmlDeviceGetGpuFabricInfoV",
                                       "nvmlDeviceGetMigMode",
                                       "nvmlDeviceGetMaxMigDeviceCount",
                                       "nvmlDeviceGetMigDeviceHandleByIndex",
                                       "nvmlDeviceGetAttributes_v2",
                                       "nvmlDeviceGetGpuInstanceId",
                                       "nvmlDeviceGetComputeInstanceId",
                                       "nvmlEventSetCreate",
                                       "nvmlEventSetFree",
                                       "nvmlEventSetWait_v2",
                                       "nvmlDeviceGetSupportedEventTypes",
                                       "nvmlDeviceRegisterEvents",
                                       "nvmlDeviceGetTopologyCommonAncestor",
                                       "nvmlDeviceGetNvLinkState",
                                       "nvmlDeviceGetNvLinkRemotePciInfo_v2"};
  EXPECT_EQ(injected_.made, tried);
}

}  // namespace
}  // namespace tranche::gpu::nvml
