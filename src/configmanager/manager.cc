#include "configmanager/manager.h"

#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/time.h"
#include "config/load.h"
#include "configmanager/link.h"
#include "configmanager/signal.h"
#include "daemon/event_object.h"
#include "profile/file_source.h"

namespace tranche::configmanager {

namespace {

using base::Json;
using base::Kv;
using base::Status;

constexpr char kNothing[] = "/dev/null";
// When a person who looks at the log would like to know what it is waiting for.
constexpr base::Duration kPatience = std::chrono::seconds(5);
// An Event is a courtesy: the container does not wait long for it.
constexpr base::Duration kEventDeadline = std::chrono::seconds(2);

std::string Shown(const std::string& name) {
  return name.empty() ? std::string("none (the unshared default)") : name;
}

}  // namespace

ConfigManager::ConfigManager(base::EventLoop& loop, apiserver::ApiClient& api,
                             ConfigManagerOptions options, std::function<void(int)> finished)
    : loop_(loop),
      api_(api),
      options_(std::move(options)),
      finished_(std::move(finished)),
      rarely_(std::chrono::minutes(1)),
      patience_timer_(loop),
      wait_timer_(loop),
      retry_timer_(loop),
      // Only for what it lists and watches: which of it to choose is decided here, by the label.
      source_(profile::NewFileSource(loop,
                                     {.config_file = "",
                                      .profiles_directory = options_.source_directory,
                                      .profile = "",
                                      .profile_file = "",
                                      .default_profile = "",
                                      .fallbacks = {}},
                                     [this] { SourceChanged(); })),
      node_("node " + options_.node_name, [this] { NodeChanged(); }),
      runner_(loop) {
  patience_timer_.Start(kPatience, [this] { StillWaiting(); });
  wait_timer_.Start(Linked() ? kWaitWithLink : kWait, [this] { WaitedLongEnough(); });
  node_.Begin(api_, "/api/v1/nodes", options_.node_name, apiserver::ReplyForm::kMetadata);
}

bool ConfigManager::Linked() const { return base::Exists(options_.destination); }

// ---- the label ----

void ConfigManager::NodeChanged() {
  ServerAnswers(node_.status());
  if (node_.known() == apiserver::WatchedObject::Known::kPresent) return ReadLabel();
  if (node_.known() == apiserver::WatchedObject::Known::kAbsent &&
      rarely_("no node", loop_.Now())) {
    base::LogWarning("there is no such node; its config stays as it is",
                     {Kv("node", options_.node_name)});
  }
}

void ConfigManager::ReadLabel() {
  if (exit_status_) return;
  // "" where there is none, as for an empty one.
  const std::string label(
      base::TextAt(node_.object(), {"metadata", "labels", options_.node_label}));
  const bool first = !std::exchange(label_known_, true);
  patience_timer_.Stop();
  wait_timer_.Stop();
  if (!first && label_ == label) return;
  base::LogInfo(first ? "label read" : "label changed",
                {Kv(options_.node_label, label.empty() ? "(none)" : label)});
  label_ = label;
  ApplySoon();
}

void ConfigManager::ServerAnswers(const Status& status) {
  if (status.ok() && !api_status_.ok()) base::LogInfo("the API server answers again");
  if (!status.ok() && rarely_(status.message(), loop_.Now())) {
    base::LogWarning("the API server does not tell about the node; the config stays as it is",
                     {Kv("error", status.message())});
  }
  api_status_ = status;
}

void ConfigManager::StillWaiting() {
  base::LogWarning("still waiting for the API server, to read the node's label",
                   {Kv("node", options_.node_name), Kv("error", api_status_.message())});
}

void ConfigManager::WaitedLongEnough() {
  if (Linked()) {
    base::LogWarning("going on with the config of before, without knowing the node's label");
    if (options_.oneshot) Finish(0);
    return;
  }
  Warn("LabelUnknown",
       "the API server has not told this node's label: it gets the config of a node without one "
       "until then");
  label_ = "";
  Apply();
}

// ---- the link ----

void ConfigManager::SourceChanged() {
  if (exit_status_ || !label_) return;
  ApplySoon();
}

// A label that flips without end makes a link and a signal now and then; its last word counts.
void ConfigManager::ApplySoon() {
  if (changes_.Take(loop_.Now())) return Apply();
  retry_timer_.Start(changes_.Wait(), [this] { ApplySoon(); });
}

void ConfigManager::Apply() {
  retry_timer_.Stop();
  const auto chosen = profile::ChooseProfile(source_->AvailableProfiles(), *label_,
                                             options_.default_config, options_.fallbacks);
  if (!chosen.ok()) return KeepWhatThereIs(chosen.status());
  last_warning_.clear();
  Link(*chosen);
}

void ConfigManager::KeepWhatThereIs(const Status& why) {
  const std::string name = label_->empty() ? options_.default_config : *label_;
  if (Linked()) {
    Warn("ConfigNotFound", why.message() + "; the last good config stays");
    SignalAnEdit();
    if (options_.oneshot) Finish(0);
    return;
  }
  if (!name.empty() && why.code() == base::Code::kNotFound) {
    Warn("ConfigNotFound", why.message() + "; it is waited for");
    return Link(name);
  }
  Warn("ConfigNotFound", why.message());
  if (options_.oneshot) Finish(1);
}

void ConfigManager::Link(const std::string& name) {
  const std::string target =
      name.empty() ? kNothing : base::JoinPath(options_.source_directory, name);
  const std::string& link = options_.destination;
  if (LinkTarget(link) == target || LeadToTheSameFile(link, target)) {
    SignalAnEdit();
    if (options_.oneshot) Finish(0);
    return;
  }
  if (const Status status = PointLink(link, target); !status.ok()) {
    Warn("ConfigNotLinked", status.message());
    if (options_.oneshot) return Finish(1);
    retry_timer_.Start(kRetry, [this] { Apply(); });
    return;
  }
  base::LogInfo("config chosen", {Kv("config", Shown(name)), Kv("link", link)});
  ReadContent();
  Signal("another config");
  if (options_.oneshot) Finish(0);
}

// Whether the linked file is another than when it was last read. A file that goes is no news (the
// last good config stays), one that comes back other is.
bool ConfigManager::ReadContent() {
  auto text = base::ReadFile(options_.destination, config::kMaxConfigBytes);
  const bool first = !std::exchange(linked_.looked, true);
  if (!text.ok()) return false;
  const bool changed = linked_.content != *text;
  linked_.content = std::move(*text);
  return changed && !first;
}

void ConfigManager::SignalAnEdit() {
  if (!ReadContent()) return;
  base::LogInfo("the chosen config was edited");
  Signal("an edit");
}

// ---- telling others ----

void ConfigManager::Signal(const std::string& because) {
  if (!options_.send_signal) return;
  const Signalled result =
      SignalProcesses(options_.proc_directory, options_.process_to_signal, options_.signal);
  if (!result.status.ok()) {
    base::LogError("cannot signal", {Kv("process", options_.process_to_signal),
                                     Kv("error", result.status.message())});
  }
  if (result.sent > 0) {
    base::LogInfo("signal sent",
                  {Kv("signal", options_.signal), Kv("process", options_.process_to_signal),
                   Kv("processes", result.sent), Kv("because", because)});
  } else if (result.status.ok()) {
    base::LogInfo("no process to signal; it will read the config when it starts",
                  {Kv("process", options_.process_to_signal)});
  }
}

void ConfigManager::Warn(daemon::Reason reason, const std::string& message) {
  if (message == last_warning_) return;
  last_warning_ = message;
  event_under_way_ = true;
  base::LogWarning(message, {Kv("node", options_.node_name)});
  // The account of an operator's pod may not write Events: then the log has said it.
  const daemon::Event event{.type = daemon::EventType::kWarning,
                            .reason = reason,
                            .message = "config-manager: " + message,
                            .wall_time = base::Rfc3339Now()};
  event_ = api_.Send({.method = apiserver::Method::kPost,
                      .path = daemon::EventsPath(event),
                      .body = daemon::EventObject(
                          event, {.node = options_.node_name, .component = "config-manager"},
                          /*name=*/"", event.wall_time),
                      .deadline = kEventDeadline},
                     [this](const base::Result<Json>& answer) {
                       event_under_way_ = false;
                       if (!answer.ok()) {
                         base::LogDebug("no Event", {Kv("error", answer.status().message())});
                       }
                       if (exit_status_) TellFinished();
                     });
}

void ConfigManager::Finish(int exit_status) {
  if (exit_status_) return;
  exit_status_ = exit_status;
  if (!event_under_way_) TellFinished();
}

// Posted, not called from here: the owner may destroy this object in its callback.
void ConfigManager::TellFinished() {
  runner_.Post([this] { finished_(*exit_status_); });
}

}  // namespace tranche::configmanager
