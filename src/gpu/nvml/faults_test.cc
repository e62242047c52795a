// Each call about a GPU or MIG device answers each error code there is: what that costs, and what
// it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "gpu/nvml/testing/faulty_nvml.h"

namespace tranche::gpu::nvml {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsLoss;
using testing::IsUnsupported;
using testing::kCodes;
using testing::kCutGpu;
using testing::kMigOne;
using testing::NvmlFaultsTest;

// ---- what a GPU cannot do without ----

TEST_F(NvmlFaultsTest, AGpuWithoutHandleUuidOrMinorIsLeftOutAndNoOther) {
  for (const char* call : {"nvmlDeviceGetUUID", "nvmlDeviceGetMinorNumber"}) {
    for (const Return code : kCodes) {
      SCOPED_TRACE(std::string(call) + " " + std::string(ReturnText(code)));
      ExpectOut(Fresh(call, code, kCutGpu), code);
    }
  }
  for (const Return code : kCodes) {
    Restart();
    injected_.call = "";
    nvml_.gpus[1].fails = {{"Handle", code}};
    ExpectOut(Look(), code);
  }
}

TEST_F(NvmlFaultsTest, WhereEveryHandleFailsAllAreLeftOutAndSaid) {
  for (const Return code : kCodes) {
    const Inventory seen = Fresh("nvmlDeviceGetHandleByIndex_v2", code);
    EXPECT_THAT(seen.gpus, IsEmpty());
    EXPECT_EQ(seen.broken.size(), 3U);
  }
}

// ---- what it can do without ----

struct Cost {
  const char* call;
  Detail detail;
  bool may_lack;  // "not supported" says that there is none
  void (*take)(Gpu& gpu);
};

const std::vector<Cost>& Costs() {
  static const std::vector<Cost> all = {
      {"nvmlDeviceGetName", Detail::kName, false, [](Gpu& gpu) { gpu.name = ""; }},
      {"nvmlDeviceGetPciInfo_v3", Detail::kPci, false, [](Gpu& gpu) { gpu.pci_bus_id = ""; }},
      {"nvmlDeviceGetMemoryInfo", Detail::kMemory, true, [](Gpu& gpu) { gpu.memory_bytes = 0; }},
      {"nvmlDeviceGetCudaComputeCapability", Detail::kCompute, false,
       [](Gpu& gpu) { gpu.compute_major = gpu.compute_minor = 0; }},
      {"nvmlDeviceGetGpuFabricInfoV", Detail::kFabric, true,
       [](Gpu& gpu) { gpu.fabric = std::nullopt; }},
      {"nvmlDeviceGetMigMode", Detail::kMig, true,
       [](Gpu& gpu) {
         gpu.mig_capable = gpu.mig_enabled = false;
         gpu.mig_devices.clear();
       }},
      {"nvmlDeviceGetMaxMigDeviceCount", Detail::kMigCount, false, [](Gpu& /*gpu*/) {}},
  };
  return all;
}

TEST_F(NvmlFaultsTest, AnythingElseCostsItsDetailOnly) {
  for (const Cost& cost : Costs()) {
    for (const Return code : kCodes) {
      SCOPED_TRACE(std::string(cost.call) + " " + std::string(ReturnText(code)));
      const Inventory seen = Fresh(cost.call, code, kCutGpu);
      if (IsLoss(code)) {
        ExpectOut(seen, code);
        continue;
      }
      Inventory expected = whole_;
      cost.take(expected.gpus[1]);
      EXPECT_EQ(seen.gpus, expected.gpus);
      EXPECT_THAT(seen.broken, IsEmpty());
      if (cost.may_lack && IsUnsupported(code)) {
        EXPECT_THAT(seen.unread, IsEmpty());
        continue;
      }
      ASSERT_EQ(seen.unread.size(), 1U);
      EXPECT_EQ(seen.unread[0].detail, cost.detail);
      EXPECT_EQ(seen.unread[0].uuid, "GPU-1");
      ExpectRemedy(seen, code);
      // It is asked again, and known from then on.
      injected_.call = "";
      EXPECT_EQ(Look(), whole_);
    }
  }
}

TEST_F(NvmlFaultsTest, TheDriversOwnVersionsCostALabel) {
  for (const char* call : {"nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion_v2"}) {
    for (const Return code : kCodes) {
      const Inventory seen = Fresh(call, code);
      EXPECT_EQ(seen.gpus, whole_.gpus);
      EXPECT_THAT(seen.broken, IsEmpty());
      ASSERT_EQ(seen.unread.size(), 1U) << call;
      EXPECT_EQ(seen.unread[0].uuid, "");
      injected_.call = "";
      EXPECT_EQ(Look(), whole_);
    }
  }
}

// ---- MIG devices ----

TEST_F(NvmlFaultsTest, AMigDeviceWithoutUuidIsLeftOutAndNoOther) {
  for (const Return code : kCodes) {
    const Inventory seen = Fresh("nvmlDeviceGetUUID", code, kMigOne);
    if (IsLoss(code)) {
      ExpectOut(seen, code);
      continue;
    }
    EXPECT_THAT(Uuids(seen), ElementsAre("GPU-0", "GPU-1", "GPU-2"));
    ASSERT_EQ(seen.gpus[1].mig_devices.size(), 1U);
    EXPECT_EQ(seen.gpus[1].mig_devices[0], whole_.gpus[1].mig_devices[1]);
    ASSERT_EQ(seen.broken.size(), 1U);
    EXPECT_EQ(seen.broken[0].mig, 0);
    EXPECT_TRUE(seen.broken[0].call_failed);
  }
}

TEST_F(NvmlFaultsTest, AMigDeviceWithoutHandleIsLeftOutOrNotThere) {
  for (const Return code : kCodes) {
    const Inventory seen = Fresh("nvmlDeviceGetMigDeviceHandleByIndex", code);
    if (IsLoss(code)) {
      ExpectOut(seen, code);
    } else if (code == kNotFound || code == kInvalidArgument) {
      EXPECT_THAT(seen.broken, IsEmpty()) << "that is how NVML says that there is none";
    } else {
      EXPECT_THAT(Uuids(seen), ElementsAre("GPU-0", "GPU-1", "GPU-2"));
      EXPECT_EQ(seen.broken[0].mig, 0);
    }
  }
}

TEST_F(NvmlFaultsTest, AMigDeviceIsNamedFromItsNameOrItsSizes) {
  for (const char* call : {"nvmlDeviceGetAttributes_v2", "nvmlDeviceGetName",
                           "nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId"}) {
    for (const Return code : kCodes) {
      SCOPED_TRACE(std::string(call) + " " + std::string(ReturnText(code)));
      const Inventory seen = Fresh(call, code, kMigOne);
      if (IsLoss(code)) {
        ExpectOut(seen, code);
        continue;
      }
      EXPECT_THAT(seen.broken, IsEmpty());
      ASSERT_EQ(seen.gpus[1].mig_devices.size(), 2U);
      EXPECT_EQ(seen.gpus[1].mig_devices[0].profile, "1g.10gb");
      EXPECT_EQ(seen.gpus[1].mig_devices[0].gpu_slices, 1U);
      ASSERT_EQ(seen.unread.size(), 1U);
      EXPECT_EQ(seen.unread[0].uuid, "MIG-0");
      ExpectRemedy(seen, code);
    }
  }
}

TEST_F(NvmlFaultsTest, AProfileOfUnknownMemoryIsNamedFromTheNameAndNeverZero) {
  Inventory seen = Fresh("nvmlDeviceGetMemoryInfo", kNoPermission, kCutGpu);
  EXPECT_EQ(seen.gpus[1].mig_devices[0].profile, "1g.10gb");
  nvml_.migs[0].attributes.memory_size_mb = 0;
  seen = Fresh("", kSuccess);
  EXPECT_EQ(seen.gpus[1].mig_devices[0].profile, "1g.10gb");
  nvml_.migs[0].name = "NVIDIA A100-SXM4-80GB";  // tells nothing
  seen = Fresh("nvmlDeviceGetMemoryInfo", kNoPermission, kCutGpu);
  ASSERT_EQ(seen.gpus[1].mig_devices.size(), 1U);
  EXPECT_EQ(seen.gpus[1].mig_devices[0].uuid, "MIG-1");
  EXPECT_EQ(seen.broken[0].uuid, "MIG-0");
}

}  // namespace
}  // namespace tranche::gpu::nvml
