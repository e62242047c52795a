#include "profile/in_force.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace tranche::profile {

namespace {

using base::Kv;
using base::Result;
using base::Status;
using daemon::EventType;

// A refusal can be the node's fault (a full disk, a driver that is not there yet): try again.
constexpr base::Duration kRetry = std::chrono::seconds(5);

std::string NameOf(const WantedConfig& wanted) {
  if (!wanted.named) return "the unshared default";
  if (wanted.profile.empty()) return wanted.source;
  return "profile '" + wanted.profile + "'";
}

// What is asked to be enforced, and by nobody yet. Whether walls of memory stand is for the agent
// and `tranche node` to say.
std::vector<std::string> NotInForce(const config::Config& config) {
  const std::optional<config::TimeOptions>& time = config.tranche.time;
  if (!time || time->mode != config::EnforceMode::kEnforce) return {};
  return {"tranche.time"};
}

// A message that begins with the file has its name already.
std::string Named(const std::string& name, const std::string& message) {
  return message.starts_with(name + ":") ? message : name + ": " + message;
}

}  // namespace

InForce::InForce(base::EventLoop& loop, const NewSource& new_source, Overrides overrides,
                 const LastGoodPlace& last_good, Owner owner, config::Reader reader)
    : loop_(loop),
      overrides_(std::move(overrides)),
      reader_(reader),
      owner_(std::move(owner)),
      retry_timer_(loop),
      changes_timer_(loop) {
  if (!last_good.directory.empty()) {
    keeper_ = std::make_unique<LastGoodKeeper>(
        loop, *last_good.worker, last_good.directory,
        LastGoodKeeper::Owner{.event = owner_.event, .changed = [this] {
                                state_.not_saved = keeper_->problem();
                                if (owner_.source_changed) owner_.source_changed();
                              }});
  }
  source_ = new_source([this] { SourceChanged(); });
}

void InForce::SourceChanged() {
  if (following_) RefreshSoon();
  if (owner_.source_changed) owner_.source_changed();
}

// An API server that flips a label thousands of times a second is answered now and then.
void InForce::RefreshSoon() {
  if (changes_timer_.running()) return;
  if (changes_.Take(loop_.Now())) return Refresh();
  changes_timer_.Start(changes_.Wait(), [this] { RefreshSoon(); });
}

void InForce::NodeChanged() {
  node_news_ = true;
  Refresh();
}

void InForce::Refresh() {
  following_ = true;
  retry_timer_.Stop();
  ReadAndApply();
}

void InForce::ReadAndApply() {
  const WantedConfig wanted = source_->Read();
  if (wanted.certainty != Certainty::kSure && !state_.usable) StandInForUnknown();
  if (!MayBeApplied(wanted)) return AwaitAnswer(wanted);
  if (LastGoodFirst(wanted)) return;
  state_.awaiting = wanted.certainty == Certainty::kSure ? "" : wanted.why;
  overdue_.clear();
  state_.wanted_profile = wanted.profile;
  state_.wanted_source = wanted.source;
  const bool same = in_force_ && SameConfig(*in_force_, wanted);
  const bool stood_in = state_.from_last_good || (guessed_ && wanted.certainty == Certainty::kSure);
  if (same && !node_news_) return stood_in ? AcceptStandIn(wanted) : NoteWantedAgain(wanted);

  const bool in_force_is_wanted = same && !stood_in;
  const Status status = wanted.status.ok() ? LoadAndApply(wanted, Origin::kSource) : wanted.status;
  if (status.ok()) {
    return NoteWantedInForce(wanted, in_force_is_wanted ? Before::kSame : Before::kAnother);
  }
  Refuse(wanted, status);
  if (!state_.usable) {
    // The unshared default is nobody's config: no earlier one stands in for it.
    if (wanted.named) StandInForRefused();
  } else if (node_news_ && !in_force_is_wanted) {
    ApplyInForceAgain();
  }
  RetryLater();
}

