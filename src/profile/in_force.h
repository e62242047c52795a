// Which configuration is in force: what is wanted where it can be applied, else the last good one.
//
// It reads the source, parses, and offers the result to `apply`, which accepts it or says why not.
// A refusal changes nothing that is in force. With nothing in force the stored last good config is
// tried; with neither, nothing is served: an unshared default is never a substitute for a named
// config that cannot be used. While it is not known what is wanted (an API server that has not
// answered), the last good config is in force, and a guess only where there is none. A text of
// unusual size is read only once the last good config is in force.
//
// However often the source changes, it is read at a bounded rate; what it says last is read.
//
// Threading: the loop's thread.
// Errors: state() says why what is wanted is not in force; it is tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/timer.h"
#include "base/token_bucket.h"
#include "config/load.h"
#include "daemon/event.h"
#include "profile/last_good_keeper.h"
#include "profile/source.h"

namespace tranche::profile {

struct ConfigState {
  std::string profile;          // in force
  std::string source;           // in force; "" is the unshared default
  bool usable = false;          // some config is in force
  bool from_last_good = false;  // in force is the stored last good one, not what is wanted now
  std::string wanted_profile;
  std::string wanted_source;
  std::string error;                      // why what is wanted is not in force; "" when it is
  std::string awaiting;                   // why it is not known what is wanted; "" when it is
  std::vector<std::string> warnings;      // "FILE:LINE: …"
  std::vector<std::string> not_in_force;  // "tranche.time"
  std::string not_saved;                  // why the last good config is not on disk; "" when it is
  std::uint64_t applied = 0;              // counters
  std::uint64_t rejected = 0;
};

// What was given outside the config: it beats what the config says.
struct Overrides {
  std::vector<config::Override> environment;
  std::vector<config::Override> command_line;
};

// Where the last good config is kept; without a directory there is none.
struct LastGoodPlace {
  std::string directory;
  base::disk::Worker* worker = nullptr;  // outlives whoever keeps it
};

class InForce {
 public:
  // How many changes of the source are followed at once, and how many a second in the long run.
  static constexpr double kChangeBurst = 100;
  static constexpr double kChangesPerSecond = 10;
  // No config that people write is larger. A larger one is not the first that is read after a
  // start.
  static constexpr std::size_t kUsualBytes = 64U << 10U;
  // How long the last good config has the node to itself before a larger text is read.
  static constexpr base::Duration kHeadStart = std::chrono::seconds(2);

  struct Owner {
    // Takes the configuration into use, wholly or not at all. `source` is where it is from, for
    // messages.
    std::function<base::Status(const config::Loaded&, const std::string& source)> apply;
    daemon::RaiseEvent event;
    // What the source tells, or state().not_saved, is another; may be empty.
    std::function<void()> source_changed;
  };
  // Makes the source, which calls `changed` when what it tells may have changed.
  using NewSource = std::function<std::unique_ptr<ConfigSource>(std::function<void()> changed)>;

  InForce(base::EventLoop& loop, const NewSource& new_source, Overrides overrides,
          const LastGoodPlace& last_good, Owner owner,
          config::Reader reader = config::Reader::kPlugin);

  // Reads the source, and applies what is wanted unless it is in force already. From the first call
  // of one of these two, changes of the source are followed.
  void Refresh();
  // The node is another (a GPU came, went or was cut): what is in force is applied again too, also
  // where what is wanted is refused.
  void NodeChanged();

  [[nodiscard]] const ConfigState& state() const { return state_; }
  [[nodiscard]] ConfigSource& source() { return *source_; }
  [[nodiscard]] const ConfigSource& source() const { return *source_; }
  [[nodiscard]] bool HasLastGood() const;
  // What will be in force, as far as that is known before it is applied: the wanted config, or the
  // last good one while it is not known what is wanted, or the flags alone where that cannot be
  // read. nullopt: it is not known what is wanted, and there is no last good config.
  [[nodiscard]] std::optional<config::Config> Foreseen() const;
  // Whether failOnInitError is set: by the foreseen config or, while that is not known, by flags or
  // environment.
  [[nodiscard]] bool FailsOnInitError() const;
  // Where the driver's files are, as this process sees them: the driver is loaded before a config
  // is applied, so this is what the foreseen config says, else the flags. "/" where that folder
  // does not exist, as `exists` says: outside a container the host's root is the driver's.
  [[nodiscard]] std::string DriverRoot(
      const std::function<bool(const std::string& path)>& exists) const;

 private:
  // Whether the config comes from the source or from the last good one on disk.
  enum class Origin { kSource, kLastGood };
  // What was in force before the wanted config: the same one, or another one or none.
  enum class Before { kSame, kAnother };
  // What the last good config takes the place of: a config that is not known yet, or a refused one.
  enum class InPlaceOf { kUnknown, kRefused };

  void SourceChanged();
  void RefreshSoon();
  void ReadAndApply();
  [[nodiscard]] bool LastGoodFirst(const WantedConfig& wanted);
  base::Status LoadAndApply(const WantedConfig& which, Origin origin);
  void NoteWantedInForce(const WantedConfig& wanted, Before before);
  void Refuse(const WantedConfig& wanted, const base::Status& status);
  [[nodiscard]] bool MayBeApplied(const WantedConfig& wanted) const;
  void AwaitAnswer(const WantedConfig& wanted);
  void AcceptStandIn(const WantedConfig& wanted);
  void NoteWantedAgain(const WantedConfig& wanted);
  void StandInForUnknown();
  void StandInForRefused();
  [[nodiscard]] bool ApplyLastGood(InPlaceOf what);
  void ApplyInForceAgain();
  void RetryLater();

  base::EventLoop& loop_;
  const Overrides overrides_;
  const config::Reader reader_;
  Owner owner_;

  ConfigState state_;
  bool following_ = false;  // somebody has asked: changes of the source count
  std::optional<WantedConfig> in_force_;
  std::optional<WantedConfig> refused_;  // the last refusal, so that one bad edit is one event
  bool guessed_ = false;                 // in force is a guess
  std::string overdue_;                  // why it is not known what is wanted, as last told
  bool node_news_ = false;               // the node has changed since the config was last applied
  std::string again_error_;              // why not, as last told
  bool had_head_start_ = false;
  base::Timer retry_timer_;
  base::TokenBucket changes_{kChangeBurst, kChangesPerSecond};
  base::Timer changes_timer_;
  std::unique_ptr<LastGoodKeeper> keeper_;  // nullptr: no last good config is kept
  std::unique_ptr<ConfigSource> source_;
};

}  // namespace tranche::profile
