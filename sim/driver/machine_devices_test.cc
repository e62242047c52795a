// A machine's devices: their memory, MIG, and what happens to a GPU and its contexts.
#include <gtest/gtest.h>

#include "base/file.h"
#include "sim/driver/constants.h"
#include "sim/driver/machine.h"
#include "sim/driver/testing/machine_fixture.h"
#include "sim/driver/testing/program.h"

namespace tranche::sim::driver {
namespace {

using link::Work;
using testing::kContext;
using testing::kGiB;
using testing::kMiB;
using testing::kMs;
using testing::NodeOf;
using testing::Program;

class MachineDevicesTest : public testing::MachineFixture {};

TEST_F(MachineDevicesTest, AnotherGpuIsNotShared) {
  Program a(machine, 1);
  Program b(machine, 2);
  ASSERT_EQ(a.MakeContext(0, 0).result, 0U);
  ASSERT_EQ(b.MakeContext(0, 1).result, 0U);
  for (Program* program : {&a, &b}) program->Submit(0, Work::kKernel, 10 * kMs);
  AdvanceTo(10 * kMs);
  EXPECT_EQ(a.page().streams[0].finished, 1U);
  EXPECT_EQ(b.page().streams[0].finished, 1U);
}

TEST_F(MachineDevicesTest, MemoryIsTakenByAllTogether) {
  Program a(machine, 1);
  Program b(machine, 2);
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_EQ(b.MakeContext().result, 0U);
  EXPECT_EQ(a.Reserve(12 * kGiB).result, 0U);
  EXPECT_EQ(b.Reserve(5 * kGiB).result, kOutOfMemory);
  const auto info =
      b.Ask<link::MemoryInfoAnswer>(link::MemoryInfo{.slot = 0, .gpu_instance = kWholeGpu}, 0);
  EXPECT_EQ(info.total_bytes, 16 * kGiB);
  EXPECT_EQ(info.free_bytes, 4 * kGiB - 2 * kContext);
  a.End(0);
  EXPECT_EQ(b.Reserve(5 * kGiB).result, 0U) << "what a program held is free once it has gone";
}

TEST_F(MachineDevicesTest, AContextThatDoesNotFitIsRefused) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_EQ(a.Reserve(16 * kGiB - 2 * kContext + 2 * kMiB).result, 0U);
  Program b(machine, 2);
  EXPECT_EQ(b.MakeContext().result, kOutOfMemory);
}

TEST_F(MachineDevicesTest, MemoryIsShared) {
  Program a(machine, 1);
  Program b(machine, 2);
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_EQ(b.MakeContext().result, 0U);
  const auto reserved = a.Reserve(kGiB);
  a.descriptors.emplace_back(dup(2));
  const auto shared = a.Ask<link::ShareAnswer>(link::Share{.id = reserved.id}, 0);
  ASSERT_EQ(shared.result, 0U);
  EXPECT_TRUE(a.descriptors.empty());
  const auto opened =
      b.Ask<link::OpenSharedAnswer>(link::OpenShared{.key = {shared.key[0], shared.key[1]}}, 0);
  ASSERT_EQ(opened.result, 0U);
  EXPECT_EQ(opened.bytes, kGiB);
  EXPECT_TRUE(b.given().valid());
  const auto free = [&] { return machine.devices().Find(0, kWholeGpu)->memory->Free(); };
  EXPECT_EQ(free(), 15 * kGiB - 2 * kContext) << "it is there once";
  a.End(0);
  EXPECT_EQ(free(), 15 * kGiB - kContext) << "somebody still has it";
  ASSERT_EQ(b.Ask<link::Answer>(link::Release{.id = opened.id}, 0).result, 0U);
  EXPECT_EQ(free(), 16 * kGiB - kContext);
  const auto gone =
      b.Ask<link::OpenSharedAnswer>(link::OpenShared{.key = {shared.key[0], shared.key[1]}}, 0);
  EXPECT_EQ(gone.result, kInvalidHandle);
}

TEST_F(MachineDevicesTest, OneProgramMayNotTakeAllDescriptors) {
  machine.shared().SetLimits(6, 4);
  Program a(machine, 1);
  Program b(machine, 2);
  const auto share = [](Program& program) {
    const auto reserved = program.Reserve(kMiB);
    program.descriptors.emplace_back(dup(2));
    const auto answer = program.Ask<link::ShareAnswer>(link::Share{.id = reserved.id}, 0);
    EXPECT_TRUE(program.descriptors.empty());
    return std::pair(reserved.id, answer.result);
  };
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_EQ(b.MakeContext().result, 0U);
  std::uint64_t last = 0;
  for (int i = 0; i < 4; ++i) {
    const auto [id, result] = share(a);
    EXPECT_EQ(result, 0U);
    last = id;
  }
  EXPECT_EQ(share(a).second, kOperatingSystem);
  EXPECT_EQ(share(b).second, 0U) << "another is served";
  EXPECT_EQ(share(b).second, 0U);
  EXPECT_EQ(share(b).second, kOperatingSystem) << "all together have as many as they may";
  // What has been shared already may be shared again, and what is released makes room.
  a.descriptors.emplace_back(dup(2));
  EXPECT_EQ(a.Ask<link::ShareAnswer>(link::Share{.id = last}, 0).result, 0U);
  ASSERT_EQ(a.Ask<link::Answer>(link::Release{.id = last}, 0).result, 0U);
  EXPECT_EQ(share(a).second, 0U);
  EXPECT_EQ(share(a).second, kOperatingSystem);
  a.End(0);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(share(b).second, 0U) << "it has gone";
}

TEST_F(MachineDevicesTest, AnXidWithAPidBreaksThatProgramOnly) {
  Program a(machine, 1);
  Program b(machine, 2);
  for (Program* program : {&a, &b}) {
    ASSERT_EQ(program->MakeContext().result, 0U);
    program->Submit(0, Work::kKernel, 10 * kMs);
  }
  Xid(31, 0, 1);
  EXPECT_EQ(a.page().contexts[0].error, kIllegalAddress);
  EXPECT_EQ(b.page().contexts[0].error, 0U);
  EXPECT_EQ(a.Reserve(kMiB).result, kIllegalAddress);
  a.Submit(0, Work::kKernel, 10 * kMs);  // goes nowhere
  AdvanceTo(10 * kMs);
  EXPECT_EQ(b.page().streams[0].finished, 1U) << "the other has the GPU for itself";
  Xid(43, 0, 2);
  EXPECT_EQ(b.page().contexts[0].error, kLaunchFailed);
  Xid(43, 0, 1);
  EXPECT_EQ(a.page().contexts[0].error, kIllegalAddress) << "the first error sticks";
  Xid(31, 0, 0);  // of nobody: only health cares
  Program c(machine, 3);
  EXPECT_EQ(c.MakeContext().result, 0U);
}

TEST_F(MachineDevicesTest, ALostGpuIsLostForAllUntilItReturns) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext(0, 0).result, 0U);
  const auto other = a.MakeContext(0, 1);
  NodeSnapshot node = NodeOf(2);
  node.gpus[0].lost = 1;
  machine.Follow(node, now);
  EXPECT_EQ(a.page().device_error[0], kDeviceUnavailable);
  EXPECT_EQ(a.page().device_error[1], 0U);
  EXPECT_EQ(a.page().contexts[0].error, kDeviceUnavailable);
  EXPECT_EQ(a.page().contexts[other.context].error, 0U);
  Program b(machine, 2);
  EXPECT_EQ(b.page().device_error[0], kDeviceUnavailable);
  EXPECT_EQ(b.MakeContext(0, 0).result, kDeviceUnavailable);
  machine.Follow(NodeOf(2), now);
  EXPECT_EQ(a.page().device_error[0], 0U);
  EXPECT_EQ(a.page().contexts[0].error, kDeviceUnavailable) << "that context stays broken";
  EXPECT_EQ(b.MakeContext(0, 0).result, 0U);
}

