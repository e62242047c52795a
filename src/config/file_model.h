// FileModel is what a config file says, key by key, before flags, defaults and validation:
// upstream's own struct, with an absent key kept apart from every value.
//
// Threading: a plain value, and a plain function.
// Errors: a flag whose value cannot be read is a Status that names it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/load.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Mark;

struct FilePlugin {
  std::optional<bool> pass_device_specs;
  std::optional<std::vector<std::string>> device_list_strategy;
  std::optional<std::string> device_id_strategy;
  std::optional<std::string> cdi_annotation_prefix;
  std::optional<std::string> nvidia_ctk_path;
  std::optional<std::string> container_driver_root;
  std::optional<std::string> shared_devices_allocation_policy;
};

struct FileGfd {
  std::optional<bool> oneshot;
  std::optional<bool> no_timestamp;
  std::optional<std::int64_t> sleep_interval;  // nanoseconds; INT64_MAX is infinite
  bool sleep_interval_bare = false;            // written as a number
  std::optional<std::string> output_file;
  std::optional<std::string> machine_type_file;
};

struct FileFlags {
  std::optional<std::string> mig_strategy;
  std::optional<bool> fail_on_init_error;
  std::optional<std::string> mps_root;
  std::optional<std::string> nvidia_driver_root;
  std::optional<std::string> nvidia_dev_root;
  std::optional<bool> gdrcopy_enabled;
  std::optional<bool> gds_enabled;
  std::optional<bool> mofed_enabled;
  std::optional<bool> use_node_feature_api;
  std::optional<std::string> device_discovery_strategy;
  FilePlugin plugin;
  FileGfd gfd;
  std::vector<std::string> cdi_feature_flags;  // never from a file
  std::vector<std::string> cdi_disable_hooks;
};

struct FileResource {
  std::string name;
  std::string rename;
  bool all_devices = true;
  std::int64_t replicas = 0;
  Mark mark;           // the entry
  Mark replicas_mark;  // its replicas
};

struct FileSharing {
  bool rename_by_default = false;
  std::optional<bool> fail_requests_greater_than_one;
  std::vector<FileResource> resources;
  Mark mark;
};

struct FileModel {
  std::string version;
  FileFlags flags;
  bool customises_resources = false;  // `resources:` has a rule
  FileSharing time_slicing;
  std::optional<FileSharing> mps;
  std::vector<std::int64_t> imex_channel_ids;
  bool imex_required = false;
  std::map<std::string, Mark> marks;           // where the file sets a flag (by its long name)
  std::map<std::string, std::string> origins;  // the flag or variable that set one instead
};

// Replaces what the file said. A name that is no config key ("config-file", "kubelet-socket", flags
// of our own) is left alone. kInvalidArgument where the value is not of the flag's kind.
base::Status ApplyOverride(const Override& given, FileModel& model);

}  // namespace tranche::config
