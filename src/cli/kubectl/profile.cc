#include "cli/kubectl/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <ostream>
#include <utility>

#include "base/json_read.h"
#include "base/log.h"
#include "cli/kubectl/facts.h"

namespace tranche::cli::kubectl {

namespace {

using base::Code;
using base::Json;
using base::Status;
using State = ProfileProgress::State;

constexpr int kInForce = 0;
constexpr int kNotInForce = 1;
constexpr int kCannot = 2;

constexpr base::Duration kPoll = std::chrono::milliseconds(300);
// How long an agent has to do what it does within a second, where it does not say that it did.
constexpr base::Duration kSettle = std::chrono::seconds(3);
// Kubernetes: "Labels and Selectors".
constexpr std::size_t kMaxLabelValue = 63;

Json ConfigOf(const Json& agent_status) { return base::ValueAt(agent_status, "config"); }

std::int64_t Counter(const Json& agent_status, std::string_view key) {
  return base::IntAt(ConfigOf(agent_status), key).value_or(0);
}

// The count that the kubelet should come to for each resource: those that are healthy.
Counts Expected(const Json& agent_status) {
  Counts counts;
  for (const Json& resource : base::ItemsAt(agent_status, "resources")) {
    const std::string name = base::TextAt(resource, "name");
    if (!name.empty()) counts[name] = base::IntAt(resource, "healthy").value_or(0);
  }
  return counts;
}

class ProfileChange {
 public:
  ProfileChange(Cluster& cluster, const ProfileOptions& options, std::ostream& out,
                std::ostream& errors)
      : cluster_(cluster), options_(options), out_(out), errors_(errors) {}

  int Run() {
    const auto node = cluster_.Get(NodePath());
    if (!node.ok()) return Cannot(node.status().Wrap("node " + options_.node));
    const Json& label = base::ValueAt(*node, {"metadata", "labels", options_.view.node_label});
    if (label.is_string()) old_ = label.as_string();
    allocatable_ = NodeCounts(*node, "allocatable");
    FindPod();
    if (pod_) {
      if (const auto before = AskAgent(cluster_, *pod_); before.ok()) before_ = *before;
    }
    if (const Status status = PutLabel(); !status.ok()) return Cannot(status);
    start_ = cluster_.Now();
    if (!options_.wait) return kInForce;
    if (const int result = WaitForAgent(); result != kInForce) return result;
    return WaitForNode();
  }

 private:
  [[nodiscard]] std::string NodePath() const {
    return "/api/v1/nodes/" + apiserver::EscapeSegment(options_.node);
  }
  [[nodiscard]] std::string Seconds() const {
    return fmt::format("{:.1f} s", std::chrono::duration<double>(cluster_.Now() - start_).count());
  }
  [[nodiscard]] bool Late() const { return cluster_.Now() - start_ > options_.timeout; }
  [[nodiscard]] std::string Wanted() const {
    return options_.remove ? "the node's default" : "profile " + options_.profile;
  }

  void PrintLine(const std::string& line) {
    out_ << line << "\n";
    out_.flush();
  }
  int Cannot(const Status& status) {
    errors_ << "kubectl tranche profile: " << base::Printable(status.message(), 2000) << "\n";
    return kCannot;
  }
  int NotInForce(const std::string& why) {
    errors_ << "kubectl tranche profile: " << base::Printable(why, 2000) << "\n";
    return kNotInForce;
  }
  int Interrupted() { return NotInForce("stopped waiting; the label stays"); }

  void FindPod() {
    auto pods = FindPlugins(cluster_, options_.view, options_.node);
    pod_status_ = pods.status();
    pod_.reset();
    if (pods.ok() && pods->contains(options_.node)) pod_ = pods->at(options_.node);
  }