// A guess is for a node that has nothing, not even a last good config.
bool InForce::MayBeApplied(const WantedConfig& wanted) const {
  if (wanted.certainty == Certainty::kSure) return true;
  return wanted.certainty == Certainty::kGuess && (!state_.usable || guessed_);
}

// Reading a text of unusual size is the one thing in which a program may run out of memory. Where
// that ends it, the node had its last good config before, also after the next start.
bool InForce::LastGoodFirst(const WantedConfig& wanted) {
  if (state_.usable || !wanted.named || wanted.text.size() <= kUsualBytes) return false;
  if (std::exchange(had_head_start_, true) || !ApplyLastGood(InPlaceOf::kRefused)) return false;
  state_.awaiting = wanted.source + " is of unusual size and is read last";
  retry_timer_.Start(kHeadStart, [this] { Refresh(); });
  return true;
}

// What stood in for the unknown turns out to be what is wanted: nothing is disturbed.
void InForce::AcceptStandIn(const WantedConfig& wanted) {
  state_.from_last_good = false;
  guessed_ = wanted.certainty == Certainty::kGuess;
  in_force_ = wanted;
  NoteWantedInForce(wanted, Before::kAnother);
}

void InForce::NoteWantedAgain(const WantedConfig& wanted) {
  if (state_.error.empty()) return;
  state_.error.clear();
  refused_.reset();
  owner_.event(EventType::kNormal, "ConfigRestored",
               NameOf(wanted) + " is wanted again and still in force");
}

void InForce::AwaitAnswer(const WantedConfig& wanted) {
  state_.awaiting = wanted.why;
  if (wanted.certainty == Certainty::kOverdue && overdue_ != wanted.why) {
    overdue_ = wanted.why;
    owner_.event(EventType::kWarning, "ConfigNotKnown",
                 overdue_ + (state_.usable ? "; what is in force stays" : ""));
  }
  if (!state_.usable) return RetryLater();
  if (node_news_) ApplyInForceAgain();
}

