// Config is the validated sharing configuration: what a `version: v1` file, flags and environment
// say together.
//
// It is built by LoadConfig only (config/load.h). Field names follow the keys of the file, and
// every default is upstream's. Units are in the names or types.
//
// Threading: a plain value that does not change once it is built.
// Errors: none; LoadConfig has refused what is not valid.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tranche::config {

enum class MigStrategy { kNone, kSingle, kMixed };
enum class DeviceListStrategy { kEnvvar, kVolumeMounts, kCdiAnnotations, kCdiCri };
enum class DeviceIdStrategy { kUuid, kIndex };
enum class AllocationPolicy { kDistributed, kPacked, kSpread };

struct PluginFlags {
  bool pass_device_specs = false;
  std::vector<DeviceListStrategy> device_list_strategy{DeviceListStrategy::kEnvvar};
  DeviceIdStrategy device_id_strategy = DeviceIdStrategy::kUuid;
  std::string cdi_annotation_prefix = "cdi.k8s.io/";
  std::string nvidia_ctk_path = "/usr/bin/nvidia-ctk";  // the CDI hook program, a host path
  std::string container_driver_root = "/driver-root";
  AllocationPolicy shared_devices_allocation_policy = AllocationPolicy::kDistributed;

  [[nodiscard]] bool Uses(DeviceListStrategy strategy) const {
    for (DeviceListStrategy used : device_list_strategy) {
      if (used == strategy) return true;
    }
    return false;
  }
};

struct GfdFlags {
  bool oneshot = false;
  bool no_timestamp = false;
  std::optional<std::chrono::nanoseconds> sleep_interval{
      std::chrono::seconds(60)};  // none: infinite
  std::string output_file = "/etc/kubernetes/node-feature-discovery/features.d/gfd";
  std::string machine_type_file = "/sys/class/dmi/id/product_name";
};

struct Flags {
  MigStrategy mig_strategy = MigStrategy::kNone;
  bool fail_on_init_error = true;
  std::string mps_root;
  std::string nvidia_driver_root = "/";
  std::string nvidia_dev_root;  // as written; DevRoot() is what to use
  bool gdrcopy_enabled = false;
  bool gds_enabled = false;
  bool mofed_enabled = false;
  std::optional<bool> use_node_feature_api;
  std::string device_discovery_strategy = "auto";
  PluginFlags plugin;
  GfdFlags gfd;
  std::vector<std::string> cdi_feature_flags;  // CLI and environment only
  std::vector<std::string> cdi_disable_hooks;  // CLI and environment only

  [[nodiscard]] const std::string& DevRoot() const {
    return nvidia_dev_root.empty() ? nvidia_driver_root : nvidia_dev_root;
  }
};

// One entry of sharing.timeSlicing.resources.
struct ReplicatedResource {
  std::string name;    // fully qualified, "nvidia.com/gpu"
  std::string rename;  // "" or the name it is advertised under (only by renameByDefault)
  int replicas = 1;    // 1 means not shared
  int line = 0;        // where it is in the file, 0 when unknown
};

struct TimeSlicing {
  bool rename_by_default = false;
  bool fail_requests_greater_than_one = false;
  std::vector<ReplicatedResource> resources;
};

struct Imex {
  std::vector<int> channel_ids;
  bool required = false;
};

// ---- the `tranche:` key (docs/configuration.md) ----

// A GPU or MIG device as a config names it: by index ("0", "0:1") or UUID.
struct DeviceRef {
  std::string text;
  friend bool operator==(const DeviceRef&, const DeviceRef&) = default;
  friend bool operator<(const DeviceRef& a, const DeviceRef& b) { return a.text < b.text; }
};

enum class EnforceMode { kOff, kObserve, kEnforce };

// Bytes, or thousandths of the whole device.
struct Bytes {
  std::uint64_t bytes = 0;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};
struct Milli {
  int thousandths = 0;
  friend bool operator==(const Milli&, const Milli&) = default;
};
using MemoryAmount = std::variant<Bytes, Milli>;

struct MemoryOptions {
  EnforceMode mode = EnforceMode::kObserve;
  std::optional<MemoryAmount> limit;  // none: (device memory - reserve) / replicas
  std::optional<MemoryAmount> max;    // none: limit
  MemoryAmount reserve = Bytes{512ULL << 20U};
  bool arbiter_away_open = true;
};

struct TrancheResource {
  std::string name;                               // as in sharing.timeSlicing.resources
  std::optional<std::vector<DeviceRef>> devices;  // none: all
  std::string rename;                             // "": keep
  std::map<DeviceRef, int> replicas_per_device;   // 1 means not shared
  std::optional<AllocationPolicy> allocation_policy;
  bool drain_before_exclusive = false;
  std::optional<MemoryOptions> memory;  // for these devices alone, in place of the general one
  int line = 0;
};

enum class Recovery { kAuto, kReset, kNever };

struct HealthOptions {
  Recovery recovery = Recovery::kAuto;
  std::chrono::nanoseconds quiet_period = std::chrono::seconds(60);
};

struct TimeOptions {
  EnforceMode mode = EnforceMode::kObserve;
  int weight = 100;
  int max_weight = 100;
  Milli min{0};
  Milli max{1000};
  std::string time_class = "standard";
  std::vector<std::string> classes{"standard", "best-effort"};
};

struct TrancheOptions {
  std::vector<TrancheResource> resources;
  HealthOptions health;
  std::optional<MemoryOptions> memory;
  std::optional<TimeOptions> time;
};

struct Config {
  Flags flags;
  TimeSlicing time_slicing;
  Imex imex;
  TrancheOptions tranche;
};

}  // namespace tranche::config
