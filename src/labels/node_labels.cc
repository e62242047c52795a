#include "labels/node_labels.h"

#include <utility>

namespace tranche::labels {

namespace {

using base::Code;
using base::Status;
using daemon::EventType;

bool IsOverload(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded ||
         status.code() == Code::kResourceExhausted;
}

}  // namespace

NodeLabels::NodeLabels(base::EventLoop& loop, OutletChoice choice, const std::string& sys_root,
                       daemon::RaiseEvent event)
    : loop_(loop),
      choice_(std::move(choice)),
      event_(std::move(event)),
      rarely_(std::chrono::minutes(5)),
      publisher_(sys_root) {}

void NodeLabels::Connect(apiserver::ApiClient& api) {
  api_ = &api;
  AttachOutlet();
}

void NodeLabels::Update(const config::Config& config, const gpu::Inventory& inventory,
                        const plan::Plan& plan) {
  if (choice_.kind == "none") return;
  if (!publisher_.attached()) choice_.file = config.flags.gfd.output_file;
  publisher_.Update(config, inventory, &plan);
  AttachOutlet();
}

// The file to write is known once a config has been applied.
void NodeLabels::AttachOutlet() {
  if (publisher_.attached() || publisher_.labels().empty()) return;
  if (choice_.NeedsApi() && api_ == nullptr) return;
  publisher_.Attach(
      NewOutlet(loop_, choice_, api_, [this](const Status& status) { Published(status); }));
}

void NodeLabels::Published(const Status& status) {
  if (choice_.NeedsApi() && IsOverload(status)) {
    if (rarely_(status.message(), loop_.Now())) {
      base::LogWarning("labels not published yet", {base::Kv("error", status.message())});
    }
    return;
  }
  if (!status.ok() && status.message() != status_.message()) {
    event_(EventType::kWarning, "LabelsNotPublished", status.message());
  } else if (status.ok() && !status_.ok()) {
    event_(EventType::kNormal, "LabelsPublished", "the node's labels are as they should be");
  }
  status_ = status;
}

}  // namespace tranche::labels
