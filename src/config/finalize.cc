#include "config/finalize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "config/schema.h"

namespace tranche::config {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

template <class E>
struct Word {
  std::string_view text;
  E value;
};
constexpr std::array<Word<DeviceListStrategy>, 4> kListStrategies{
    {{"envvar", DeviceListStrategy::kEnvvar},
     {"volume-mounts", DeviceListStrategy::kVolumeMounts},
     {"cdi-annotations", DeviceListStrategy::kCdiAnnotations},
     {"cdi-cri", DeviceListStrategy::kCdiCri}}};
constexpr std::array<Word<DeviceIdStrategy>, 2> kIdStrategies{
    {{"uuid", DeviceIdStrategy::kUuid}, {"index", DeviceIdStrategy::kIndex}}};
constexpr std::array<Word<AllocationPolicy>, 2> kPolicies{
    {{"distributed", AllocationPolicy::kDistributed}, {"packed", AllocationPolicy::kPacked}}};
constexpr std::array<Word<MigStrategy>, 3> kMigStrategies{{{"none", MigStrategy::kNone},
                                                           {"single", MigStrategy::kSingle},
                                                           {"mixed", MigStrategy::kMixed}}};

template <class E, std::size_t N>
bool Read(const std::array<Word<E>, N>& words, std::string_view text, E& out) {
  for (const Word<E>& word : words) {
    if (word.text != text) continue;
    out = word.value;
    return true;
  }
  return false;
}

// A folder of the host: absolute, as short as it can be written.
std::string CleanRoot(const std::string& given) {
  std::string root = std::filesystem::path("/" + given).lexically_normal().string();
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  return root;
}

class Finalizer {
 public:
  Finalizer(const FileModel& model, Reader reader, Config& config)
      : model_(model), plugin_(reader == Reader::kPlugin), config_(config) {}

  std::optional<Failure> Run() {
    for (const auto step :
         {&Finalizer::Numbers, &Finalizer::ListStrategy, &Finalizer::IdStrategy, &Finalizer::Policy,
          &Finalizer::Mps, &Finalizer::Discovery, &Finalizer::Mig, &Finalizer::ImexIds}) {
      if (auto failure = (this->*step)()) return failure;
    }
    Plain();
    return std::nullopt;
  }

 private:
  [[nodiscard]] Mark MarkOf(const std::string& flag) const {
    const auto found = model_.marks.find(flag);
    return found == model_.marks.end() ? Mark() : found->second;
  }

  [[nodiscard]] Failure Invalid(const std::string& flag, const std::string& message) const {
    const auto origin = model_.origins.find(flag);
    const bool named = origin != model_.origins.end() && !origin->second.empty();
    return {base::Code::kInvalidArgument, (named ? origin->second + ": " : "") + message,
            MarkOf(flag)};
  }

  // What upstream takes and nobody can mean.
  std::optional<Failure> Numbers() {
    const FileGfd& gfd = model_.flags.gfd;
    if (gfd.sleep_interval_bare && gfd.sleep_interval.value_or(0) < kNanosecondsPerSecond) {
      const std::int64_t number = *gfd.sleep_interval;
      return Failure{base::Code::kInvalidArgument,
                     fmt::format("flags.gfd.sleepInterval: {} without a unit means nanoseconds; "
                                 "write \"{}s\" for seconds",
                                 number, std::max<std::int64_t>(number, 1)),
                     MarkOf("sleep-interval")};
    }
    for (const FileResource& resource : model_.time_slicing.resources) {
      if (resource.replicas <= kMaxReplicas) continue;
      return Failure{base::Code::kOutOfRange,
                     fmt::format("number of replicas must be <= {}", kMaxReplicas),
                     resource.replicas_mark};
    }
    return std::nullopt;
  }

  std::optional<Failure> ListStrategy() {
    const auto& given = model_.flags.plugin.device_list_strategy;
    if (!given) return std::nullopt;
    auto& out = config_.flags.plugin.device_list_strategy;
    out.clear();
    for (const std::string& word : *given) {
      DeviceListStrategy strategy{};
      if (!Read(kListStrategies, word, strategy)) {
        if (!plugin_) continue;
        return Invalid("device-list-strategy",
                       "invalid --device-list-strategy option: invalid strategy: " + word);
      }
      if (!config_.flags.plugin.Uses(strategy)) out.push_back(strategy);
    }
    return std::nullopt;
  }

  std::optional<Failure> IdStrategy() {
    const auto& given = model_.flags.plugin.device_id_strategy;
    auto& out = config_.flags.plugin.device_id_strategy;
    if (!given || Read(kIdStrategies, *given, out) || !plugin_) return std::nullopt;
    return Invalid("device-id-strategy", "invalid --device-id-strategy option: " + *given);
  }

  std::optional<Failure> Policy() {
    const auto& given = model_.flags.plugin.shared_devices_allocation_policy;
    auto& out = config_.flags.plugin.shared_devices_allocation_policy;
    if (!given || Read(kPolicies, *given, out) || !plugin_) return std::nullopt;
    return Invalid("shared-devices-allocation-policy",
                   "invalid --shared-devices-allocation-policy option: " + *given);
  }