  Status PutLabel() {
    Json labels = Json::MakeObject();
    labels.Set(options_.view.node_label, options_.remove ? Json() : Json(options_.profile));
    Json metadata = Json::MakeObject();
    metadata.Set("labels", std::move(labels));
    Json body = Json::MakeObject();
    body.Set("metadata", std::move(metadata));
    const auto answer = cluster_.Ask({.method = apiserver::Method::kPatch,
                                      .path = NodePath() + "?fieldManager=kubectl-tranche",
                                      .body = std::move(body),
                                      .patch = apiserver::PatchKind::kMerge});
    if (!answer.ok()) return answer.status().Wrap("labelling node " + options_.node);
    const std::string was = old_.empty() ? "none" : base::Printable(old_, 64);
    PrintLine(options_.remove ? fmt::format("node/{}: label {} removed (was: {})", options_.node,
                                            options_.view.node_label, was)
                              : fmt::format("node/{}: {}={} (was: {})", options_.node,
                                            options_.view.node_label, options_.profile, was));
    return Status::Ok();
  }

  int NoAgent() {
    if (!pod_status_.ok()) {
      return Cannot(pod_status_.Wrap("the label is set, but the plugin's pods cannot be listed"));
    }
    return NotInForce("no plugin pod runs on node " + options_.node +
                      "; the label stays for the one that comes");
  }

  int WaitForAgent() {
    if (!pod_) return NoAgent();
    Status last;
    for (;;) {
      const auto answer = AskAgent(cluster_, *pod_);
      if (cluster_.interrupted()) return Interrupted();
      if (answer.ok()) {
        last = Status::Ok();
        const ProfileProgress progress = ProgressOf(*answer, before_, options_, old_);
        if (progress.state == State::kRefused) return Refused(progress.reason);
        const bool settled = cluster_.Now() - start_ > kSettle;
        if (progress.state == State::kInForce ||
            (progress.state == State::kCannotTell && settled)) {
          return AgentIsThere(*answer, progress.state);
        }
      } else {
        last = answer.status();
        if (last.code() == Code::kPermissionDenied) {
          return Cannot(last.Wrap(
              "the label is set, but the agent may not be asked (right to get pods/proxy)"));
        }
        FindPod();  // it may have been replaced
        if (!pod_) return NoAgent();
      }
      if (Late()) return TooLate(last);
      cluster_.Wait(kPoll);
    }
  }

  int AgentIsThere(const Json& status, State state) {
    expected_ = Expected(status);
    if (state == State::kCannotTell) {
      PrintLine(
          fmt::format("the agent does not say which profile is in force (it reads a file that "
                      "config-manager links); nothing was refused ({})",
                      Seconds()));
    } else {
      PrintLine(fmt::format("{} is in force ({})", Wanted(), Seconds()));
    }
    for (const std::string& line : base::TextsAt(ConfigOf(status), "warnings")) {
      PrintLine("warning: " + base::Printable(line, 400));
    }
    return kInForce;
  }

  int Refused(const std::string& reason) {
    std::string why = fmt::format("{} is refused, what was in force stays: {}", Wanted(), reason);
    const std::vector<std::string> names = ProfilesOf(cluster_, *pod_);
    if (!names.empty() && std::ranges::find(names, options_.profile) == names.end()) {
      why += fmt::format(" (there are: {})", fmt::join(names, ", "));
    }
    return NotInForce(why);
  }

  int TooLate(const Status& last) {
    std::string why =
        fmt::format("{} is not in force after {}; the label stays", Wanted(), Seconds());
    if (!last.ok()) why += ": the agent does not answer: " + last.message();
    return NotInForce(why);
  }

  // The kubelet reports to the API server within its node status period (10 s where nothing is
  // set).
  int WaitForNode() {
    for (;;) {
      const auto node = cluster_.Get(NodePath());
      if (cluster_.interrupted()) return Interrupted();
      std::string missing;
      if (node.ok()) {
        const Counts now = NodeCounts(*node, "allocatable");
        if (Follows(now, missing)) {
          for (const auto& [name, count] : expected_) PrintLine(Change(name, count));
          return kInForce;
        }
      } else {
        missing = node.status().message();
      }
      if (Late()) {
        return NotInForce(
            fmt::format("{} is in force, but the node's allocatable does not follow yet: {}",
                        Wanted(), missing));
      }
      cluster_.Wait(kPoll);
    }
  }

