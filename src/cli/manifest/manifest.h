// Sharing configs in what a person has at hand: a bare file, a ConfigMap or a bare `data:` of one,
// the Helm values of NVIDIA's charts (alone, in a HelmRelease, an Argo CD Application or another
// object that carries values), Lists, and several documents in one file.
//
// Threading: pure; any thread.
// Errors: none. What is wrong with the carrier of a config stands beside the config; what a config
// has of its own mistakes is for whoever reads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/manifest/document.h"
#include "config/load.h"

namespace tranche::cli::manifest {

struct FoundProfile {
  std::string name;     // its key, "" for a bare config
  std::string carrier;  // the object that it lies in, "ConfigMap time-slicing-config"; "" if bare
  int line = 0;         // of the file, where it starts
  std::string text;
  Origin origin;
  std::optional<config::Diagnostic> broken;  // why the carrier does not carry it; `text` is empty
};

// A document, or a ConfigMap, that holds no sharing config.
struct PassedOver {
  int line = 0;
  std::string what;  // "Deployment web", "a config of mig-parted (the MIG manager)"
};

// An object that only names the ConfigMap, and the profile that counts by default.
struct Reference {
  int line = 0;
  std::string from;  // "ClusterPolicy cluster-policy"
  std::string config_map;
  std::string profile;  // "" where none is named
};

struct Manifest {
  std::vector<FoundProfile> profiles;
  std::vector<PassedOver> passed;
  std::vector<Reference> references;
  std::vector<config::Diagnostic> unreadable;  // documents that are no YAML

  [[nodiscard]] bool empty() const { return profiles.empty() && references.empty(); }
};

// What one file may hold; memory and time are bounded by it. More makes it unreadable.
inline constexpr std::size_t kMaxProfiles = 1000;

Manifest ReadManifest(std::string_view file);

}  // namespace tranche::cli::manifest
