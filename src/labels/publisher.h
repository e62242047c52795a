// LabelPublisher keeps a node's labels in step with what is served. It receives each plan as it is
// applied, makes the labels from that very plan, and hands them to an outlet where they differ.
//
// Threading: the loop's thread.
// Errors: none of its own; the outlet reports what it cannot write.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "config/config.h"
#include "gpu/device.h"
#include "labels/labels.h"
#include "labels/outlet.h"
#include "plan/plan.h"

namespace tranche::labels {

class LabelPublisher {
 public:
  // `sys_root` is a prefix for /sys (simulated nodes).
  explicit LabelPublisher(std::string sys_root);

  // From now on labels go to `outlet`; those that have been made already go there at once.
  void Attach(std::unique_ptr<LabelOutlet> outlet);
  [[nodiscard]] bool attached() const { return outlet_ != nullptr; }

  // What is in force now. `plan` is nullptr where nothing can be served.
  void Update(const config::Config& config, const gpu::Inventory& inventory,
              const plan::Plan* plan);
  // Starts the labels again: they get a new timestamp and are written again.
  void Restart();
  void Withdraw();

  [[nodiscard]] const Labels& labels() const { return labels_; }

 private:
  std::unique_ptr<LabelOutlet> outlet_;
  const std::string sys_root_;
  std::string timestamp_;
  bool made_ = false;
  Labels labels_;
  std::vector<std::string> warnings_;
};

}  // namespace tranche::labels
