#include "configmanager/manager.h"

#include <ctime>
#include <utility>

#include "base/file.h"
#include "config/load.h"
#include "configmanager/link.h"
#include "configmanager/signal.h"

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

// "" where there is none, as for an empty one.
std::string LabelOf(const Json& object, const std::string& key) {
  const Json* metadata = object.Find("metadata");
  const Json* labels = metadata == nullptr ? nullptr : metadata->Find("labels");
  const Json* value = labels == nullptr ? nullptr : labels->Find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

std::string NameOf(const Json& object) {
  const Json* metadata = object.Find("metadata");
  const Json* name = metadata == nullptr ? nullptr : metadata->Find("name");
  return name != nullptr && name->is_string() ? name->as_string() : std::string();
}

std::string RfcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::string text(sizeof("2006-01-02T15:04:05Z") - 1, '\0');
  std::strftime(text.data(), text.size() + 1, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// In "default", where the kubelet puts those of nodes; its uid is the name, as the kubelet's.
Json EventJson(const std::string& node, const std::string& reason, const std::string& message) {
  const std::string now = RfcNow();
  Json metadata = Json::MakeObject({{"generateName", "tranche-"}, {"namespace", "default"}});
  Json involved =
      Json::MakeObject({{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}, {"uid", node}});
  Json source = Json::MakeObject({{"component", "config-manager"}, {"host", node}});
  return Json::MakeObject({{"apiVersion", "v1"},
                           {"kind", "Event"},
                           {"metadata", std::move(metadata)},
                           {"involvedObject", std::move(involved)},
                           {"reason", reason},
                           {"message", base::Printable(message, 1000)},
                           {"type", "Warning"},
                           {"source", std::move(source)},
                           {"firstTimestamp", now},
                           {"lastTimestamp", now},
                           {"count", 1}});
}

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
      rarely_(std::chrono::minutes(1)) {
  // Only for what it lists and watches: which of it to choose is decided here, by the label.
  source_ = profile::ConfigSource::New(loop_,
                                       {.config_file = "",
                                        .profiles_directory = options_.source_directory,
                                        .profile = "",
                                        .profile_file = "",
                                        .default_profile = "",
                                        .fallbacks = {}},
                                       [this] { SourceChanged(); });
  patience_timer_ = loop_.RunAfter(kPatience, [this] { StillWaiting(); });
  wait_timer_ = loop_.RunAfter(Linked() ? kWaitWithLink : kWait, [this] { WaitedLongEnough(); });
  watch_ = api_.Watch(
      {.path = "/api/v1/nodes",
       .field_selector = "metadata.name=" + options_.node_name,
       .label_selector = "",
       .metadata_only = true},
      {.listed = [this](const Json::Array& objects) { Listed(objects); },
       .changed = [this](const Json& object) { Seen(object); },
       .removed =
           [](const Json&) { base::LogWarning("the node object is gone; its config stays"); },
       .state = [this](const Status& status) { ApiState(status); }});
}

ConfigManager::~ConfigManager() {
  for (const auto timer : {patience_timer_, wait_timer_, retry_timer_}) loop_.CancelTimer(timer);
}

bool ConfigManager::Linked() const { return base::Exists(options_.destination); }

// ---- the label ----

void ConfigManager::Listed(const Json::Array& objects) {
  for (const Json& object : objects) {
    if (NameOf(object) == options_.node_name) return Seen(object);
  }
  if (rarely_("no node", loop_.Now())) {
    base::LogWarning("there is no such node yet", {Kv("node", options_.node_name)});
  }
}

void ConfigManager::Seen(const Json& node) {
  if (exit_status_ || NameOf(node) != options_.node_name) return;
  const std::string label = LabelOf(node, options_.node_label);
  const bool first = !std::exchange(label_known_, true);
  loop_.CancelTimer(std::exchange(patience_timer_, 0));
  loop_.CancelTimer(std::exchange(wait_timer_, 0));
  if (!first && label_ == label) return;
  base::LogInfo(first ? "label read" : "label changed",
                {Kv(options_.node_label, label.empty() ? "(none)" : label)});
  label_ = label;
  Apply();
}

void ConfigManager::ApiState(const Status& status) {
  if (status.ok() && !api_status_.ok()) base::LogInfo("the API server answers again");
  if (!status.ok() && rarely_(status.message(), loop_.Now())) {
    base::LogWarning("the API server does not tell about the node; the config stays as it is",
                     {Kv("error", status.message())});
  }
  api_status_ = status;
}

void ConfigManager::StillWaiting() {
  patience_timer_ = 0;
  base::LogWarning("still waiting for the API server, to read the node's label",
                   {Kv("node", options_.node_name), Kv("error", api_status_.message())});
}

void ConfigManager::WaitedLongEnough() {
  wait_timer_ = 0;
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
  Apply();
}

void ConfigManager::Apply() {
  loop_.CancelTimer(std::exchange(retry_timer_, 0));
  const auto chosen = profile::ChooseProfile(source_->AvailableProfiles(), *label_,
                                             options_.default_config, options_.fallbacks);
  if (!chosen.ok()) return NotToBeHad(chosen.status());
  last_warning_.clear();
  Link(*chosen);
}

void ConfigManager::NotToBeHad(const Status& why) {
  const std::string name = label_->empty() ? options_.default_config : *label_;
  if (Linked()) {
    Warn("ConfigNotFound", why.message() + "; the last good config stays");
    LookAtContent(true);
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
    LookAtContent(true);
    if (options_.oneshot) Finish(0);
    return;
  }
  if (const Status status = PointLink(link, target); !status.ok()) {
    Warn("ConfigNotLinked", status.message());
    if (options_.oneshot) return Finish(1);
    retry_timer_ = loop_.RunAfter(kRetry, [this] {
      retry_timer_ = 0;
      Apply();
    });
    return;
  }
  base::LogInfo("config chosen", {Kv("config", Shown(name)), Kv("link", link)});
  LookAtContent(false);
  Signal("another config");
  if (options_.oneshot) Finish(0);
}

// A file that goes is no news (the last good config stays), one that comes back other is.
void ConfigManager::LookAtContent(bool tell) {
  auto text = base::ReadFile(options_.destination, config::kMaxConfigBytes);
  const bool first = !std::exchange(looked_, true);
  if (!text.ok()) return;
  const bool changed = content_ != *text;
  content_ = std::move(*text);
  if (!changed || first || !tell) return;
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
  event_ = api_.Send({.method = apiserver::Method::kPost,
                      .path = "/api/v1/namespaces/default/events",
                      .body = EventJson(options_.node_name, reason, "config-manager: " + message),
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

// Not from where it came about: the owner may destroy this object in its answer.
void ConfigManager::TellFinished() {
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) finished_(*exit_status_);
  });
}

}  // namespace tranche::configmanager
