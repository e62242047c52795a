#include "cli/sim/node_show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::sim {
namespace {

using ::testing::HasSubstr;

TEST(NodeShowTest, TellsOfFaultsMigDevicesAndTheDriver) {
  tranche::sim::NodeSnapshot node;
  node.gpus.resize(1);
  node.header.slot_count = 1;
  tranche::sim::GpuState& gpu = node.gpus[0];
  gpu.present = gpu.mig_capable = gpu.mig_enabled = 1;
  gpu.gpu_instance_count = 1;
  gpu.gpu_instances[0].compute_instance_count = 1;
  tranche::sim::SetText(gpu.mig_profiles[0].name, "1g.10gb");
  node.header.driver_died = 1;
  node.header.fault_count = 2;
  tranche::sim::SetText(node.header.faults[0].call, "nvmlDeviceGetMemoryInfo");
  tranche::sim::SetText(node.header.faults[1].call, "cuMemAlloc");
  node.header.faults[1].hang = 1;
  const std::string text = SimNodeText(node, common::Color::kOff);
  EXPECT_THAT(text, HasSubstr("nvmlDeviceGetMemoryInfo fails\n"));
  EXPECT_THAT(text, HasSubstr("cuMemAlloc hangs\n"));
  EXPECT_THAT(text, HasSubstr("1g.10gb"));
  EXPECT_THAT(text, HasSubstr("its driver died"));
  node.header.driver_pid = 4711;
  EXPECT_THAT(SimNodeText(node, common::Color::kOff), HasSubstr("its driver is process 4711"));
}

TEST(NodeShowTest, AGpuIsAsBusyAsItsProcesses) {
  tranche::sim::NodeSnapshot node;
  node.gpus.resize(1);
  node.header.slot_count = 1;
  tranche::sim::GpuState& gpu = node.gpus[0];
  gpu.present = 1;
  gpu.gpu_percent = 10;
  EXPECT_THAT(SimNodeText(node, common::Color::kOff), HasSubstr(" 10 % "));
  gpu.process_count = 3;
  gpu.processes[0] = {.pid = 1, .sm_percent = 30};
  gpu.processes[1] = {.pid = 2, .sm_percent = 19, .by_driver = 1};
  gpu.processes[2] = {.pid = 3, .sm_percent = 20, .by_driver = 1};
  EXPECT_THAT(SimNodeText(node, common::Color::kOff), HasSubstr(" 69 % "));
  gpu.processes[2].sm_percent = 100;
  EXPECT_THAT(SimNodeText(node, common::Color::kOff), HasSubstr(" 100 % "));
}

}  // namespace
}  // namespace tranche::cli::sim
