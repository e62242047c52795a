#include "node/status/dcgm_metrics.h"

#include <functional>
#include <optional>
#include <utility>

namespace tranche::node::status {
namespace {

using daemon::MetricKind;
using daemon::MetricText;
using Families = daemon::MetricFamilies;

constexpr std::size_t kMaxSeries = 1024;
constexpr char kPrefix[] = "DCGM_FI_DEV_";
constexpr double kMiB = 1 << 20;

template <class Number>
std::optional<double> As(const std::optional<Number>& value, double unit = 1) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value) / unit;
}

// "0000:07:00.0" as NVML writes it, "00000000:07:00.0".
std::string LongBusId(const std::string& bus_id) {
  if (bus_id.empty()) return bus_id;
  std::string text = "0000" + bus_id;
  for (char& c : text) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::vector<std::string> Labels(const NodeState& state, const gpu::Gpu& gpu,
                                const gpu::MigDevice* mig) {
  const bool instance = mig != nullptr && mig->gpu_instance.has_value();
  return {std::to_string(gpu.index),
          gpu.uuid,
          LongBusId(gpu.pci_bus_id),
          "nvidia" + std::to_string(gpu.minor),
          gpu.name,
          mig != nullptr ? mig->profile : "",
          instance ? std::to_string(*mig->gpu_instance) : "",
          state.hostname,
          state.driver.version};
}

void AddReadings(Families& out, const NodeState& state, const gpu::Inventory& inventory,
                 const sight::Sight& sight) {
  const auto each = [&](const char* name,
                        const std::function<std::optional<double>(const gpu::Readings&)>& value) {
    out.Open(name);
    for (const gpu::Gpu& gpu : inventory.gpus) {
      const auto usage = sight.usage().find(gpu.uuid);
      if (usage == sight.usage().end()) continue;
      if (const auto number = value(usage->second.readings)) {
        out.Add(Labels(state, gpu, nullptr), *number);
      }
    }
  };
  using Readings = gpu::Readings;
  each("SM_CLOCK", [](const Readings& r) { return As(r.sm_mhz); });
  each("MEM_CLOCK", [](const Readings& r) { return As(r.memory_mhz); });
  each("MEMORY_TEMP", [](const Readings& r) { return As(r.memory_celsius); });
  each("GPU_TEMP", [](const Readings& r) { return As(r.celsius); });
  each("POWER_USAGE", [](const Readings& r) { return As(r.power_milliwatts, 1000); });
  each("TOTAL_ENERGY_CONSUMPTION", [](const Readings& r) { return As(r.energy_millijoules); });
  each("PCIE_REPLAY_COUNTER", [](const Readings& r) { return As(r.pcie_replays); });
  each("GPU_UTIL", [](const Readings& r) { return As(r.gpu_percent); });
  each("MEM_COPY_UTIL", [](const Readings& r) { return As(r.memory_percent); });
  each("ENC_UTIL", [](const Readings& r) { return As(r.encoder_percent); });
  each("DEC_UTIL", [](const Readings& r) { return As(r.decoder_percent); });
  const auto rows = [&](const char* name, const auto& value) {
    each(name, [&](const Readings& r) -> std::optional<double> {
      if (!r.remapped_rows) return std::nullopt;
      return value(*r.remapped_rows);
    });
  };
  rows("UNCORRECTABLE_REMAPPED_ROWS", [](const gpu::RemappedRows& r) { return r.uncorrectable; });
  rows("CORRECTABLE_REMAPPED_ROWS", [](const gpu::RemappedRows& r) { return r.correctable; });
  rows("ROW_REMAP_FAILURE", [](const gpu::RemappedRows& r) { return r.failed ? 1 : 0; });
}

void AddXids(Families& out, const NodeState& state, const gpu::Inventory& inventory) {
  out.Open("XID_ERRORS");
  for (const gpu::Gpu& gpu : inventory.gpus) {
    const auto xid = state.xids.find(gpu.uuid);
    out.Add(Labels(state, gpu, nullptr),
            xid == state.xids.end() ? 0 : static_cast<double>(xid->second));
  }
}

// Of a GPU that is cut by MIG, each instance has its own.
void AddMemory(Families& out, const NodeState& state, const gpu::Inventory& inventory,
               const sight::Sight& sight) {
  using Value = std::function<std::optional<double>(const gpu::MemoryUse&)>;
  const auto each = [&](const char* name, const Value& value) {
    out.Open(name);
    const auto add = [&](const std::string& uuid, const std::vector<std::string>& labels) {
      const auto account = sight.accounts().find(uuid);
      if (account == sight.accounts().end() || !account->second.memory) return;
      if (const auto number = value(*account->second.memory)) out.Add(labels, *number);
    };
    for (const gpu::Gpu& gpu : inventory.gpus) {
      if (!gpu.mig_enabled) add(gpu.uuid, Labels(state, gpu, nullptr));
      for (const gpu::MigDevice& mig : gpu.mig_devices) add(mig.uuid, Labels(state, gpu, &mig));
    }
  };
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / kMiB; };
  each("FB_FREE",
       [&](const gpu::MemoryUse& use) -> std::optional<double> { return mib(use.free); });
  each("FB_USED",
       [&](const gpu::MemoryUse& use) -> std::optional<double> { return mib(use.used); });
  each("FB_RESERVED", [](const gpu::MemoryUse& use) { return As(use.reserved, kMiB); });
}

}  // namespace

