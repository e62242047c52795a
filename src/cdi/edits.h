// Edits are what a CDI device, or a whole spec, does to a container. They are plain values that
// become JSON.
//
// Simplify's rules (no entry twice, nothing of the common part repeated in a device, shallow paths
// first) are those of NVIDIA's nvcdi library, so that both programs write the same document.
//
// Threading: plain values and functions, safe on any thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace tranche::cdi {

struct DeviceNode {
  std::string path;       // in the container
  std::string host_path;  // "" where it is the same
  std::int64_t major = 0;
  std::int64_t minor = 0;
  unsigned file_mode = 0;
  unsigned gid = 0;
  std::string permissions;
  friend bool operator==(const DeviceNode&, const DeviceNode&) = default;
};

struct Mount {
  std::string host_path;
  std::string container_path;
  std::vector<std::string> options;
  friend bool operator==(const Mount&, const Mount&) = default;
};

// Always of the createContainer stage: run by the runtime with the host's files, in the container's
// namespaces, before pivot_root.
struct Hook {
  std::string path;
  std::vector<std::string> args;
  std::vector<std::string> env;
  friend bool operator==(const Hook&, const Hook&) = default;
};

struct Edits {
  std::vector<std::string> env;
  std::vector<DeviceNode> device_nodes;
  std::vector<Hook> hooks;
  std::vector<Mount> mounts;
  [[nodiscard]] bool empty() const {
    return env.empty() && device_nodes.empty() && hooks.empty() && mounts.empty();
  }
};

struct Device {
  std::string name;
  Edits edits;
};

struct Spec {
  std::string kind;
  std::vector<Device> devices;
  Edits common;
};

// Appends all of `more`.
void Append(Edits& edits, const Edits& more);

// Removes doubles, takes out of each device what the common part has (unless nothing would be left,
// which CDI forbids), sorts nodes and mounts by depth and path, and devices by name.
void Simplify(Spec& spec);

// Host paths under `from` become the same under `to`; nothing is done where they are equal.
void MoveHostPaths(Spec& spec, const std::string& from, const std::string& to);

// With the lowest cdiVersion that allows what is used: old runtimes refuse newer ones.
base::Json ToJson(const Spec& spec);

}  // namespace tranche::cdi