  // What the agent does not serve is another plugin's, or a resource of before, which stays at 0.
  bool Follows(const Counts& now, std::string& missing) const {
    for (const auto& [name, count] : expected_) {
      const auto it = now.find(name);
      if (it != now.end() && it->second == count) continue;
      missing = fmt::format("{} is {}, not {}", name,
                            it == now.end() ? "absent" : std::to_string(it->second), count);
      return false;
    }
    return true;
  }

  [[nodiscard]] std::string Change(const std::string& name, std::int64_t count) const {
    const auto before = allocatable_.find(name);
    const std::string was = before == allocatable_.end() ? "none" : std::to_string(before->second);
    return fmt::format("{}: {} → {} allocatable ({})", name, was, count, Seconds());
  }

  Cluster& cluster_;
  const ProfileOptions& options_;
  std::ostream& out_;
  std::ostream& errors_;
  std::string old_;
  Counts allocatable_;
  Counts expected_;
  std::optional<PluginPod> pod_;
  Status pod_status_;
  Json before_;
  base::TimePoint start_{};
};

}  // namespace

bool IsLabelValue(const std::string& text) {
  const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0; };
  return !text.empty() && text.size() <= kMaxLabelValue &&
         is_word(static_cast<unsigned char>(text.front())) &&
         is_word(static_cast<unsigned char>(text.back())) &&
         std::ranges::all_of(
             text, [&](unsigned char c) { return is_word(c) || c == '-' || c == '_' || c == '.'; });
}

ProfileProgress ProgressOf(const Json& agent_status, const Json& before,
                           const ProfileOptions& options, const std::string& old_profile) {
  const Json config = ConfigOf(agent_status);
  if (!config.is_object()) return {State::kCannotTell, ""};
  const std::string in_force = base::TextAt(config, "profile");
  const std::string error = base::TextAt(config, "error");
  // An agent that follows the label itself says which it has seen.
  const Json& seen = base::ValueAt(agent_status, {"kubernetes", "labelValue"});
  if (seen.is_string()) {
    if (seen.as_string() != options.profile) return {State::kNotYet, ""};
    if (!error.empty()) return {State::kRefused, error};
    const bool well = base::BoolAt(config, "usable") && !base::BoolAt(config, "fromLastGood") &&
                      base::TextAt(config, "awaiting").empty();
    const bool the_one = options.remove || in_force == options.profile;
    return {well && the_one ? State::kInForce : State::kNotYet, ""};
  }
  if (!error.empty()) {
    // Of this profile, and not still of the one before.
    const bool of_this = base::TextAt(config, "wantedProfile") == options.profile ||
                         error.find(options.profile) != std::string::npos;
    const bool fresh =
        before.is_object() && Counter(agent_status, "rejected") > Counter(before, "rejected");
    if (fresh || (of_this && !options.remove)) return {State::kRefused, error};
    return {State::kNotYet, ""};
  }
  if (!base::BoolAt(config, "usable") || base::BoolAt(config, "fromLastGood")) return {};
  if (!options.remove && in_force == options.profile) return {State::kInForce, ""};
  const bool applied =
      before.is_object() && Counter(agent_status, "applied") > Counter(before, "applied");
  // An agent that is given one file cannot know its profile's name.
  const bool follows_file = in_force.empty() && !base::TextAt(config, "source").empty();
  if (applied && (options.remove || follows_file)) return {State::kInForce, ""};
  if (follows_file) return {State::kCannotTell, ""};
  if (!options.remove) return {State::kNotYet, ""};
  // The default may be what the label named: then nothing changes, and nothing says so.
  if (in_force == old_profile && !old_profile.empty()) return {State::kCannotTell, ""};
  return {State::kInForce, ""};
}

int SetProfile(Cluster& cluster, const ProfileOptions& options, std::ostream& out,
               std::ostream& errors) {
  return ProfileChange(cluster, options, out, errors).Run();
}

}  // namespace tranche::cli::kubectl