  std::optional<Failure> Mps() {
    if (!model_.mps) return std::nullopt;
    return Failure{base::Code::kUnimplemented,
                   "sharing.mps is not supported: share by time with sharing.timeSlicing",
                   model_.mps->mark};
  }

  std::optional<Failure> Discovery() {
    const std::string given = model_.flags.device_discovery_strategy.value_or("auto");
    if (given == "tegra" || given == "vfio") {
      Failure failure = Invalid("device-discovery-strategy",
                                "device-discovery-strategy " + given +
                                    " is not supported: only GPUs that NVML reports are (auto or "
                                    "nvml)");
      failure.code = base::Code::kUnimplemented;
      return failure;
    }
    if (given != "auto" && given != "nvml") {
      return Invalid("device-discovery-strategy",
                     "invalid --device-discovery-strategy option " + given);
    }
    config_.flags.device_discovery_strategy = given;
    return std::nullopt;
  }

  std::optional<Failure> Mig() {
    const auto& given = model_.flags.mig_strategy;
    if (!given || Read(kMigStrategies, *given, config_.flags.mig_strategy)) return std::nullopt;
    if (given->empty() && !plugin_) return std::nullopt;
    return Invalid("mig-strategy", "unknown MIG strategy: " + *given);
  }

  std::optional<Failure> ImexIds() {
    const auto& ids = model_.imex_channel_ids;
    if (!plugin_) return std::nullopt;
    if (ids.size() > 1 || (ids.size() == 1 && ids[0] != 0)) {
      return Invalid(
          "imex-channel-ids",
          fmt::format("invalid IMEX channel IDs: invalid IMEX config: channelIDs must "
                      "be [] or [0]; found [{}]",
                      fmt::join(ids.begin(),
                                ids.begin() + std::min<std::ptrdiff_t>(std::ssize(ids), 32), " ")));
    }
    for (const std::int64_t id : ids) config_.imex.channel_ids.push_back(static_cast<int>(id));
    config_.imex.required = model_.imex_required;
    return std::nullopt;
  }

  // Everything that needs no check.
  void Plain() {
    const FileFlags& from = model_.flags;
    Flags& to = config_.flags;
    const auto take = [](auto& out, const auto& given) {
      if (given) out = *given;
    };
    take(to.fail_on_init_error, from.fail_on_init_error);
    take(to.mps_root, from.mps_root);
    if (from.nvidia_driver_root) to.nvidia_driver_root = CleanRoot(*from.nvidia_driver_root);
    if (!from.nvidia_dev_root.value_or("").empty()) {
      to.nvidia_dev_root = CleanRoot(*from.nvidia_dev_root);
    }
    take(to.gdrcopy_enabled, from.gdrcopy_enabled);
    take(to.gds_enabled, from.gds_enabled);
    take(to.mofed_enabled, from.mofed_enabled);
    to.use_node_feature_api = from.use_node_feature_api;
    take(to.plugin.pass_device_specs, from.plugin.pass_device_specs);
    take(to.plugin.cdi_annotation_prefix, from.plugin.cdi_annotation_prefix);
    take(to.plugin.nvidia_ctk_path, from.plugin.nvidia_ctk_path);
    take(to.plugin.container_driver_root, from.plugin.container_driver_root);
    take(to.gfd.oneshot, from.gfd.oneshot);
    take(to.gfd.no_timestamp, from.gfd.no_timestamp);
    take(to.gfd.output_file, from.gfd.output_file);
    take(to.gfd.machine_type_file, from.gfd.machine_type_file);
    if (from.gfd.sleep_interval) {
      constexpr auto kInfinite = std::numeric_limits<std::int64_t>::max();
      to.gfd.sleep_interval.reset();
      if (*from.gfd.sleep_interval != kInfinite) {
        to.gfd.sleep_interval = std::chrono::nanoseconds(*from.gfd.sleep_interval);
      }
    }
    to.cdi_feature_flags = from.cdi_feature_flags;
    to.cdi_disable_hooks = from.cdi_disable_hooks;
    Sharing();
  }

  void Sharing() {
    TimeSlicing& out = config_.time_slicing;
    out.rename_by_default = model_.time_slicing.rename_by_default;
    out.fail_requests_greater_than_one =
        model_.time_slicing.fail_requests_greater_than_one.value_or(false);
    for (const FileResource& resource : model_.time_slicing.resources) {
      out.resources.push_back({resource.name, resource.rename, static_cast<int>(resource.replicas),
                               resource.mark.line});
    }
  }

  const FileModel& model_;
  const bool plugin_;
  Config& config_;
};

}  // namespace

std::optional<Failure> Finalize(const FileModel& model, Reader reader, Config& config) {
  return Finalizer(model, reader, config).Run();
}

void WarnOfSharing(const FileModel& model, std::vector<Diagnostic>& warnings) {
  std::map<std::string, int> seen;
  for (const FileResource& resource : model.time_slicing.resources) {
    const auto [first, fresh] = seen.emplace(resource.name, resource.mark.line);
    if (fresh) continue;
    warnings.push_back({Severity::kWarning,
                        fmt::format("resource '{}' is listed twice (first on line {}): the larger "
                                    "number of replicas counts",
                                    resource.name, first->second),
                        resource.mark.line, resource.mark.column});
  }
}

}  // namespace tranche::config
