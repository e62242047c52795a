// config-manager: keeps a link to the config that this node's label names, and signals the program
// that reads it. Takes the place of the program of that name in NVIDIA's image.
//
// It differs from that program in these points, because of what that one does to a node:
// - The label is read before the first link is made; the API server is waited for, but not for
//   ever: where it does not answer (kWait, kWaitWithLink), a link that is there stays, and where
//   none is the node gets what one without the label gets, until the label is known.
// - A restart changes nothing while the label says what the link says already.
// - What cannot be had (a label that names a missing file) leaves the link as it is: the last good
//   config stays. Where there is none yet, the link is made to the very file that is missing: our
//   plugin then keeps its own last good config, and without one registers nothing and says why. So
//   a typing mistake neither holds the pod in Init nor gives the node another config.
// - Edits of the chosen file are seen and signalled.
// - It does not end where there is no process to signal, or where that one ends meanwhile.
// - Every process of the name is signalled, not the first alone.
//
// Threading: the loop's thread.
// Errors: what goes wrong is logged and, as far as the account may, an Event on the node.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/client.h"
#include "apiserver/watched_object.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/token_bucket.h"
#include "base/weak_runner.h"
#include "daemon/reasons.h"
#include "profile/choose.h"
#include "profile/source.h"

namespace tranche::configmanager {

// The defaults are those of the flags (src/cli/programs/config_manager_command_flags.cc).
struct ConfigManagerOptions {
  bool oneshot = false;
  std::string node_name;
  std::string node_label;
  std::string source_directory;
  std::string destination;
  std::string default_config;
  std::vector<profile::Fallback> fallbacks;
  bool send_signal = false;
  int signal = 0;
  std::string process_to_signal;
  std::string proc_directory = "/proc";
};

class ConfigManager {
 public:
  // How long an API server that does not answer is waited for before it is done without: where
  // nothing is linked yet, and where there is a link to go on with.
  static constexpr base::Duration kWait = std::chrono::seconds(60);
  static constexpr base::Duration kWaitWithLink = std::chrono::seconds(10);
  static constexpr base::Duration kRetry = std::chrono::seconds(10);
  // How many changes are followed at once, and how many a second in the long run.
  static constexpr double kChangeBurst = 20;
  static constexpr double kChangesPerSecond = 5;

  // `finished` is called once with the exit status, on the loop: with oneshot when the link is made
  // (0) or cannot be (1), without it never.
  ConfigManager(base::EventLoop& loop, apiserver::ApiClient& api, ConfigManagerOptions options,
                std::function<void(int exit_status)> finished);
  ConfigManager(const ConfigManager&) = delete;
  ConfigManager& operator=(const ConfigManager&) = delete;

 private:
  void NodeChanged();
  void ReadLabel();
  void ServerAnswers(const base::Status& status);
  void StillWaiting();
  void WaitedLongEnough();
  void SourceChanged();
  void ApplySoon();
  void Apply();
  void KeepWhatThereIs(const base::Status& why);
  void Link(const std::string& name);
  void SignalAnEdit();
  bool ReadContent();
  void Signal(const std::string& because);
  void Warn(daemon::Reason reason, const std::string& message);
  void Finish(int exit_status);
  void TellFinished();
  [[nodiscard]] bool Linked() const;

  base::EventLoop& loop_;
  apiserver::ApiClient& api_;
  const ConfigManagerOptions options_;
  std::function<void(int)> finished_;
  base::OncePer rarely_;

  std::optional<std::string> label_;  // once the node has been seen, or is done without
  bool label_known_ = false;          // it has been seen
  base::Status api_status_;
  std::string last_warning_;
  struct LinkedFile {
    bool looked = false;
    std::optional<std::string> content;  // when it was last there
  } linked_;
  std::optional<int> exit_status_;

  base::Timer patience_timer_;
  base::Timer wait_timer_;
  base::Timer retry_timer_;
  base::TokenBucket changes_{kChangeBurst, kChangesPerSecond};
  std::unique_ptr<profile::ConfigSource> source_;
  apiserver::WatchedObject node_;
  std::unique_ptr<apiserver::ApiCall> event_;
  bool event_under_way_ = false;
  base::WeakRunner runner_;
};

}  // namespace tranche::configmanager
