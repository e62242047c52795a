#include "gpu/nvml/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "gpu/nvml/testing/driver_fixture.h"

namespace tranche::gpu::nvml {
namespace {

using ::testing::ElementsAre;
using testing::Handle;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NvmlDriverTest;
using ::testing::SizeIs;
using ::testing::StartsWith;

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
  EXPECT_THAT(Uuids(inventory), ElementsAre("GPU-3"));
  EXPECT_THAT(inventory.broken, SizeIs(3));
  EXPECT_EQ(inventory.gpus[0].name.find('\n'), std::string::npos);
  EXPECT_EQ(inventory.gpus[0].name.find('\x1b'), std::string::npos);
}

TEST_F(NvmlDriverTest, WithoutMemoryOfItsOwnAGpuIsStillAGpu) {
  nvml_.gpus[0].fails = {{"Memory", nvml::kNotSupported}};
  EXPECT_THAT(Uuids(Enumerate()), SizeIs(4));
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

}  // namespace
}  // namespace tranche::gpu::nvml
