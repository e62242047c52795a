// Where the sharing configuration comes from, as whoever applies it sees it: bytes, and how sure it
// is that they are wanted. file_source.h reads files; cluster_source.h asks the API server.
//
// Threading: the loop's thread.
// Errors: WantedConfig::status says why a configuration that is named cannot be had.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apiserver/client.h"
#include "base/status.h"

namespace tranche::profile {

inline constexpr char kInSync[] = "in sync";

// What the API server has said, where it is asked.
struct KubernetesState {
  bool used = false;
  std::string api;                         // kInSync, or why not
  std::string node_label;                  // its key; "": not watched
  std::optional<std::string> label_value;  // "" without the label; absent: not seen yet
  std::string config_map;                  // NAMESPACE/NAME that profiles are read from
  std::string config_map_version;          // its resourceVersion
  std::string cluster_policy;              // name of the one that is followed
  std::string events;  // "" not asked for, "sent", "not permitted", or why they wait
};

// How sure we are that a WantedConfig is what the user wants.
enum class Certainty {
  kSure,     // The user, or the API server, says so.
  kGuess,    // The API server does not answer. To be used only on a node that has nothing else.
  kUnknown,  // There is no answer yet, but there may be one soon.
  kOverdue,  // There is no answer yet, in longer than an answer takes. The user should be told.
};

// Which configuration the user wants at this moment. Only `certainty` and `why` count where it is
// kUnknown or kOverdue.
struct WantedConfig {
  std::string profile;  // the chosen name, "" for a single file or none
  std::string source;   // the path, for messages; "" when nothing is named
  bool named = false;   // false: no config named at all, or the `empty` fallback: unshared default
  base::Status status;  // not OK: named, but it cannot be had
  std::string text;
  Certainty certainty = Certainty::kSure;
  std::string why;  // why it is not sure
};

// Whether both are the same configuration, however sure we are of either.
[[nodiscard]] inline bool SameConfig(const WantedConfig& a, const WantedConfig& b) {
  return a.profile == b.profile && a.source == b.source && a.named == b.named &&
         a.status == b.status && a.text == b.text;
}

class ConfigSource {
 public:
  virtual ~ConfigSource() = default;

  [[nodiscard]] virtual WantedConfig Read() const = 0;
  [[nodiscard]] virtual std::vector<std::string> AvailableProfiles() const = 0;
  // From now on this one is selected, whatever flag and file say.
  virtual void Select(const std::string& /*profile*/) {}
  // Whether Read may have to wait for an answer after a start, and is not kSure until then.
  [[nodiscard]] virtual bool MayBeLate() const { return false; }

  // For a source that asks the API server: it begins to watch. The client outlives it.
  // `default_namespace` is that of the account.
  virtual void Connect(apiserver::ApiClient& /*api*/, const std::string& /*default_namespace*/) {}
  // There is no client (yet).
  virtual void CannotConnect(const base::Status& /*why*/) {}
  // Fills in what it knows of the cluster.
  virtual void Describe(KubernetesState& /*state*/) const {}
};

}  // namespace tranche::profile
