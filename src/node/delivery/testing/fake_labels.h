// FakeLabels stands in for a kernel with SELinux: files have the label of /var/lib where they were
// given no other.
//
// Threading: one thread at a time.
// Errors: Write is refused where `refuses` says so.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "node/delivery/container_labels.h"

namespace tranche::node::delivery::testing {

class FakeLabels final : public FileLabels {
 public:
  bool InForce() override { return in_force; }
  base::Result<std::string> Read(const std::string& path) override {
    const auto found = on_disk.find(path);
    return found != on_disk.end() ? found->second : std::string("system_u:object_r:var_lib_t:s0");
  }
  base::Status Write(const std::string& path, const std::string& label) override {
    if (refuses) return {base::Code::kPermissionDenied, "permission denied"};
    on_disk[path] = label;
    written.emplace_back(path, label);
    return base::Status::Ok();
  }

  bool in_force = true;
  bool refuses = false;
  std::map<std::string, std::string> on_disk;
  std::vector<std::pair<std::string, std::string>> written;
};

}  // namespace tranche::node::delivery::testing
