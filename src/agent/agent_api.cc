// Agent and the API server: the client, made when something asks for it, and who gets it.
#include <utility>

#include "agent/agent.h"
#include "profile/last_good.h"

namespace tranche::agent {

namespace {

using base::Code;
using base::Kv;

// No libcurl, no token yet: how often to look again.
constexpr base::Duration kConnectRetry = std::chrono::seconds(10);
// A driver that hangs must not keep the agent from saying so.
constexpr base::Duration kConnectAtLast = std::chrono::seconds(1);

// The API server is away or has too much to do: an Event from each node would not help it.
bool IsOverload(const base::Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded ||
         status.code() == Code::kResourceExhausted;
}

}  // namespace

std::unique_ptr<profile::ConfigSource> Agent::NewSource() {
  const auto changed = [this] {
    if (driver_known_) configurator_->Refresh(false);
    MarkDirty();
  };
  if (!options_.cluster.Any()) return profile::ConfigSource::New(loop_, options_.config, changed);
  auto source =
      std::make_unique<profile::ClusterSource>(loop_, options_.config, options_.cluster, changed);
  cluster_ = source.get();
  return source;
}

bool Agent::WantsApi() const {
  return options_.cluster.Any() || options_.events || options_.labels.NeedsApi();
}

// Loading libcurl takes the time in which an agent that has a last good config registers: that one
// connects after it has been applied (Settled). One that has none waits for the answer anyway.
void Agent::BeginApi() {
  if (!WantsApi()) return;
  if (!profile::LoadLastGood(options_.StateDirectory()).ok()) return ConnectApi();
  api_timer_ = loop_.RunAfter(kConnectAtLast, [this] { ConnectApi(); });
}

void Agent::ConnectApi() {
  loop_.CancelTimer(api_timer_);
  api_timer_ = 0;
  if (api_ != nullptr || !WantsApi() || ending_) return;
  api_tried_ = true;
  auto connection = options_.new_api(loop_);
  if (!connection.ok()) {
    api_status_ = connection.status();
    if (rarely_("api " + api_status_.message(), loop_.Now())) {
      base::LogWarning("cannot ask the API server", {Kv("error", api_status_.message())});
    }
    api_timer_ = loop_.RunAfter(kConnectRetry, [this] { ConnectApi(); });
    if (cluster_ != nullptr) cluster_->CannotConnect(api_status_);
    return MarkDirty();
  }
  api_status_ = base::Status::Ok();
  api_ = std::move(connection->client);
  if (cluster_ != nullptr) cluster_->Connect(*api_, connection->default_namespace);
  if (node_events_ != nullptr) node_events_->Connect(*api_);
  AttachLabels();
  MarkDirty();
}

// In the same turn of the loop as the plan is applied, so that labels and capacity part for no
// longer than one update.
void Agent::UpdateLabels(const config::Config& config, const plan::Plan& plan) {
  if (options_.labels.kind == "none") return;
  if (!labels_.attached()) label_outlet_.file = config.flags.gfd.output_file;
  labels_.Update(config, inventory_, &plan);
  AttachLabels();
}

void Agent::AttachLabels() {
  // The file to write is known once a config has been applied.
  if (labels_.attached() || labels_.labels().empty()) return;
  if (label_outlet_.NeedsApi() && api_ == nullptr) return;
  labels_.Attach(
      labels::NewOutlet(loop_, label_outlet_, api_.get(), [this](const base::Status& status) {
        if (label_outlet_.NeedsApi() && IsOverload(status)) {
          if (rarely_("labels " + status.message(), loop_.Now())) {
            base::LogWarning("labels not published yet", {Kv("error", status.message())});
          }
          return;
        }
        if (!status.ok() && status.message() != label_status_.message()) {
          Event("Warning", "LabelsNotPublished", status.message());
        } else if (status.ok() && !label_status_.ok()) {
          Event("Normal", "LabelsPublished", "the node's labels are as they should be");
        }
        label_status_ = status;
      }));
}

profile::KubernetesState Agent::KubernetesSnapshot() const {
  profile::KubernetesState state;
  if (!WantsApi()) return state;
  state.used = true;
  state.api = api_status_.ok() ? profile::kInSync : api_status_.message();
  if (cluster_ != nullptr) cluster_->Describe(state);
  if (node_events_ != nullptr) state.events = node_events_->state();
  return state;
}

}  // namespace tranche::agent