TEST_F(MachineDevicesTest, MigInstancesHaveMemoryAndTimeOfTheirOwn) {
  NodeSnapshot node = NodeOf(1);
  GpuState& gpu = node.gpus[0];
  gpu.mig_enabled = 1;
  gpu.mig_profile_count = 1;
  gpu.mig_profiles[0].memory_mib = 4096;
  gpu.mig_profiles[0].multiprocessors = 2;
  gpu.gpu_instance_count = 2;
  gpu.gpu_instances[0].id = 3;
  gpu.gpu_instances[1].id = 4;
  machine.Follow(node, 0);
  Program a(machine, 1);
  Program b(machine, 2);
  EXPECT_EQ(a.MakeContext(0, 0).result, kInvalidDevice) << "only its instances can be used";
  ASSERT_EQ(a.MakeContext(0, 0, 3).result, 0U);
  ASSERT_EQ(b.MakeContext(0, 0, 4).result, 0U);
  EXPECT_EQ(a.Reserve(5 * kGiB).result, kOutOfMemory);
  EXPECT_EQ(a.Reserve(3 * kGiB).result, 0U);
  EXPECT_EQ(b.Reserve(3 * kGiB).result, 0U);
  for (Program* program : {&a, &b}) program->Submit(0, Work::kKernel, 10 * kMs);
  AdvanceTo(10 * kMs);
  EXPECT_EQ(a.page().streams[0].finished, 1U);
  EXPECT_EQ(b.page().streams[0].finished, 1U);
  // Cut anew: instance 4 stays.
  gpu.gpu_instances[0].start = 1;
  machine.Follow(node, now);
  EXPECT_EQ(a.page().contexts[0].error, kDeviceUnavailable);
  EXPECT_EQ(b.page().contexts[0].error, 0U);
}