const std::vector<MetricText>& DcgmMetricTexts() {
  static const std::vector<MetricText> all = [] {
    constexpr MetricKind kGauge = MetricKind::kGauge;
    constexpr MetricKind kCounter = MetricKind::kCounter;
    std::vector<MetricText> texts{
        {"SM_CLOCK", kGauge, {}, "Clock of the multiprocessors, in MHz."},
        {"MEM_CLOCK", kGauge, {}, "Clock of the memory, in MHz."},
        {"MEMORY_TEMP", kGauge, {}, "Temperature of the memory, in degrees Celsius."},
        {"GPU_TEMP", kGauge, {}, "Temperature of the GPU, in degrees Celsius."},
        {"POWER_USAGE", kGauge, {}, "Power, in W."},
        {"TOTAL_ENERGY_CONSUMPTION", kCounter, {}, "Energy since the driver was loaded, in mJ."},
        {"PCIE_REPLAY_COUNTER", kCounter, {}, "Retries on the PCIe link."},
        {"GPU_UTIL", kGauge, {}, "For how much of the last moment something computed, in percent."},
        {"MEM_COPY_UTIL",
         kGauge,
         {},
         "For how much of the last moment memory was read or written, in percent."},
        {"ENC_UTIL", kGauge, {}, "How busy the encoder is, in percent."},
        {"DEC_UTIL", kGauge, {}, "How busy the decoder is, in percent."},
        {"XID_ERRORS", kGauge, {}, "The last XID that was seen; 0 where none was."},
        {"FB_FREE", kGauge, {}, "Free memory, in MiB."},
        {"FB_USED", kGauge, {}, "Used memory, in MiB."},
        {"FB_RESERVED", kGauge, {}, "Memory that the driver keeps, in MiB."},
        {"UNCORRECTABLE_REMAPPED_ROWS",
         kCounter,
         {},
         "Rows of memory replaced for errors that could not be corrected."},
        {"CORRECTABLE_REMAPPED_ROWS",
         kCounter,
         {},
         "Rows of memory replaced for errors that could be corrected."},
        {"ROW_REMAP_FAILURE", kGauge, {}, "Whether a row of memory could not be replaced."},
    };
    for (MetricText& text : texts) {
      text.name.insert(0, kPrefix);
      text.labels = {"gpu",      "UUID",      "pci_bus_id",
                     "device",   "modelName", "GPU_I_PROFILE",
                     "GPU_I_ID", "Hostname",  "DCGM_FI_DRIVER_VERSION"};
    }
    return texts;
  }();
  return all;
}

std::string DcgmMetricsText(const NodeState& state, const gpu::Inventory& inventory,
                            const sight::Sight& sight) {
  Families out(DcgmMetricTexts(), kPrefix, kMaxSeries);
  AddReadings(out, state, inventory, sight);
  AddXids(out, state, inventory);
  AddMemory(out, state, inventory, sight);
  return std::move(out).Text();
}

}  // namespace tranche::node::status
