// Which configuration is in force: what is wanted where it can be applied, else the last good one.
//
// Reads the source, parses, and offers the result to `apply`, which accepts it or says why not. A
// refusal changes nothing that is in force. With nothing in force the stored last good one is
// tried; with neither, nothing is served: an unshared default is never a substitute for a named
// config that cannot be used. While it is not known what is wanted (an API server that has not
// answered), the last good one is in force, and a guess only where there is none. The loop's
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "config/load.h"
#include "profile/last_good.h"
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
  std::vector<std::string> not_in_force;  // "tranche.memory", "tranche.time"
  std::uint64_t applied = 0;              // counters
  std::uint64_t rejected = 0;
};

class Configurator {
 public:
  struct Owner {
    // Takes the configuration into use, wholly or not at all. `source` is where it is from, for
    // messages.
    std::function<base::Status(const config::Loaded&, const std::string& source)> apply;
    std::function<void(const std::string& type, const std::string& reason,
                       const std::string& message)>
        event;
  };

  Configurator(base::EventLoop& loop, ConfigSource& source,
               std::vector<config::Override> environment,
               std::vector<config::Override> command_line, std::string state_directory,
               Owner owner);
  ~Configurator();

  // The file, the profile or the node has changed: read and apply again. The same bytes that are in
  // force already are applied again only where `node_changed`; so is what is in force where what is
  // wanted is refused.
  void Refresh(bool node_changed);

  [[nodiscard]] const ConfigState& state() const { return state_; }

 private:
  base::Status LoadAndApply(const WantedConfig& which, bool from_last_good);
  void WantedIsInForce(const WantedConfig& wanted, bool news);
  void Refused(const WantedConfig& wanted, const base::Status& status);
  [[nodiscard]] bool Usable(const WantedConfig& wanted);
  void Await(const WantedConfig& wanted);
  void NoLongerAStandIn(const WantedConfig& wanted);
  void TryLastGood(bool awaiting);
  void ApplyInForceAgain();
  void Remember(const WantedConfig& wanted, base::Duration delay);
  void RetryLater();

  base::EventLoop& loop_;
  ConfigSource& source_;
  const std::vector<config::Override> environment_;
  const std::vector<config::Override> command_line_;
  const std::string state_directory_;
  Owner owner_;

  ConfigState state_;
  std::optional<WantedConfig> in_force_;
  std::optional<WantedConfig> refused_;  // the last refusal, so that one bad edit is one event
  bool guessed_ = false;                 // in force is a guess
  std::string overdue_;                  // why it is not known what is wanted, as last told
  bool node_news_ = false;   // what is in force has not been applied to the node as it is now
  std::string again_error_;  // why not, as last told
  std::string save_error_;   // why the last good config is not on disk, as last told
  base::EventLoop::TimerId retry_timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tranche::profile
