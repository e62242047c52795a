// A driver of which any call can be made to fail with any error code: a whole GPU, one cut by MIG,
// and another whole one, on the functions of fake_nvml.h.
//
// Threading: the test's thread.
// Errors: the injected ones.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "base/testing/temp_dir.h"
#include "gpu/nvml/driver.h"
#include "gpu/nvml/strings.h"
#include "gpu/nvml/testing/fake_nvml.h"

namespace tranche::gpu::nvml::testing {

inline constexpr std::array kCodes = {kUninitialized,
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

inline bool IsLoss(Return code) {
  return code == kGpuIsLost || code == kResetRequired || code == kGpuNotFound;
}
inline bool IsUnsupported(Return code) {
  return code == kNotSupported || code == kFunctionNotFound;
}

// What a call fails with, and which calls have been made. One thread.
struct Injected {
  std::string call;
  Return code = kSuccess;
  int device = 0;  // 0: whatever it is about
  std::set<std::string> made;
};
inline Injected* injected = nullptr;

inline bool IsAbout(int device) { return device == 0; }
template <class First, class... Rest>
bool IsAbout(int device, First first, Rest... /*rest*/) {
  if constexpr (std::is_same_v<First, Device>) {
    return device == 0 || Number(first) == device;
  } else {
    return true;
  }
}

// The functions of the fake, each behind one that fails where the test says so.
inline Table original;

template <class Function, class... Arguments>
auto Guarded(const char* name, Function* function, Arguments... arguments) {
  if constexpr (std::is_same_v<std::invoke_result_t<Function*, Arguments...>, Return>) {
    injected->made.insert(name);
    if (injected->call == name && IsAbout(injected->device, arguments...)) return injected->code;
  }
  return function(arguments...);
}

inline Table GuardedTable() {
  original = MakeTable();
  Table table = original;
#define TRANCHE_GUARD(name, ...)                                                                \
  if (table.name != nullptr) {                                                                  \
    table.name = [](auto... arguments) { return Guarded(#name, original.name, arguments...); }; \
  }
  TRANCHE_NVML_SYSTEM_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_DEVICE_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_READING_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_PROCESS_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_LINK_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_MIG_FUNCTIONS(TRANCHE_GUARD)
  TRANCHE_NVML_EVENT_FUNCTIONS(TRANCHE_GUARD)
#undef TRANCHE_GUARD
  return table;
}

// GPU-0 is whole, GPU-1 is cut into MIG-0 and MIG-1, GPU-2 is whole.
inline constexpr int kCutGpu = 2;  // handles
inline constexpr int kMigOne = 1001;

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
    EXPECT_THAT(Uuids(seen), ::testing::ElementsAre("GPU-0", "GPU-2"));
    ASSERT_EQ(seen.broken.size(), 1U);
    EXPECT_EQ(seen.broken[0].index, 1U);
    EXPECT_THAT(seen.broken[0].error, ::testing::HasSubstr(std::string(ReturnText(code))));
    EXPECT_THAT(seen.broken[0].error, ::testing::HasSubstr("; ")) << "what can be done";
    EXPECT_EQ(seen.broken[0].call_failed, !IsLoss(code));
  }
  void ExpectRemedy(const Inventory& seen, Return code) {
    ASSERT_THAT(seen.unread, ::testing::Not(::testing::IsEmpty()));
    EXPECT_THAT(seen.unread[0].error, ::testing::HasSubstr(injected_.call.substr(0, 20)));
    if (code == kNoPermission) {
      EXPECT_THAT(seen.unread[0].error, ::testing::HasSubstr("NVIDIA_MIG_MONITOR_DEVICES=all"));
    }
  }

  FakeNvml nvml_;
  Injected injected_;
  const base::testing::TempDir root_;
  std::unique_ptr<GpuDriver> driver_;
  Inventory whole_;
};

}  // namespace tranche::gpu::nvml::testing
