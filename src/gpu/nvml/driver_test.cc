#include "gpu/nvml/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/temp_dir.h"
#include "gpu/nvml/testing/fake_nvml.h"

namespace tranche::gpu::nvml {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::fake;
using testing::FakeGpu;
using testing::FakeMig;
using testing::FakeNvml;
using testing::Handle;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeTable;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::XidEvent;

class NvmlDriverTest : public ::testing::Test {
 protected:
  NvmlDriverTest() {
    fake = &nvml_;
    for (unsigned i = 0; i < 4; ++i) {
      FakeGpu gpu;
      gpu.uuid = "GPU-" + std::to_string(i);
      gpu.minor = 3 - i;
      gpu.bus_id = "00000000:0" + std::to_string(i) + ":00.0";
      nvml_.gpus.push_back(gpu);
    }
  }
  ~NvmlDriverTest() override {
    driver_.reset();
    fake = nullptr;
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  GpuDriver& Driver() {
    if (driver_ == nullptr) {
      driver_ = NewNvmlDriverOn(MakeTable(), {.driver_root = "", .sys_root = root_.path()});
    }
    EXPECT_TRUE(driver_->Initialise().ok());
    return *driver_;
  }
  Inventory Enumerate() {
    auto inventory = Driver().Enumerate();
    EXPECT_TRUE(inventory.ok());
    return *inventory;
  }
  std::vector<std::string> Uuids(const Inventory& inventory) {
    std::vector<std::string> uuids;
    for (const Gpu& gpu : inventory.gpus) uuids.push_back(gpu.uuid);
    return uuids;
  }
  void Cut(std::size_t gpu, unsigned slices, unsigned long long mib, const std::string& name,
           unsigned compute_slices = 0) {
    FakeMig mig;
    mig.name = nvml_.gpus[gpu].name + " MIG " + name;
    mig.uuid = "MIG-" + std::to_string(nvml_.migs.size());
    mig.gi = static_cast<unsigned>(nvml_.gpus[gpu].mig.size()) + 1;
    mig.attributes.gpu_instance_slice_count = slices;
    mig.attributes.compute_instance_slice_count = compute_slices == 0 ? slices : compute_slices;
    mig.attributes.memory_size_mb = mib;
    nvml_.gpus[gpu].mig_enabled = true;
    nvml_.gpus[gpu].mig.push_back(static_cast<int>(nvml_.migs.size()));
    nvml_.migs.push_back(mig);
  }

  FakeNvml nvml_;
  const base::testing::TempDir root_;
  std::unique_ptr<GpuDriver> driver_;
};

TEST_F(NvmlDriverTest, TellsWhatThereIs) {
  Write("sys/bus/pci/devices/0000:01:00.0/numa_node", "1\n");
  Write("sys/bus/pci/devices/0000:02:00.0/numa_node", "-1\n");
  Write("sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
  const Inventory inventory = Enumerate();
  EXPECT_EQ(inventory.driver_version, "570.172.08");
  EXPECT_EQ(inventory.cuda_major, 12);
  EXPECT_EQ(inventory.cuda_minor, 8);
  ASSERT_THAT(Uuids(inventory), ElementsAre("GPU-0", "GPU-1", "GPU-2", "GPU-3"));
  EXPECT_THAT(inventory.broken, IsEmpty());
  const Gpu& gpu = inventory.gpus[1];
  EXPECT_EQ(gpu.index, 1U);
  EXPECT_EQ(gpu.minor, 2U);
  EXPECT_THAT(gpu.device_paths, ElementsAre("/dev/nvidia2"));
  EXPECT_EQ(gpu.name, "NVIDIA A100-SXM4-80GB");
  EXPECT_EQ(gpu.pci_bus_id, "0000:01:00.0");
  EXPECT_EQ(gpu.memory_bytes, 80ULL << 30U);
  EXPECT_EQ(gpu.compute_major, 8);
  EXPECT_EQ(gpu.numa_node, 1);
  EXPECT_EQ(gpu.pci_class, 0x030200U);
  EXPECT_EQ(inventory.gpus[2].pci_class, std::nullopt);
  EXPECT_EQ(inventory.gpus[2].numa_node, std::nullopt);
  EXPECT_EQ(inventory.gpus[3].numa_node, std::nullopt);
  EXPECT_TRUE(gpu.mig_capable);
  EXPECT_FALSE(gpu.mig_enabled);
}

TEST_F(NvmlDriverTest, ASickGpuCostsOnlyItself) {
  for (const char* call :
       {"Handle", "Name", "UUID", "Minor", "Pci", "Memory", "Compute", "MigMode"}) {
    driver_.reset();
    nvml_.gpus[1].fails = {{call, nvml::kGpuIsLost}};
    const Inventory inventory = Enumerate();
    EXPECT_THAT(Uuids(inventory), ElementsAre("GPU-0", "GPU-2", "GPU-3")) << call;
    ASSERT_THAT(inventory.broken, SizeIs(1));
    EXPECT_EQ(inventory.broken[0].index, 1U);
    EXPECT_THAT(inventory.broken[0].error, HasSubstr("GPU is lost"));
  }
}

TEST_F(NvmlDriverTest, AGpuThatFallsSilentKeepsItsNameInTheReport) {
  Enumerate();
  nvml_.gpus[1].fails = {{"Handle", nvml::kGpuIsLost}};
  EXPECT_EQ(Enumerate().broken.at(0).uuid, "GPU-1");
}

TEST_F(NvmlDriverTest, AFabricIsSeenOnceItIsJoined) {
  nvml_.gpus[0].cluster = 0xAB;
  nvml_.gpus[1].fabric_state = kFabricCompleted;  // a UUID of zeros: one node's own NVLinks
  nvml_.gpus[2].cluster = 0xCD;
  nvml_.gpus[2].fabric_state = kFabricCompleted;
  nvml_.gpus[2].fails = {{"Fabric", nvml::kNotSupported}};
  for (const Gpu& gpu : Enumerate().gpus) EXPECT_EQ(gpu.fabric, std::nullopt) << gpu.index;
  nvml_.gpus[0].fabric_state = kFabricCompleted;
  const Fabric fabric{.cluster = "abababab-abab-abab-abab-abababababab", .clique = 5};
  EXPECT_EQ(Enumerate().gpus[0].fabric, fabric);
}

TEST_F(NvmlDriverTest, TheSecondLookAsksLess) {
  Enumerate();
  nvml_.calls.clear();
  EXPECT_THAT(Uuids(Enumerate()), SizeIs(4));
  for (const char* call : {"Name", "UUID", "Minor", "Pci", "Memory", "Compute"}) {
    EXPECT_EQ(nvml_.calls[call], 0) << call;
  }
}

TEST_F(NvmlDriverTest, AGpuListedTwiceIsServedOnce) {
  nvml_.gpus[2].uuid = "GPU-0";
  for (int look = 0; look < 2; ++look) {
    const Inventory inventory = Enumerate();
    EXPECT_THAT(Uuids(inventory), ElementsAre("GPU-0", "GPU-1", "GPU-3"));
    EXPECT_EQ(inventory.gpus[0].index, 0U);
    EXPECT_EQ(inventory.gpus[0].minor, 3U);
    ASSERT_THAT(inventory.broken, SizeIs(1));
    EXPECT_THAT(inventory.broken[0].error, HasSubstr("twice"));
  }
}

TEST_F(NvmlDriverTest, DisplayGpusAreSkipped) {
  nvml_.gpus[0].name = "DGX Display";
  nvml_.gpus[3].name = "NVIDIA DGX Display";
  const Inventory inventory = Enumerate();
  EXPECT_THAT(Uuids(inventory), ElementsAre("GPU-1", "GPU-2"));
  EXPECT_THAT(inventory.broken, IsEmpty());
}

TEST_F(NvmlDriverTest, HostileStringsAreNotBelieved) {
  nvml_.gpus[0].uuid = "GPU-a,GPU-b";
  nvml_.gpus[1].uuid = std::string(500, 'G');
  nvml_.gpus[2].bus_id = "../../../../etc";
  nvml_.gpus[3].name = "A100\n\x1b[31m";
  const Inventory inventory = Enumerate();
  EXPECT_THAT(Uuids(inventory), ElementsAre("GPU-2", "GPU-3"));
  EXPECT_THAT(inventory.broken, SizeIs(2));
  EXPECT_EQ(inventory.gpus[0].pci_bus_id, "");
  EXPECT_EQ(inventory.gpus[1].name.find('\n'), std::string::npos);
  EXPECT_EQ(inventory.gpus[1].name.find('\x1b'), std::string::npos);
}

TEST_F(NvmlDriverTest, WithoutMemoryOfItsOwnAGpuIsStillAGpu) {
  nvml_.gpus[0].fails = {{"Memory", nvml::kNotSupported}};
  EXPECT_THAT(Uuids(Enumerate()), SizeIs(4));
}

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
  EXPECT_EQ(driver_->Initialise().code(), base::Code::kDataLoss);
  nvml_.init = nvml::kSuccess;
  EXPECT_TRUE(driver_->Initialise().ok());
  EXPECT_TRUE(driver_->Initialise().ok());
  EXPECT_EQ(nvml_.inits, 2);
  EXPECT_EQ(nvml_.shutdowns, 0);
  driver_->Shutdown();
  EXPECT_EQ(nvml_.shutdowns, 1);
}

TEST_F(NvmlDriverTest, MigDevices) {
  nvml_.gpus[1].mig = {-1};
  Cut(1, 1, 9728, "1g.10gb+me");
  Cut(1, 3, 40192, "1c.3g.40gb", 1);
  const Inventory inventory = Enumerate();
  const Gpu& gpu = inventory.gpus[1];
  EXPECT_TRUE(gpu.mig_enabled);
  ASSERT_THAT(gpu.mig_devices, SizeIs(2));
  EXPECT_EQ(gpu.mig_devices[0].index, 1);
  EXPECT_EQ(gpu.mig_devices[0].uuid, "MIG-0");
  EXPECT_EQ(gpu.mig_devices[0].profile, "1g.10gb+me");
  EXPECT_EQ(gpu.mig_devices[0].gpu_instance, 2U);
  EXPECT_EQ(gpu.mig_devices[0].memory_bytes, 9728ULL << 20U);
  EXPECT_EQ(gpu.mig_devices[1].profile, "1c.3g.40gb");
  EXPECT_EQ(gpu.mig_devices[1].gpu_slices, 3U);
  EXPECT_EQ(gpu.mig_devices[1].compute_slices, 1U);
  EXPECT_THAT(gpu.mig_devices[1].device_paths, ElementsAre("/dev/nvidia2"));
}

TEST_F(NvmlDriverTest, MigDevicesHaveTheirCapabilityNodes) {
  Cut(1, 1, 9728, "1g.10gb");
  Cut(1, 1, 9728, "1g.10gb");
  Write("proc/driver/nvidia-caps/mig-minors", "gpu2/gi1/access 30\ngpu2/gi1/ci0/access 31\n");
  const Inventory inventory = Enumerate();
  ASSERT_THAT(inventory.gpus[1].mig_devices, SizeIs(1));
  EXPECT_THAT(inventory.gpus[1].mig_devices[0].device_paths,
              ElementsAre("/dev/nvidia2", "/dev/nvidia-caps/nvidia-cap30",
                          "/dev/nvidia-caps/nvidia-cap31"));
  ASSERT_THAT(inventory.broken, SizeIs(1));  // the other one is not in the file
  EXPECT_EQ(inventory.broken[0].uuid, "MIG-1");
}

TEST_F(NvmlDriverTest, ANonsenseMigDeviceCostsOnlyItself) {
  Cut(1, 0, 9728, "1g.10gb");
  Cut(1, 1, 9728, "1g.10gb");
  const Inventory inventory = Enumerate();
  EXPECT_THAT(inventory.gpus[1].mig_devices, SizeIs(1));
  ASSERT_THAT(inventory.broken, SizeIs(1));
  EXPECT_THAT(inventory.broken[0].error, StartsWith("MIG device 0"));
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

TEST_F(NvmlDriverTest, TopologyIsPcieAndNvLink) {
  nvml_.gpus[0].links = {{0, "00000000:01:00.0"},
                         {1, "00000000:01:00.0"},
                         {5, "00000000:02:00.0"},
                         {6, "00000000:F0:00.0"}};
  nvml_.gpus[1].links = {{2, "00000000:00:00.0"}, {3, "00000000:00:00.0"}};
  nvml_.gpus[2].fails = {{"Link", nvml::kGpuIsLost}, {"Ancestor", nvml::kGpuIsLost}};
  const auto topology = Driver().ReadTopology(Enumerate());
  ASSERT_TRUE(topology.ok());
  EXPECT_THAT(topology->uuids, ElementsAre("GPU-0", "GPU-1", "GPU-2", "GPU-3"));
  EXPECT_EQ(topology->pair_score[0][1], 10 + 200);
  EXPECT_EQ(topology->pair_score[1][0], 10 + 200);
  EXPECT_EQ(topology->pair_score[1][2], 50);
  EXPECT_EQ(topology->pair_score[0][2], 10 + 100);  // one end of the link tells
  EXPECT_EQ(topology->pair_score[2][3], 0);         // this GPU answers nothing
  EXPECT_EQ(topology->pair_score[0][0], 0);
}

TEST_F(NvmlDriverTest, MoreLinksThanThereCanBeCountAsEighteen) {
  for (unsigned i = 0; i < 18; ++i) nvml_.gpus[0].links[i] = "00000000:01:00.0";
  EXPECT_EQ(Driver().ReadTopology(Enumerate())->pair_score[0][1], 1810);
}

// ---- the library itself ----

TEST_F(NvmlDriverTest, ARootWithoutLibraryLeavesItToTheLoader) {
  driver_ = NewNvmlDriver({.driver_root = root_.path(), .sys_root = ""});
  const base::Status status = driver_->Initialise();
  // On a machine with a GPU the loader finds one.
  if (status.ok()) GTEST_SKIP() << "this machine has NVIDIA's library";
  EXPECT_EQ(status.code(), base::Code::kNotFound);
}

TEST_F(NvmlDriverTest, AnEmptyFileIsAnError) {
  Write("usr/lib64/libnvidia-ml.so.1", "");
  driver_ = NewNvmlDriver({.driver_root = root_.path(), .sys_root = ""});
  const base::Status status = driver_->Initialise();
  EXPECT_EQ(status.code(), base::Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("usr/lib64/libnvidia-ml.so.1"));
}

TEST_F(NvmlDriverTest, AnotherLibraryUnderTheNameIsAnError) {
  std::filesystem::path other;
  for (const char* path : {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6",
                           "/lib64/libm.so.6"}) {
    if (std::filesystem::exists(path)) other = path;
  }
  ASSERT_FALSE(other.empty());
  std::filesystem::create_directories(root_ / "lib64");
  std::filesystem::create_symlink(other, root_ / "lib64/libnvidia-ml.so.1");
  driver_ = NewNvmlDriver({.driver_root = root_.path(), .sys_root = ""});
  const base::Status status = driver_->Initialise();
  EXPECT_EQ(status.code(), base::Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("nvmlInit"));
}

}  // namespace
}  // namespace tranche::gpu::nvml
