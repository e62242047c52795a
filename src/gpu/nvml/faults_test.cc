// Each call to NVML that we make answers each error code there is: what that costs, and what it
// does not. A call that is made and is not in the table fails the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "base/testing/temp_dir.h"
#include "gpu/nvml/driver.h"
#include "gpu/nvml/strings.h"
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
using testing::Number;

constexpr std::array kCodes = {kUninitialized,
                               kInvalidArgument,
                               kNotSupported,
                               kNoPermission,
                               kAlreadyInitialized,
                               kNotFound,
                               kInsufficientSize,
                               kInsufficientPower,
                               kDriverNotLoaded,
                               kTimeout,
                               kIrqIssue,
                               kLibraryNotFound,
                               kFunctionNotFound,
                               kCorruptedInforom,
                               kGpuIsLost,
                               kResetRequired,
                               kOperatingSystem,
                               kLibRmVersionMismatch,
                               kInUse,
                               kMemory,
                               kNoData,
                               kVgpuEccNotSupported,
                               kInsufficientResources,
                               kFreqNotSupported,
                               kArgumentVersionMismatch,
                               kDeprecated,
                               kNotReady,
                               kGpuNotFound,
                               kInvalidState,
                               kUnknown};

bool IsLoss(Return code) {
  return code == kGpuIsLost || code == kResetRequired || code == kGpuNotFound;
}
bool IsUnsupported(Return code) { return code == kNotSupported || code == kFunctionNotFound; }

// What a call fails with, and which calls have been made. One thread.
struct Injected {
  std::string call;
  Return code = kSuccess;
  int device = 0;  // 0: whatever it is about
  std::set<std::string> made;
};
Injected* injected = nullptr;

bool IsAbout(int device) { return device == 0; }
template <class First, class... Rest>
bool IsAbout(int device, First first, Rest... /*rest*/) {
  if constexpr (std::is_same_v<First, Device>) {
    return device == 0 || Number(first) == device;
  } else {
    return true;
  }
}

// The functions of the fake, each behind one that fails where the test says so.
Table original;

template <class Function, class... Arguments>
auto Guarded(const char* name, Function* function, Arguments... arguments) {
  if constexpr (std::is_same_v<std::invoke_result_t<Function*, Arguments...>, Return>) {
    injected->made.insert(name);
    if (injected->call == name && IsAbout(injected->device, arguments...)) return injected->code;
  }
  return function(arguments...);
}

Table GuardedTable() {
  original = MakeTable();
  Table table = original;
#define TRANCHE_GUARD(name, ...)                                                                \
  if (table.name != nullptr) {                                                                  \
    table.name = [](auto... arguments) { return Guarded(#name, original.name, arguments...); }; \
  }
  TRANCHE_NVML_SYSTEM_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_DEVICE_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_LINK_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_MIG_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_EVENT_FUNCTIONS(TRANCHE_GUARD)
#undef TRANCHE_GUARD
  return table;
}

// GPU-0 is whole, GPU-1 is cut into MIG-0 and MIG-1, GPU-2 is whole.
constexpr int kCutGpu = 2;  // handles
constexpr int kMigOne = 1001;

class NvmlFaultsTest : public ::testing::Test {
 protected:
  NvmlFaultsTest() {
    fake = &nvml_;
    injected = &injected_;
    for (unsigned i = 0; i < 3; ++i) {
      FakeGpu gpu;
      gpu.uuid = "GPU-" + std::to_string(i);
      gpu.minor = i;
      gpu.bus_id = "00000000:0" + std::to_string(i) + ":00.0";
      gpu.cluster = 0xAB;
      gpu.fabric_state = kFabricCompleted;
      gpu.links = {{0, "00000000:0" + std::to_string((i + 1) % 3) + ":00.0"}};
      nvml_.gpus.push_back(gpu);
    }
    nvml_.gpus[1].mig_enabled = true;
    nvml_.gpus[1].mig = {0, 1};
    for (unsigned i = 0; i < 2; ++i) {
      FakeMig mig;
      mig.name = "NVIDIA A100-SXM4-80GB MIG 1g.10gb";
      mig.uuid = "MIG-" + std::to_string(i);
      mig.gi = i + 1;
      mig.attributes.gpu_instance_slice_count = 1;
      mig.attributes.compute_instance_slice_count = 1;
      mig.attributes.memory_size_mb = 9728;
      nvml_.migs.push_back(mig);
    }
    Restart();
    whole_ = Look();
    EXPECT_EQ(whole_.gpus.size(), 3U);
    EXPECT_EQ(whole_.gpus[1].mig_devices.size(), 2U);
  }
  ~NvmlFaultsTest() override {
    driver_.reset();
    fake = nullptr;
    injected = nullptr;
  }

  void Restart() {
    driver_ = NewNvmlDriverOn(GuardedTable(), {.driver_root = "", .sys_root = root_.path()});
  }
  // A look by a driver that knows nothing yet.
  Inventory Fresh(const std::string& call, Return code, int device = 0) {
    injected_.call = "";
    Restart();
    injected_ = {.call = call, .code = code, .device = device, .made = injected_.made};
    return Look();
  }
  Inventory Look() {
    EXPECT_TRUE(driver_->Initialise().ok());
    auto inventory = driver_->Enumerate();
    EXPECT_TRUE(inventory.ok());
    return inventory.ok() ? *inventory : Inventory();
  }
  static std::vector<std::string> Uuids(const Inventory& inventory) {
    std::vector<std::string> uuids;
    for (const Gpu& gpu : inventory.gpus) uuids.push_back(gpu.uuid);
    return uuids;
  }
  // GPU-1 is left out, and the others are not.
  static void ExpectOut(const Inventory& seen, Return code) {
    EXPECT_THAT(Uuids(seen), ElementsAre("GPU-0", "GPU-2"));
    ASSERT_EQ(seen.broken.size(), 1U);
    EXPECT_EQ(seen.broken[0].index, 1U);
    EXPECT_THAT(seen.broken[0].error, HasSubstr(std::string(ReturnText(code))));
    EXPECT_THAT(seen.broken[0].error, HasSubstr("; ")) << "what can be done";
    EXPECT_EQ(seen.broken[0].call_failed, !IsLoss(code));
  }
  void ExpectRemedy(const Inventory& seen, Return code) {
    ASSERT_THAT(seen.unread, ::testing::Not(IsEmpty()));
    EXPECT_THAT(seen.unread[0].error, HasSubstr(injected_.call.substr(0, 20)));
    if (code == kNoPermission) {
      EXPECT_THAT(seen.unread[0].error, HasSubstr("NVIDIA_MIG_MONITOR_DEVICES=all"));
    }
  }

  FakeNvml nvml_;
  Injected injected_;
  const base::testing::TempDir root_;
  std::unique_ptr<GpuDriver> driver_;
  Inventory whole_;
};

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
  std::set<std::string> tried = {"nvmlInit_v2",
                                 "nvmlShutdown",  // whose answer nobody asks for
                                 "nvmlSystemGetDriverVersion",
                                 "nvmlSystemGetCudaDriverVersion_v2",
                                 "nvmlDeviceGetCount_v2",
                                 "nvmlDeviceGetHandleByIndex_v2",
                                 "nvmlDeviceGetUUID",
                                 "nvmlDeviceGetMinorNumber",
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
  for (const Cost& cost : Costs()) tried.insert(cost.call);
  EXPECT_EQ(injected_.made, tried);
}

}  // namespace
}  // namespace tranche::gpu::nvml
