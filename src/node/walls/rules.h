// Which walls a profile asks for: a rule for each device that has one (plan/enforced_memory.h).
//
// Threading: plain functions.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "config/config.h"
#include "gpu/device.h"
#include "plan/plan.h"

namespace tranche::node::walls {

struct Rule {
  std::uint64_t device_bytes = 0;
  std::uint64_t reserve_bytes = 0;
  std::optional<std::uint64_t> limit_bytes;  // of one replica
  int replicas = 1;
  bool away_open = true;
  friend bool operator==(const Rule&, const Rule&) = default;
};

// By the UUID of the GPU or MIG device.
using Rules = std::map<std::string, Rule>;

Rules RulesOf(const config::Config& config, const plan::Plan& plan,
              const gpu::Inventory& inventory);

}  // namespace tranche::node::walls
