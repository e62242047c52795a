// Configurations for tests, as short as they can be said. Plain functions, for any thread.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "config/load.h"

namespace tranche::config::testing {

// The validated config of `body`, the lines below "version: v1"; `flags` as on a command line.
inline Config Configured(const std::string& body, const std::vector<Override>& flags = {}) {
  auto loaded = LoadConfig("version: v1\n" + body, "test.yaml", {}, flags);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? std::move(loaded->config) : Config();
}

inline Override Flag(const std::string& name, std::vector<std::string> values) {
  return {.flag = name, .values = std::move(values), .origin = "--" + name};
}

// `replicas` of nvidia.com/gpu by time-slicing; `more` below timeSlicing.
inline std::string Shared(int replicas, const std::string& more = "") {
  return "sharing:\n  timeSlicing:\n" + more +
         "    resources:\n    - name: nvidia.com/gpu\n      replicas: " + std::to_string(replicas) +
         "\n";
}

}  // namespace tranche::config::testing