Status InForce::LoadAndApply(const WantedConfig& which, Origin origin) {
  const bool from_last_good = origin == Origin::kLastGood;
  const auto loaded = config::LoadConfig(which.text, which.source, overrides_.environment,
                                         overrides_.command_line, reader_);
  if (!loaded.ok()) return loaded.status();
  TRANCHE_TRY(owner_.apply(*loaded, which.source));
  node_news_ = false;
  again_error_.clear();
  const bool news =
      !in_force_ || !SameConfig(*in_force_, which) || state_.from_last_good != from_last_good;
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

void InForce::NoteWantedInForce(const WantedConfig& wanted, Before before) {
  const bool mended = !state_.error.empty();
  state_.error.clear();
  refused_.reset();
  if (before == Before::kAnother) {
    ++state_.applied;
    owner_.event(EventType::kNormal, "ConfigApplied", NameOf(wanted) + " is in force");
    // A source of files is read at once after a restart, so nothing is kept for it. One that waits
    // for the API server needs to know until then that there was no config.
    if (keeper_ != nullptr) {
      if (!guessed_ && (wanted.named || source_->MayBeLate())) {
        keeper_->Keep({.profile = wanted.profile, .source = wanted.source, .text = wanted.text});
      } else {
        keeper_->Leave();
      }
    }
  } else if (mended) {
    owner_.event(EventType::kNormal, "ConfigRestored", NameOf(wanted) + " could be applied again");
  }
}

// GPUs come, go and are cut up while a bad config waits to be mended: what is in force follows.
void InForce::ApplyInForceAgain() {
  const WantedConfig kept = *in_force_;
  const Status status =
      LoadAndApply(kept, state_.from_last_good ? Origin::kLastGood : Origin::kSource);
  if (status.ok() || status.message() == again_error_) return;
  again_error_ = status.message();
  owner_.event(
      EventType::kWarning, "ConfigNotReapplied",
      NameOf(kept) +
          " cannot be applied to the node as it is now, what is served stays: " + status.message());
}

void InForce::Refuse(const WantedConfig& wanted, const Status& status) {
  const bool news = !refused_ || !SameConfig(*refused_, wanted) || state_.error != status.message();
  refused_ = wanted;
  state_.error = status.message();
  if (!news) return;
  ++state_.rejected;
  const std::string kept = state_.usable ? "; what was in force stays" : "";
  owner_.event(EventType::kWarning, "ConfigRejected",
               Named(NameOf(wanted), status.message()) + kept);
}

void InForce::StandInForUnknown() {
  if (!ApplyLastGood(InPlaceOf::kUnknown)) return;
  owner_.event(EventType::kNormal, "LastGoodConfig",
               "the last good config, " + NameOf(*in_force_) +
                   ", is in force until it is known what is wanted");
}

void InForce::StandInForRefused() {
  if (!ApplyLastGood(InPlaceOf::kRefused)) return;
  owner_.event(EventType::kWarning, "LastGoodConfig",
               "the last good config, " + NameOf(*in_force_) + ", is in force instead");
}

// The unshared default may be what was in force, and is kept too. But it never stands in for a
// config that is refused.
bool InForce::ApplyLastGood(InPlaceOf what) {
  if (keeper_ == nullptr) return false;
  const Result<LastGood> stored = keeper_->Load();
  if (!stored.ok()) {
    if (stored.status().code() != base::Code::kNotFound) {
      base::LogWarning("the last good config cannot be used",
                       {Kv("error", stored.status().message())});
    }
    return false;
  }
  const bool named = !stored->source.empty();
  if (!named && what == InPlaceOf::kRefused) return false;
  const WantedConfig kept{.profile = stored->profile,
                          .source = stored->source,
                          .named = named,
                          .status = Status::Ok(),
                          .text = stored->text};
  const Status status = LoadAndApply(kept, Origin::kLastGood);
  if (!status.ok()) {
    base::LogWarning("the last good config cannot be used", {Kv("error", status.message())});
  } else {
    keeper_->Keep(*stored);
  }
  return status.ok();
}

void InForce::RetryLater() {
  retry_timer_.Start(kRetry, [this] { Refresh(); });
}

// ---- what is asked of the config before it is applied ----

bool InForce::HasLastGood() const { return keeper_ != nullptr && keeper_->Load().ok(); }

std::optional<config::Config> InForce::Foreseen() const {
  WantedConfig wanted = source_->Read();
  const bool sure = wanted.certainty == Certainty::kSure;
  if (!sure || wanted.text.size() > kUsualBytes) {
    // The driver is not waited for until the API server has answered: it lies where it lay.
    Result<LastGood> stored = Status(base::Code::kNotFound, "there is no folder for it");
    if (keeper_ != nullptr) stored = keeper_->Load();
    if (stored.ok()) {
      wanted.text = std::move(stored->text);
    } else if (!sure && wanted.certainty != Certainty::kGuess) {
      return std::nullopt;
    }
  }
  const auto& [environment, command_line] = overrides_;
  auto loaded = config::LoadConfig(wanted.text, wanted.source, environment, command_line, reader_);
  if (!loaded.ok()) loaded = config::LoadConfig("", "", environment, command_line, reader_);
  return loaded.ok() ? std::optional(std::move(loaded->config)) : std::nullopt;
}

bool InForce::FailsOnInitError() const {
  if (const auto foreseen = Foreseen()) return foreseen->flags.fail_on_init_error;
  const auto& [environment, command_line] = overrides_;
  // Flags and environment beat a file: where one of them sets it, this tells to what.
  const auto flags =
      config::LoadConfig("flags: {failOnInitError: false}", "", environment, command_line, reader_);
  return flags.ok() && flags->config.flags.fail_on_init_error;
}

std::string InForce::DriverRoot(const std::function<bool(const std::string& path)>& exists) const {
  auto foreseen = Foreseen();
  if (!foreseen) {
    const auto& [environment, command_line] = overrides_;
    if (auto flags = config::LoadConfig("", "", environment, command_line, reader_); flags.ok()) {
      foreseen = std::move(flags->config);
    }
  }
  const std::string root = foreseen ? foreseen->flags.plugin.container_driver_root : "/";
  return exists(root) ? root : "/";
}

}  // namespace tranche::profile
