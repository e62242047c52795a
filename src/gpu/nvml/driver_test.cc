#include "gpu/nvml/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <utility>

#include "gpu/nvml/testing/driver_fixture.h"

namespace tranche::gpu::nvml {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using testing::MakeTable;
using testing::NvmlDriverTest;
using ::testing::SizeIs;
using testing::XidEvent;

TEST_F(NvmlDriverTest, OldDriversHaveOlderNames) {
  Table table = MakeTable();
  table.nvmlInit = std::exchange(table.nvmlInit_v2, nullptr);
  table.nvmlDeviceGetCount = std::exchange(table.nvmlDeviceGetCount_v2, nullptr);
  table.nvmlDeviceGetHandleByIndex = std::exchange(table.nvmlDeviceGetHandleByIndex_v2, nullptr);
  table.nvmlDeviceGetPciInfo_v2 = std::exchange(table.nvmlDeviceGetPciInfo_v3, nullptr);
  table.nvmlEventSetWait = std::exchange(table.nvmlEventSetWait_v2, nullptr);
  table.nvmlDeviceGetMigMode = nullptr;
  driver_ = NewNvmlDriverOn(table, {.driver_root = "", .sys_root = root_.path()});
  const Inventory inventory = Enumerate();
  EXPECT_THAT(Uuids(inventory), SizeIs(4));
  EXPECT_FALSE(inventory.gpus[0].mig_capable);
  EXPECT_TRUE(Driver().WatchHealth(Uuids(inventory)).ok());
  nvml_.events = {{nvml::kSuccess, XidEvent(1, 48)}};
  EXPECT_THAT(*Driver().WaitForEvents(0ms), SizeIs(1));
}

TEST_F(NvmlDriverTest, ALibraryWithNothingInItIsAnError) {
  driver_ = NewNvmlDriverOn(Table{}, {});
  EXPECT_EQ(driver_->Initialise().code(), base::Code::kUnavailable);
  EXPECT_FALSE(driver_->Enumerate().ok());
  EXPECT_FALSE(driver_->WatchHealth({"GPU-0"}).ok());
  EXPECT_FALSE(driver_->WaitForEvents(0ms).ok());
  EXPECT_FALSE(driver_->Probe("GPU-0").ok());
  Table only_init;
  only_init.nvmlInit_v2 = MakeTable().nvmlInit_v2;
  driver_ = NewNvmlDriverOn(only_init, {});
  EXPECT_TRUE(driver_->Initialise().ok());
  EXPECT_EQ(driver_->Enumerate().status().code(), base::Code::kUnimplemented);
}

TEST_F(NvmlDriverTest, ADriverThatIsNotReadyIsTriedAgain) {
  nvml_.init = nvml::kDriverNotLoaded;
  driver_ = NewNvmlDriverOn(MakeTable(), {});
  EXPECT_EQ(driver_->Initialise().code(), base::Code::kUnavailable);
  nvml_.init = nvml::kSuccess;
  EXPECT_TRUE(driver_->Initialise().ok());
  EXPECT_TRUE(driver_->Initialise().ok());
  EXPECT_EQ(nvml_.inits, 2);
  EXPECT_EQ(nvml_.shutdowns, 0);
  driver_->Shutdown();
  EXPECT_EQ(nvml_.shutdowns, 1);
}

TEST_F(NvmlDriverTest, ProbesTellLostFromAnythingElse) {
  Enumerate();
  EXPECT_TRUE(Driver().Probe("GPU-1").ok());
  nvml_.gpus[1].fails = {{"Memory", nvml::kGpuIsLost}};
  EXPECT_EQ(Driver().Probe("GPU-1").code(), base::Code::kDataLoss);
  nvml_.gpus[1].fails = {{"Memory", nvml::kNotSupported}};
  EXPECT_TRUE(Driver().Probe("GPU-1").ok());
  EXPECT_EQ(Driver().Probe("GPU-9").code(), base::Code::kNotFound);
}

TEST_F(NvmlDriverTest, WatchesXidsOnly) {
  nvml_.supported = 0xFF;
  const Inventory inventory = Enumerate();
  const auto unwatched = Driver().WatchHealth(Uuids(inventory));
  ASSERT_TRUE(unwatched.ok());
  EXPECT_THAT(*unwatched, IsEmpty());
  ASSERT_THAT(nvml_.registered, SizeIs(4));
  EXPECT_EQ(nvml_.registered[0], std::pair(1, kEventXidCritical));
}

TEST_F(NvmlDriverTest, WhatCannotBeWatchedIsSaid) {
  const Inventory inventory = Enumerate();
  nvml_.gpus[0].fails = {{"Supported", nvml::kNotSupported}};
  nvml_.gpus[1].fails = {{"Register", nvml::kGpuIsLost}};
  const auto unwatched = Driver().WatchHealth({"GPU-0", "GPU-1", "GPU-2", "GPU-9"});
  ASSERT_TRUE(unwatched.ok());
  ASSERT_THAT(*unwatched, SizeIs(3));
  EXPECT_EQ((*unwatched)[0].why.code(), base::Code::kUnimplemented);
  EXPECT_EQ((*unwatched)[1].why.code(), base::Code::kDataLoss);
  EXPECT_EQ((*unwatched)[2].uuid, "GPU-9");
  nvml_.supported = 0;
  EXPECT_EQ((*Driver().WatchHealth({"GPU-2"}))[0].why.code(), base::Code::kUnimplemented);
}

TEST_F(NvmlDriverTest, EventsCarryTheGpuAndTheInstance) {
  EXPECT_TRUE(Driver().WatchHealth(Uuids(Enumerate())).ok());
  EventData ecc = XidEvent(1, 1);
  ecc.type = kEventDoubleBitEcc;
  nvml_.events = {{nvml::kSuccess, XidEvent(2, 48)},
                  {nvml::kSuccess, ecc},
                  {nvml::kSuccess, XidEvent(3, 94, 5, 1)}};
  const auto events = Driver().WaitForEvents(100ms);
  ASSERT_TRUE(events.ok());
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ((*events)[0].uuid, "GPU-1");
  EXPECT_EQ((*events)[0].xid, 48U);
  EXPECT_EQ((*events)[0].gpu_instance, std::nullopt);
  EXPECT_EQ((*events)[1].uuid, "GPU-2");
  EXPECT_EQ((*events)[1].gpu_instance, 5U);
  EXPECT_EQ((*events)[1].compute_instance, 1U);
  EXPECT_THAT(*Driver().WaitForEvents(0ms), IsEmpty());
}

TEST_F(NvmlDriverTest, AFailingWaitIsAnErrorOnceWhatWasThereIsTold) {
  EXPECT_TRUE(Driver().WatchHealth(Uuids(Enumerate())).ok());
  nvml_.events = {
      {nvml::kSuccess, XidEvent(1, 79)}, {nvml::kGpuIsLost, {}}, {nvml::kGpuIsLost, {}}};
  EXPECT_THAT(*Driver().WaitForEvents(100ms), SizeIs(1));
  EXPECT_EQ(Driver().WaitForEvents(100ms).status().code(), base::Code::kDataLoss);
}

TEST_F(NvmlDriverTest, EventSetsAreFreedBeforeTheLibrary) {
  EXPECT_TRUE(Driver().WatchHealth(Uuids(Enumerate())).ok());
  EXPECT_TRUE(Driver().WatchHealth({"GPU-0"}).ok());
  EXPECT_EQ(nvml_.sets, 1);
  driver_->Shutdown();
  EXPECT_EQ(nvml_.sets, 0);
  EXPECT_EQ(nvml_.shutdowns, 1);
  EXPECT_EQ(driver_->WaitForEvents(0ms).status().code(), base::Code::kFailedPrecondition);
}

}  // namespace
}  // namespace tranche::gpu::nvml
