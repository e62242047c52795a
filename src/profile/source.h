// Where the sharing configuration comes from: one file, or a directory of named profiles (a mounted
// ConfigMap) of which one is selected. Reads bytes, decides nothing about them.
//
// Selection follows NVIDIA's config-manager: the selected name; without one the default; without
// that the fallback strategies in order. The selected name comes from a flag or from a file (whose
// content may change); cluster_source.h asks an API server instead. All methods: the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/client.h"
#include "base/event_loop.h"
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

enum class Fallback { kNamed, kSingle, kEmpty };
base::Result<std::vector<Fallback>> ParseFallbacks(const std::vector<std::string>& words);

struct ConfigSourceOptions {
  std::string config_file;         // CONFIG_FILE; "" when not given
  std::string profiles_directory;  // "" when not given; wins over config_file
  std::string profile;             // selected name, as a flag
  std::string profile_file;        // or a file whose trimmed content is the selected name
  std::string default_profile;
  std::vector<Fallback> fallbacks;
};

// Of what is wanted. A file can be read at once, unless somebody is just writing it; an API server
// answers when it does.
enum class Certainty {
  kSure,
  kGuess,    // nobody answers: for a node that has nothing else
  kUnknown,  // not answered yet; `status` not OK: nor is it in the time that an answer takes
};

// What is wanted just now.
struct WantedConfig {
  std::string profile;  // the chosen name, "" for a single file or none
  std::string source;   // the path, for messages; "" when nothing is named
  bool named = false;   // false: no config named at all, or the `empty` fallback: unshared default
  base::Status status;  // not OK: named, but it cannot be had
  std::string text;
  Certainty certainty = Certainty::kSure;
  std::string why;  // it is not sure

  // The same config, however sure of it.
  friend bool operator==(const WantedConfig& a, const WantedConfig& b) {
    return a.profile == b.profile && a.source == b.source && a.named == b.named &&
           a.status == b.status && a.text == b.text;
  }
};

// The file to use, "" for the `empty` fallback. Pure; errors are upstream's texts.
base::Result<std::string> ChooseProfile(const std::vector<std::string>& available,
                                        const std::string& selected,
                                        const std::string& default_profile,
                                        const std::vector<Fallback>& fallbacks);

class ConfigSource {
 public:
  // Calls `changed` (on the loop) when something that Read depends on may have changed; it may be
  // called without need. Watches directories, not files, so that `..data` swaps, renames and edits
  // in place are all seen.
  static std::unique_ptr<ConfigSource> New(base::EventLoop& loop, ConfigSourceOptions options,
                                           std::function<void()> changed);
  virtual ~ConfigSource() = default;

  // Bounded: at most config::kMaxConfigBytes of a file. A profile read in the middle of a ConfigMap
  // swap is read again.
  [[nodiscard]] virtual WantedConfig Read() const = 0;
  [[nodiscard]] virtual std::vector<std::string> AvailableProfiles() const = 0;
  // From now on this one is selected, whatever flag and file say.
  virtual void Select(const std::string& /*profile*/) {}
  // Whether Read may be anything but sure after a start.
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
