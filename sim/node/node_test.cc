// The node and its libnvidia-ml.so.1 together, the library opened as a program would open it.
#include "sim/node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "sim/node/testing/nvml_fixture.h"

namespace tranche::sim {
namespace {

namespace nvml = gpu::nvml;
using base::Code;
using base::Result;

class NodeTest : public testing::NvmlFixture {};

TEST_F(NodeTest, RootHoldsWhatRealToolsLookFor) {
  Create("a100-mig-uniform");
  for (const char* path :
       {"/usr/lib/x86_64-linux-gnu/libcuda.so.570.172.08", "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so", "/usr/bin/nvidia-smi", "/dev/nvidia0",
        "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-caps/nvidia-cap1",
        "/proc/driver/nvidia-caps/mig-minors", "/proc/driver/nvidia/gpus/0000:07:00.0/information",
        "/sys/bus/pci/devices/0000:07:00.0/numa_node"}) {
    EXPECT_TRUE(base::Exists(root_.path() + path)) << path;
  }
  EXPECT_EQ(*base::ReadFile(root_ / "sys/bus/pci/devices/0000:07:00.0/numa_node", 100), "0\n");
  EXPECT_THAT(*base::ReadFile(root_ / "proc/driver/nvidia-caps/mig-minors", 1 << 20),
              ::testing::HasSubstr("gpu0/gi7/ci0/access 67\n"));
  EXPECT_EQ(CreateNode(home_, NodeProfile{}, root_.path()).status().code(), Code::kAlreadyExists);
}

TEST_F(NodeTest, CallsBeforeInitAndAfterShutdownAreRefused) {
  Create("t4");
  Load();
  unsigned count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kUninitialized);
  EXPECT_EQ(api_.nvmlShutdown(), nvml::kSuccess);  // as the real one before its first use
  ASSERT_EQ(api_.nvmlInit_v2(), nvml::kSuccess);
  ASSERT_EQ(api_.nvmlInit_v2(), nvml::kSuccess);  // counted
  EXPECT_EQ(api_.nvmlShutdown(), nvml::kSuccess);
  EXPECT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kSuccess);
  EXPECT_EQ(api_.nvmlShutdown(), nvml::kSuccess);
  EXPECT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kUninitialized);
  EXPECT_EQ(api_.nvmlShutdown(), nvml::kUninitialized);
}

TEST_F(NodeTest, BadArgumentsAreRefusedNotFollowed) {
  Start("a100x2");
  char text[8];
  unsigned number = 0;
  EXPECT_EQ(api_.nvmlDeviceGetName(Gpu(0), text, sizeof text), nvml::kInsufficientSize);
  EXPECT_EQ(api_.nvmlDeviceGetName(Gpu(0), nullptr, 96), nvml::kInvalidArgument);
  EXPECT_EQ(api_.nvmlDeviceGetMinorNumber(nullptr, &number), nvml::kInvalidArgument);
  auto* wild = reinterpret_cast<nvml::Device>(0x1234);
  EXPECT_EQ(api_.nvmlDeviceGetMinorNumber(wild, &number), nvml::kInvalidArgument);
  auto* inside = reinterpret_cast<nvml::Device>(reinterpret_cast<char*>(Gpu(0)) + 1);
  EXPECT_EQ(api_.nvmlDeviceGetMinorNumber(inside, &number), nvml::kInvalidArgument);
  EXPECT_EQ(api_.nvmlDeviceGetCount_v2(nullptr), nvml::kInvalidArgument);
  nvml::Device device = nullptr;
  EXPECT_EQ(api_.nvmlDeviceGetHandleByUUID("GPU-none", &device), nvml::kNotFound);
  EXPECT_EQ(api_.nvmlDeviceGetHandleByUUID(nullptr, &device), nvml::kInvalidArgument);
  nvml::MemoryV2 memory{};
  EXPECT_EQ(api_.nvmlDeviceGetMemoryInfo_v2(Gpu(0), &memory), nvml::kArgumentVersionMismatch);
}

TEST_F(NodeTest, ProcessListsReportTheRoomTheyNeed) {
  Start("a100x2");
  for (const std::uint32_t pid : {11U, 12U, 13U}) {
    ASSERT_TRUE(node_->AddProcess({.slot = 0}, {.pid = pid, .memory_bytes = 1 << 20}).ok());
  }
  unsigned count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetComputeRunningProcesses_v3(Gpu(0), &count, nullptr),
            nvml::kInsufficientSize);
  EXPECT_EQ(count, 3U);
  nvml::ProcessInfo infos[3] = {};
  infos[2].pid = 99;
  count = 2;
  EXPECT_EQ(api_.nvmlDeviceGetComputeRunningProcesses_v3(Gpu(0), &count, infos),
            nvml::kInsufficientSize);
  EXPECT_EQ(infos[2].pid, 99U) << "wrote past the caller's array";
  count = 3;
  EXPECT_EQ(api_.nvmlDeviceGetComputeRunningProcesses_v3(Gpu(0), &count, infos), nvml::kSuccess);
  EXPECT_EQ(infos[2].pid, 13U);
  nvml::Memory memory{};
  ASSERT_EQ(api_.nvmlDeviceGetMemoryInfo(Gpu(0), &memory), nvml::kSuccess);
  EXPECT_EQ(memory.used, (671ULL + 3) << 20);
}

