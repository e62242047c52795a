// Every figure for itself, on a table of C functions.
#include "gpu/nvml/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "gpu/nvml/testing/driver_fixture.h"

namespace tranche::gpu::nvml {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

// What the functions below say; one thread.
struct Readable {
  std::map<std::string, Return> fails;
  std::vector<ProcessInfo> compute;
  std::vector<ProcessInfo> graphics;
  std::vector<ProcessUtilizationSample> samples;
  std::vector<Sample> busy;
  ValueType type = kValueUnsigned;
};
Readable* readable = nullptr;

Return Enter(const char* call) {
  const auto fails = readable->fails.find(call);
  return fails == readable->fails.end() ? nvml::kSuccess : fails->second;
}

template <class Entry>
Return List(const char* call, const std::vector<Entry>& all, unsigned* count, Entry* entries) {
  if (const Return fails = Enter(call); fails != nvml::kSuccess) return fails;
  const unsigned room = *count;
  *count = static_cast<unsigned>(all.size());
  if (room < all.size()) return kInsufficientSize;
  std::ranges::copy(all, entries);
  return nvml::kSuccess;
}

Table ReadableTable() {
  Table t = testing::MakeTable();
  t.nvmlDeviceGetMemoryInfo_v2 = [](Device /*device*/, MemoryV2* memory) {
    if (memory->version != StructVersion<MemoryV2>(2)) return kArgumentVersionMismatch;
    memory->total = 100;
    memory->reserved = 5;
    memory->used = 40;
    memory->free = 55;
    return Enter("Memory_v2");
  };
  t.nvmlDeviceGetMemoryInfo = [](Device /*device*/, Memory* memory) {
    *memory = {.total = 100, .free = 55, .used = 45};
    return Enter("Memory");
  };
  t.nvmlDeviceGetUtilizationRates = [](Device /*device*/, Utilization* busy) {
    *busy = {.gpu = 70, .memory = 20};
    return Enter("Rates");
  };
  t.nvmlDeviceGetPowerUsage = [](Device /*device*/, unsigned* value) {
    *value = 250000;
    return Enter("Power");
  };
  t.nvmlDeviceGetEnforcedPowerLimit = [](Device /*device*/, unsigned* value) {
    *value = 400000;
    return Enter("PowerLimit");
  };
  t.nvmlDeviceGetTotalEnergyConsumption = [](Device /*device*/, unsigned long long* value) {
    *value = 1ULL << 40U;
    return Enter("Energy");
  };
  t.nvmlDeviceGetFieldValues = [](Device /*device*/, int /*count*/, FieldValue* field) {
    field->status = Enter("Field");
    field->value_type = kValueUnsigned;
    field->value.ui = 61;
    return nvml::kSuccess;
  };
  t.nvmlDeviceGetRemappedRows = [](Device /*device*/, unsigned* correctable,
                                   unsigned* uncorrectable, unsigned* pending, unsigned* failed) {
    *correctable = 1;
    *uncorrectable = 2;
    *pending = 0;
    *failed = 1;
    return Enter("Rows");
  };
  t.nvmlDeviceGetHandleByUUID = [](const char* /*uuid*/, Device* device) {
    *device = testing::Handle(1001);
    return Enter("ByUuid");
  };
  t.nvmlDeviceGetComputeRunningProcesses_v3 = [](Device /*device*/, unsigned* count,
                                                 ProcessInfo* infos) {
    return List("Compute", readable->compute, count, infos);
  };
  t.nvmlDeviceGetGraphicsRunningProcesses_v3 = [](Device /*device*/, unsigned* count,
                                                  ProcessInfo* infos) {
    return List("Graphics", readable->graphics, count, infos);
  };
  t.nvmlDeviceGetProcessUtilization = [](Device /*device*/, ProcessUtilizationSample* samples,
                                         unsigned* count, unsigned long long /*last_seen*/) {
    if (readable->samples.empty() && readable->fails.empty()) return nvml::kNotFound;
    return List("Samples", readable->samples, count, samples);
  };
  t.nvmlDeviceGetSamples = [](Device /*device*/, SamplingType type, unsigned long long /*seen*/,
                              ValueType* value_type, unsigned* count, Sample* samples) {
    EXPECT_EQ(type, kSampleGpuUtilization);
    *value_type = readable->type;
    return List("Busy", readable->busy, count, samples);
  };
  return t;
}

class UsageTest : public ::testing::Test {
 protected:
  UsageTest() {
    readable = &said_;
    testing::fake = &nvml_;
    nvml_.gpus.push_back({.uuid = "GPU-0"});
    nvml_.migs.push_back({.uuid = "MIG-0"});
  }
  ~UsageTest() override {
    readable = nullptr;
    testing::fake = nullptr;
  }
  DeviceUsage Read(UsageQuery query = {.uuid = "GPU-0"}) {
    return ReadNvmlUsage(ReadableTable(), testing::Handle(1), query);
  }