TEST_F(MachineDevicesTest, MemoryThatOthersHoldIsMissing) {
  NodeSnapshot node = NodeOf(1);
  node.gpus[0].memory_used = 10 * kGiB;
  node.gpus[0].process_count = 2;
  node.gpus[0].processes[0] = {.pid = 77, .memory_bytes = 2 * kGiB, .gpu_instance = kWholeGpu};
  node.gpus[0].processes[1] = {
      .pid = 78, .memory_bytes = 2 * kGiB, .gpu_instance = kWholeGpu, .by_driver = 1};
  machine.Follow(node, 0);
  EXPECT_EQ(machine.devices().Find(0, kWholeGpu)->memory->Free(), 4 * kGiB);
  node.gpus[0].memory_used = 0;
  machine.Follow(node, 0);
  EXPECT_EQ(machine.devices().Find(0, kWholeGpu)->memory->Free(), 14 * kGiB);
}

TEST_F(MachineDevicesTest, WhatALibrarySaysHasBrokenIsBroken) {
  Program a(machine, 1);
  Program b(machine, 2);
  const auto context = a.MakeContext();
  ASSERT_EQ(b.MakeContext().result, 0U);
  a.Submit(0, Work::kKernel, 10 * kMs);
  b.Submit(0, Work::kKernel, 10 * kMs);
  AdvanceTo(kMs);
  ASSERT_TRUE(a.Say(link::Fail{.context = context.context, .result = kIllegalAddress}, now));
  ASSERT_TRUE(a.Say(link::Fail{.context = context.context, .result = kLaunchFailed}, now));
  EXPECT_EQ(a.page().contexts[context.context].error, kIllegalAddress) << "the first one stays";
  EXPECT_EQ(b.page().contexts[0].error, 0U);
  AdvanceTo(12 * kMs);
  EXPECT_EQ(b.page().streams[0].finished, 1U) << "nobody computes beside it any more";
  file->Flush();
  const std::string text = base::ReadFile(folder / "log", 1 << 20).value();
  EXPECT_NE(text.find(R"("event":"error","ns":1000000,"pid":1,)"), std::string::npos) << text;
  EXPECT_EQ(text.find("\"error\""), text.rfind("\"error\"")) << text;
  // A context that is not there is none of anybody's; what no program can say ends it.
  EXPECT_TRUE(b.Say(link::Fail{.context = 63, .result = kIllegalAddress}, now));
  for (const std::uint32_t wrong : {kSuccess, kContextIsDestroyed, 1000U}) {
    EXPECT_FALSE(b.Say(link::Fail{.context = 0, .result = wrong}, now)) << wrong;
  }
}

}  // namespace
}  // namespace tranche::sim::driver