TEST_F(NodeTest, EventsReachAWaiterAtOnceAndOnlyRegisteredGpus) {
  Start("a100x2");
  nvml::EventSet set = nullptr;
  ASSERT_EQ(api_.nvmlEventSetCreate(&set), nvml::kSuccess);
  ASSERT_EQ(api_.nvmlDeviceRegisterEvents(Gpu(1), nvml::kEventXidCritical, set), nvml::kSuccess);
  ASSERT_TRUE(node_->RaiseXid({.slot = 0}, 48).ok());
  ASSERT_TRUE(node_->RaiseXid({.slot = 1, .gpu_instance = 7, .compute_instance = 0}, 94).ok());
  nvml::EventData data{};
  ASSERT_EQ(api_.nvmlEventSetWait_v2(set, &data, 5000), nvml::kSuccess);
  EXPECT_EQ(data.device, Gpu(1));
  EXPECT_EQ(data.data, 94U);
  EXPECT_EQ(data.gpu_instance_id, 7U);
  EXPECT_EQ(api_.nvmlEventSetWait_v2(set, &data, 0), nvml::kTimeout);
  std::atomic<nvml::Return> result = nvml::kUnknown;
  std::thread waiter([&] { result = api_.nvmlEventSetWait_v2(set, &data, 10'000); });
  ASSERT_TRUE(node_->RaiseXid({.slot = 1}, 63).ok());
  waiter.join();
  EXPECT_EQ(result, nvml::kSuccess);
  EXPECT_EQ(data.data, 63U);
  EXPECT_EQ(api_.nvmlEventSetFree(set), nvml::kSuccess);
  EXPECT_EQ(api_.nvmlEventSetWait_v2(set, &data, 0), nvml::kInvalidArgument);
}

TEST_F(NodeTest, AnXidOfAProcessThatIsNotThereIsRefusedAndIsNoEvent) {
  Start("a100x2");
  const std::uint64_t before = node_->Read().header.last_event;
  EXPECT_EQ(node_->RaiseXid({.slot = 0}, 31, 4711).code(), base::Code::kNotFound);
  EXPECT_EQ(node_->Read().header.last_event, before);
  ASSERT_TRUE(node_->AddProcess({.slot = 0}, {.pid = 4711}).ok());
  EXPECT_TRUE(node_->RaiseXid({.slot = 0}, 31, 4711).ok());
  EXPECT_EQ(node_->Read().header.last_event, before + 1);
  EXPECT_EQ(node_->RaiseXid({.slot = 1}, 31, 4711).code(), base::Code::kNotFound);
}

TEST_F(NodeTest, MoreEventsThanTheRingHoldsLoseTheOldestOnly) {
  Start("t4");
  nvml::EventSet set = nullptr;
  ASSERT_EQ(api_.nvmlEventSetCreate(&set), nvml::kSuccess);
  ASSERT_EQ(api_.nvmlDeviceRegisterEvents(Gpu(0), nvml::kEventXidCritical, set), nvml::kSuccess);
  for (std::uint64_t xid = 1; xid <= kMaxEvents + 5; ++xid) {
    ASSERT_TRUE(node_->RaiseXid({.slot = 0}, xid).ok());
  }
  nvml::EventData data{};
  ASSERT_EQ(api_.nvmlEventSetWait_v2(set, &data, 0), nvml::kSuccess);
  EXPECT_EQ(data.data, 6U);
}

TEST_F(NodeTest, HangLastsUntilHealedAndBlocksNothingElse) {
  Start("a100x2");
  const nvml::Device gpu = Gpu(0);
  ASSERT_TRUE(node_->Break({.call = "nvmlDeviceGetUtilizationRates", .hang = true}).ok());
  std::atomic<bool> done = false;
  std::thread stuck([&] {
    nvml::Utilization utilization{};
    EXPECT_EQ(api_.nvmlDeviceGetUtilizationRates(gpu, &utilization), nvml::kSuccess);
    done = true;
  });
  unsigned count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kSuccess);
  EXPECT_FALSE(done);
  ASSERT_TRUE(node_->Heal("nvmlDeviceGetUtilizationRates").ok());
  stuck.join();
  EXPECT_TRUE(done);
}

TEST_F(NodeTest, GpuPluggedInIsSeenAfterInit) {
  Start("t4");
  Result<std::string> uuid = node_->Plug(home_, "h100x8/3");
  ASSERT_TRUE(uuid.ok()) << uuid.status().message();
  EXPECT_EQ(node_->Plug(home_, "h100x8/3").status().code(), Code::kAlreadyExists);
  unsigned count = 0;
  ASSERT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kSuccess);
  EXPECT_EQ(count, 1U);
  ASSERT_EQ(api_.nvmlShutdown(), nvml::kSuccess);
  ASSERT_EQ(api_.nvmlInit_v2(), nvml::kSuccess);
  ASSERT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kSuccess);
  EXPECT_EQ(count, 2U);
  nvml::Device device = nullptr;
  EXPECT_EQ(api_.nvmlDeviceGetHandleByUUID(uuid->c_str(), &device), nvml::kSuccess);
}

