#include "labels/publisher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "labels/facts.h"

namespace tranche::labels {

LabelPublisher::LabelPublisher(std::string sys_root) : sys_root_(std::move(sys_root)) { Restart(); }

void LabelPublisher::Attach(std::unique_ptr<LabelOutlet> outlet) {
  outlet_ = std::move(outlet);
  if (outlet_ != nullptr && made_) outlet_->Publish(labels_);
}

void LabelPublisher::Restart() {
  using std::chrono::seconds;
  using std::chrono::system_clock;
  timestamp_ = std::to_string(
      std::chrono::duration_cast<seconds>(system_clock::now().time_since_epoch()).count());
  made_ = false;
}

void LabelPublisher::Update(const config::Config& config, const gpu::Inventory& inventory,
                            const plan::Plan* plan) {
  LabelFacts facts = ReadLabelFacts(config.flags.gfd.machine_type_file, sys_root_);
  if (!config.flags.gfd.no_timestamp) facts.timestamp = timestamp_;
  MadeLabels made = MakeLabels(config, inventory, plan, facts);
  for (const std::string& warning : made.warnings) {
    if (std::ranges::find(warnings_, warning) == warnings_.end()) base::LogWarning(warning);
  }
  warnings_ = std::move(made.warnings);
  if (made_ && made.labels == labels_) return;
  made_ = true;
  labels_ = std::move(made.labels);
  base::LogInfo("labels", {base::Kv("count", static_cast<std::uint64_t>(labels_.size()))});
  if (outlet_ != nullptr) outlet_->Publish(labels_);
}

void LabelPublisher::Withdraw() {
  if (outlet_ != nullptr) outlet_->Withdraw();
}

}  // namespace tranche::labels