  Readable said_;
  testing::FakeNvml nvml_;
};

TEST_F(UsageTest, ReadsWhatThereIs) {
  const DeviceUsage usage = Read({.uuid = "GPU-0", .mig_uuids = {"MIG-0"}});
  EXPECT_EQ(usage.uuid, "GPU-0");
  EXPECT_THAT(usage.memory, Optional(MemoryUse{100, 40, 55, 5}));
  EXPECT_THAT(usage.readings.gpu_percent, Optional(70U));
  EXPECT_THAT(usage.readings.memory_percent, Optional(20U));
  EXPECT_THAT(usage.readings.power_milliwatts, Optional(250000U));
  EXPECT_THAT(usage.readings.power_limit_milliwatts, Optional(400000U));
  EXPECT_THAT(usage.readings.energy_millijoules, Optional(1ULL << 40U));
  EXPECT_THAT(usage.readings.memory_celsius, Optional(61U));
  EXPECT_THAT(usage.readings.remapped_rows, Optional(RemappedRows{1, 2, true}));
  ASSERT_THAT(usage.mig, SizeIs(1));
  EXPECT_THAT(usage.mig[0].memory, Optional(MemoryUse{100, 40, 55, 5}));
}

TEST_F(UsageTest, WhatTheDriverDoesNotHaveIsAbsentAndSaidByItsCode) {
  const DeviceUsage usage = Read();
  EXPECT_EQ(usage.readings.celsius, std::nullopt);
  EXPECT_THAT(usage.unread, Contains(Field(&UnreadUsage::call, "nvmlDeviceGetTemperature")));
  for (const UnreadUsage& unread : usage.unread) {
    EXPECT_EQ(unread.code, base::Code::kUnimplemented) << unread.call;
  }
}

TEST_F(UsageTest, ACallThatFailsCostsItsFigureOnly) {
  const DeviceUsage whole = Read();
  const std::map<std::string, std::string> calls{
      {"Rates", "nvmlDeviceGetUtilizationRates"},
      {"Power", "nvmlDeviceGetPowerUsage"},
      {"PowerLimit", "nvmlDeviceGetEnforcedPowerLimit"},
      {"Energy", "nvmlDeviceGetTotalEnergyConsumption"},
      {"Field", "nvmlDeviceGetFieldValues"},
      {"Rows", "nvmlDeviceGetRemappedRows"},
      {"Samples", "nvmlDeviceGetProcessUtilization"},
      {"Busy", "nvmlDeviceGetSamples"},
      {"Compute", "nvmlDeviceGetComputeRunningProcesses"}};
  for (const auto& [call, name] : calls) {
    said_.fails = {{call, kUnknown}};
    const DeviceUsage usage = Read();
    EXPECT_EQ(usage.unread.size(), whole.unread.size() + 1) << call;
    EXPECT_THAT(usage.unread, Contains(Field(&UnreadUsage::call, name)));
    EXPECT_EQ(usage.memory, whole.memory);
    EXPECT_EQ(usage.process_samples.has_value(), call != "Samples");
    EXPECT_EQ(usage.busy_samples.has_value(), call != "Busy");
    EXPECT_TRUE(usage.processes.has_value()) << "the other lists are there";
  }
}

TEST_F(UsageTest, OldDriversCountWhatIsReservedAsUsed) {
  said_.fails = {{"Memory_v2", kArgumentVersionMismatch}};
  EXPECT_THAT(Read().memory, Optional(MemoryUse{100, 45, 55, std::nullopt}));
  said_.fails["Memory"] = kGpuIsLost;
  EXPECT_EQ(Read().memory, std::nullopt);
}

TEST_F(UsageTest, AProcessThatComputesAndDrawsIsOne) {
  said_.compute = {{7, 100, kNoInstance, kNoInstance}, {8, kMemoryNotAvailable, 3, 0}};
  said_.graphics = {{7, 120, kNoInstance, kNoInstance}, {9, 5, kNoInstance, kNoInstance}};
  EXPECT_THAT(Read().processes, Optional(ElementsAre(RunningProcess{.pid = 7, .memory_bytes = 120},
                                                     RunningProcess{8, std::nullopt, 3, 0},
                                                     RunningProcess{.pid = 9, .memory_bytes = 5})));
}

TEST_F(UsageTest, ALongListIsReadWholeAndAnEndlessOneIsNot) {
  for (unsigned pid = 1; pid <= 1000; ++pid) {
    said_.compute.push_back({pid, 1, kNoInstance, kNoInstance});
  }
  EXPECT_THAT(Read().processes, Optional(SizeIs(1000)));
  said_.compute.resize(20000);
  const DeviceUsage usage = Read();
  EXPECT_THAT(usage.processes, Optional(IsEmpty()));
  EXPECT_THAT(usage.unread,
              Contains(Field(&UnreadUsage::call, "nvmlDeviceGetComputeRunningProcesses")));
}

TEST_F(UsageTest, SamplesThatAreNotNewerAreNotTakenAgain) {
  EXPECT_THAT(Read().process_samples, Optional(IsEmpty())) << "nothing has computed";
  said_.samples = {{7, 1000, 30, 0, 0, 0}, {8, 2000, 900, 0, 0, 0}};
  said_.busy = {{2000, {.ui = 4}}, {1000, {.ui = 3}}, {3000, {.ui = 400}}};
  const DeviceUsage usage =
      Read({.uuid = "GPU-0", .process_samples_after_us = 1000, .busy_samples_after_us = 1000});
  EXPECT_THAT(usage.process_samples, Optional(ElementsAre(ProcessSample{8, 2000, 100})));
  EXPECT_THAT(usage.busy_samples,
              Optional(ElementsAre(BusySample{2000, 4}, BusySample{3000, 100})));
  said_.type = kValueDouble;
  EXPECT_EQ(Read().busy_samples, std::nullopt) << "no number that is known";
}

class DriverUsageTest : public testing::NvmlDriverTest {};

TEST_F(DriverUsageTest, OnlyAGpuThatIsListedIsAsked) {
  Enumerate();
  const auto usage = Driver().ReadUsage({.uuid = "GPU-2"});
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->uuid, "GPU-2");
  EXPECT_EQ(Driver().ReadUsage({.uuid = "GPU-9"}).status().code(), base::Code::kNotFound);
}

}  // namespace
}  // namespace tranche::gpu::nvml
