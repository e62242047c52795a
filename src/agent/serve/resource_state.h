// ResourceState describes one advertised resource of a ServedSet at this moment, for reports.
//
// Threading: plain data.
// Errors: none; `error` is the resource's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tranche::agent::serve {

struct ResourceState {
  std::string name;
  std::string original;
  std::string endpoint;  // socket's basename
  std::string phase;     // "starting" | "registering" | "waiting for the kubelet" | "serving"
  bool shared = false;
  int devices = 0;
  int healthy = 0;
  std::optional<int> held;  // ids that pods hold now; absent: holders unknown
  std::uint64_t registrations = 0;
  std::uint64_t allocations = 0;
  std::uint64_t refusals = 0;
  std::string error;  // last registration failure, "" when serving
};

}  // namespace tranche::agent::serve
