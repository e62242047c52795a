#include "profile/in_force.h"

#include <utility>

#include "base/log.h"

namespace tranche::profile {

namespace {

using base::Kv;
using base::Result;
using base::Status;

// A refusal can be the node's fault (a full disk, a driver that is not there yet): try again.
constexpr base::Duration kRetry = std::chrono::seconds(5);
// The last good config is written later, so that the flush to disk does not delay the kubelet's
// news, and again where it could not be.
constexpr base::Duration kSaveDelay = std::chrono::milliseconds(20);
constexpr base::Duration kSaveRetry = std::chrono::seconds(30);

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
  node_news_ = node_news_ || node_changed;
  const WantedConfig wanted = source_.Read();
  if (!Usable(wanted)) return Await(wanted);
  state_.awaiting = wanted.certainty == Certainty::kSure ? "" : wanted.why;
  overdue_.clear();
  state_.wanted_profile = wanted.profile;
  state_.wanted_source = wanted.source;
  const bool same = in_force_ && *in_force_ == wanted;
  const bool stood_in = state_.from_last_good || (guessed_ && wanted.certainty == Certainty::kSure);
  const bool in_force_is_wanted = same && !stood_in;
  if (same && !node_news_) {
    if (stood_in) return NoLongerAStandIn(wanted);
    if (!state_.error.empty()) {
      state_.error.clear();
      refused_.reset();
      owner_.event("Normal", "ConfigRestored",
                   NameOf(wanted) + " is wanted again and still in force");
    }
    return;
  }
  const Status status = wanted.status.ok() ? LoadAndApply(wanted, false) : wanted.status;
  if (status.ok()) return WantedIsInForce(wanted, !in_force_is_wanted);
  Refused(wanted, status);
  if (!state_.usable) {
    // The unshared default is nobody's config: no earlier one stands in for it.
    if (wanted.named) TryLastGood(/*awaiting=*/false);
  } else if (node_news_ && !in_force_is_wanted) {
    ApplyInForceAgain();
  }
  RetryLater();
}

// What stood in for the unknown turns out to be what is wanted: nothing is disturbed.
void Configurator::NoLongerAStandIn(const WantedConfig& wanted) {
  state_.from_last_good = false;
  guessed_ = wanted.certainty == Certainty::kGuess;
  in_force_ = wanted;
  WantedIsInForce(wanted, true);
}

// A guess is for a node that has nothing, not even a last good config.
bool Configurator::Usable(const WantedConfig& wanted) {
  if (wanted.certainty == Certainty::kSure) return true;
  if (!state_.usable) TryLastGood(/*awaiting=*/true);
  return wanted.certainty == Certainty::kGuess && (!state_.usable || guessed_);
}

void Configurator::Await(const WantedConfig& wanted) {
  state_.awaiting = wanted.why;
  if (!wanted.status.ok() && overdue_ != wanted.status.message()) {
    overdue_ = wanted.status.message();
    owner_.event("Warning", "ConfigNotKnown",
                 overdue_ + (state_.usable ? "; what is in force stays" : ""));
  }
  if (!state_.usable) return RetryLater();
  if (node_news_) ApplyInForceAgain();
}

Status Configurator::LoadAndApply(const WantedConfig& which, bool from_last_good) {
  const auto loaded = config::LoadConfig(which.text, which.source, environment_, command_line_);
  if (!loaded.ok()) return loaded.status();
  TRANCHE_TRY(owner_.apply(*loaded, which.source));
  node_news_ = false;
  again_error_.clear();
  const bool news = !in_force_ || !(*in_force_ == which) || state_.from_last_good != from_last_good;
  in_force_ = which;
  guessed_ = which.certainty == Certainty::kGuess;
  state_.profile = which.profile;
  state_.source = which.source;
  state_.usable = true;
  state_.from_last_good = from_last_good;
  state_.not_in_force = NotInForce(loaded->config);
  state_.warnings.clear();
  for (const config::Diagnostic& warning : loaded->warnings) {
    state_.warnings.push_back(config::FormatDiagnostic(which.source, warning));
    if (news) base::LogWarning(state_.warnings.back());
  }
  for (const std::string& key : state_.not_in_force) {
    if (!news) break;
    base::LogWarning(key + " is valid but not yet in force: nothing enforces it on this node");
  }
  return Status::Ok();
}

void Configurator::WantedIsInForce(const WantedConfig& wanted, bool news) {
  const bool mended = !state_.error.empty();
  state_.error.clear();
  refused_.reset();
  if (news) {
    ++state_.applied;
    owner_.event("Normal", "ConfigApplied", NameOf(wanted) + " is in force");
    // Files can be read again after a restart; who waits for an answer then needs to know that
    // there was no config either.
    if (!guessed_ && (wanted.named || source_.MayBeLate())) Remember(wanted, kSaveDelay);
  } else if (mended) {
    owner_.event("Normal", "ConfigRestored", NameOf(wanted) + " could be applied again");
  }
}

// GPUs come, go and are cut up while a bad config waits to be mended: what is in force follows.
void Configurator::ApplyInForceAgain() {
  const WantedConfig kept = *in_force_;
  const Status status = LoadAndApply(kept, state_.from_last_good);
  if (status.ok() || status.message() == again_error_) return;
  again_error_ = status.message();
  owner_.event(
      "Warning", "ConfigNotReapplied",
      NameOf(kept) +
          " cannot be applied to the node as it is now, what is served stays: " + status.message());
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

void Configurator::TryLastGood(bool awaiting) {
  const Result<LastGood> stored = LoadLastGood(state_directory_);
  if (!stored.ok()) {
    if (stored.status().code() != base::Code::kNotFound) {
      base::LogWarning("the last good config cannot be used",
                       {Kv("error", stored.status().message())});
    }
    return;
  }
  const bool named = !stored->source.empty();
  // The unshared default may be what was in force, but never stands in for a config.
  if (!named && !awaiting) return;
  const WantedConfig wanted{.profile = stored->profile,
                            .source = stored->source,
                            .named = named,
                            .status = Status::Ok(),
                            .text = stored->text};
  if (const Status status = LoadAndApply(wanted, true); !status.ok()) {
    base::LogWarning("the last good config cannot be used", {Kv("error", status.message())});
    return;
  }
  if (awaiting) {
    owner_.event("Normal", "LastGoodConfig",
                 "the last good config, " + NameOf(wanted) +
                     ", is in force until it is known what is wanted");
    return;
  }
  owner_.event("Warning", "LastGoodConfig",
               "the last good config, " + NameOf(wanted) + ", is in force instead");
}

void Configurator::Remember(const WantedConfig& wanted, base::Duration delay) {
  loop_.RunAfter(delay, [this, alive = alive_, wanted] {
    if (!*alive || !in_force_ || !(*in_force_ == wanted)) return;
    const Status status =
        SaveLastGood(state_directory_,
                     {.profile = wanted.profile, .source = wanted.source, .text = wanted.text});
    if (!status.ok()) {
      if (status.message() != save_error_) {
        owner_.event("Warning", "LastGoodNotSaved",
                     "the config is in force, but would not survive a restart with a bad one: " +
                         status.message());
      }
      Remember(wanted, kSaveRetry);
    }
    save_error_ = status.message();
  });
}

void Configurator::RetryLater() {
  retry_timer_ = loop_.RunAfter(kRetry, [this] { Refresh(false); });
}

}  // namespace tranche::profile
