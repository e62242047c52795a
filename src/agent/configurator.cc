#include "agent/configurator.h"

#include <utility>

#include "base/log.h"

namespace tranche::agent {

namespace {

using base::Kv;
using base::Result;
using base::Status;

// A refusal can be the node's fault (a full disk, a driver that is not there yet): try again.
constexpr base::Duration kRetry = std::chrono::seconds(5);

std::string NameOf(const WantedConfig& wanted) {
  if (!wanted.named) return "the unshared default";
  if (wanted.profile.empty()) return wanted.source;
  return "profile '" + wanted.profile + "'";
}

std::vector<std::string> NotInForce(const config::Config& config) {
  std::vector<std::string> keys;
  if (config.tranche.memory) keys.emplace_back("tranche.memory");
  if (config.tranche.time) keys.emplace_back("tranche.time");
  return keys;
}

}  // namespace

Configurator::Configurator(base::EventLoop& loop, ConfigSource& source,
                           std::vector<config::Override> environment,
                           std::vector<config::Override> command_line, std::string state_directory,
                           Owner owner)
    : loop_(loop),
      source_(source),
      environment_(std::move(environment)),
      command_line_(std::move(command_line)),
      state_directory_(std::move(state_directory)),
      owner_(std::move(owner)) {}

Configurator::~Configurator() {
  *alive_ = false;
  loop_.CancelTimer(retry_timer_);
}

void Configurator::Refresh(bool node_changed) {
  loop_.CancelTimer(retry_timer_);
  retry_timer_ = 0;
  const WantedConfig wanted = source_.Read();
  state_.wanted_profile = wanted.profile;
  state_.wanted_source = wanted.source;
  const bool same_as_in_force = in_force_ && *in_force_ == wanted && !state_.from_last_good;
  if (same_as_in_force && !node_changed) {
    if (!state_.error.empty()) {
      state_.error.clear();
      refused_.reset();
      owner_.event("Normal", "ConfigRestored",
                   NameOf(wanted) + " is wanted again and still in force");
    }
    return;
  }
  if (const Status status = TryWanted(wanted); !status.ok()) {
    Refused(wanted, status);
    if (!state_.usable) TryLastGood();
    RetryLater();
  }
}

Status Configurator::TryWanted(const WantedConfig& wanted) {
  if (!wanted.status.ok()) return wanted.status;
  auto loaded = config::LoadConfig(wanted.text, wanted.source, environment_, command_line_);
  if (!loaded.ok()) return loaded.status();
  TRANCHE_TRY(owner_.apply(*loaded));
  Accepted(wanted, *loaded, false);
  return Status::Ok();
}

void Configurator::Accepted(const WantedConfig& wanted, const config::Loaded& loaded,
                            bool from_last_good) {
  const bool news =
      !in_force_ || !(*in_force_ == wanted) || state_.from_last_good != from_last_good;
  in_force_ = wanted;
  state_.profile = wanted.profile;
  state_.source = wanted.source;
  state_.usable = true;
  state_.from_last_good = from_last_good;
  state_.not_in_force = NotInForce(loaded.config);
  std::vector<std::string> warnings;
  for (const config::Diagnostic& warning : loaded.warnings) {
    warnings.push_back(config::FormatDiagnostic(wanted.source, warning));
  }
  if (news) {
    for (const std::string& warning : warnings) base::LogWarning(warning);
    for (const std::string& key : state_.not_in_force) {
      base::LogWarning(key + " is valid but not yet in force: nothing enforces it on this node");
    }
  }
  state_.warnings = std::move(warnings);
  if (from_last_good) return;
  state_.error.clear();
  refused_.reset();
  if (!news) return;
  ++state_.applied;
  owner_.event("Normal", "ConfigApplied", NameOf(wanted) + " is in force");
  Remember(wanted);
}

void Configurator::Refused(const WantedConfig& wanted, const Status& status) {
  const bool news = !refused_ || !(*refused_ == wanted) || state_.error != status.message();
  refused_ = wanted;
  state_.error = status.message();
  if (!news) return;
  ++state_.rejected;
  const std::string kept = state_.usable ? "; what was in force stays" : "";
  owner_.event("Warning", "ConfigRejected", NameOf(wanted) + ": " + status.message() + kept);
}

void Configurator::TryLastGood() {
  const Result<LastGood> stored = LoadLastGood(state_directory_);
  if (!stored.ok()) {
    if (stored.status().code() != base::Code::kNotFound) {
      base::LogWarning("the last good config cannot be used",
                       {Kv("error", stored.status().message())});
    }
    return;
  }
  const WantedConfig wanted{.profile = stored->profile,
                            .source = stored->source,
                            .named = true,
                            .status = Status::Ok(),
                            .text = stored->text};
  auto loaded = config::LoadConfig(wanted.text, wanted.source, environment_, command_line_);
  Status status = loaded.ok() ? owner_.apply(*loaded) : loaded.status();
  if (!status.ok()) {
    base::LogWarning("the last good config cannot be used", {Kv("error", status.message())});
    return;
  }
  Accepted(wanted, *loaded, true);
  owner_.event("Warning", "LastGoodConfig",
               "the last good config, " + NameOf(wanted) + ", is in force instead");
}

void Configurator::Remember(const WantedConfig& wanted) {
  if (!wanted.named) return;
  // Later, so that the flush to disk does not delay the kubelet's news.
  loop_.RunAfter(std::chrono::milliseconds(20), [this, alive = alive_, wanted] {
    if (!*alive || !in_force_ || !(*in_force_ == wanted)) return;
    const Status status =
        SaveLastGood(state_directory_,
                     {.profile = wanted.profile, .source = wanted.source, .text = wanted.text});
    if (!status.ok()) {
      owner_.event("Warning", "LastGoodNotSaved",
                   "the config is in force, but would not survive a restart with a bad one: " +
                       status.message());
    }
  });
}

void Configurator::RetryLater() {
  retry_timer_ = loop_.RunAfter(kRetry, [this] { Refresh(true); });
}

}  // namespace tranche::agent