TEST_F(NodeTest, OnlyGpusWithDeviceNodesWhereAskedFor) {
  Create("a100x2");
  ASSERT_TRUE(node_->ShowOnlyDeviceNodes(true).ok());
  Load();
  ASSERT_EQ(api_.nvmlInit_v2(), nvml::kSuccess);
  unsigned count = 0;
  ASSERT_EQ(api_.nvmlDeviceGetCount_v2(&count), nvml::kSuccess);
  unsigned here = 0;
  for (const char* path : {"/dev/nvidia0", "/dev/nvidia1"}) here += base::Exists(path) ? 1 : 0;
  EXPECT_EQ(count, here);
}

TEST_F(NodeTest, ReadersNeverSeeHalfAChange) {
  Start("a100x2");
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    Result<std::unique_ptr<Node>> own = Node::Open(root_.path());
    for (unsigned i = 0; !stop; i = (i + 1) % 100) {
      (void)(*own)->SetReadings(0, {.utilization_percent = i,
                                    .memory_utilization_percent = i,
                                    .memory_used_bytes = std::nullopt,
                                    .temperature_celsius = std::nullopt,
                                    .power_milliwatts = std::nullopt});
    }
  });
  const nvml::Device gpu = Gpu(0);
  for (int i = 0; i < 2000; ++i) {
    nvml::Utilization utilization{};
    ASSERT_EQ(api_.nvmlDeviceGetUtilizationRates(gpu, &utilization), nvml::kSuccess);
    ASSERT_EQ(utilization.gpu, utilization.memory);
  }
  stop = true;
  writer.join();
}

TEST_F(NodeTest, ChangesThatMakeNoSenseAreRefused) {
  Create("a100x2");
  EXPECT_EQ(node_->Find("7").status().code(), Code::kNotFound);
  EXPECT_EQ(node_->Find("0:0").status().code(), Code::kNotFound);
  EXPECT_EQ(node_
                ->SetReadings(0, {.utilization_percent = 101,
                                  .memory_utilization_percent = std::nullopt,
                                  .memory_used_bytes = std::nullopt,
                                  .temperature_celsius = std::nullopt,
                                  .power_milliwatts = std::nullopt})
                .code(),
            Code::kInvalidArgument);
  EXPECT_EQ(node_->RemoveProcess(0, 1).code(), Code::kNotFound);
  ASSERT_TRUE(node_->AddProcess({.slot = 0}, {.pid = 1}).ok());
  EXPECT_EQ(node_->SetMig(0, "1g.10gb").code(), Code::kFailedPrecondition);
  EXPECT_EQ(Node::Open("/nonexistent").status().code(), Code::kNotFound);
}

TEST_F(NodeTest, StateOfAnotherLayoutIsRefused) {
  Create("t4");
  const std::string path = *StatePath(root_.path());
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offsetof(NodeHeader, layout_version));
    file.put(127);
  }
  EXPECT_EQ(StateReader::Open(path), nullptr);
  EXPECT_EQ(Node::Open(root_.path()).status().code(), Code::kFailedPrecondition);
  Load();
  EXPECT_EQ(api_.nvmlInit_v2(), nvml::kDriverNotLoaded);
}

// Its number is then 1, as while the first write is under way; what is there is read all the same.
TEST_F(NodeTest, AWriterThatDiedInItsFirstWriteIsWaitedForAndNoMore) {
  Create("t4");
  const std::string path = *StatePath(root_.path());
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offsetof(NodeHeader, sequence));
    file.put(1);
  }
  Load();
  EXPECT_EQ(api_.nvmlInit_v2(), nvml::kSuccess);
}

}  // namespace
}  // namespace tranche::sim
