// The configuration as files give it: one file, or a directory of named profiles (a mounted
// ConfigMap) of which one is chosen (choose.h). The selected name comes from a flag, or from a file
// whose content may change.
//
// It watches directories, not files, so that swaps of `..data`, renames and edits in place are all
// seen. A profile that is read in the middle of a ConfigMap's swap is read again. Whoever writes a
// file in place empties it first, so a file that was emptied a moment ago is kUnknown until it has
// stayed empty for a while.
//
// Threading: the loop's thread.
// Errors: WantedConfig::status says why the file cannot be had. At most config::kMaxConfigBytes of
// a file are read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "profile/choose.h"
#include "profile/source.h"

namespace tranche::profile {

struct FileSourceOptions {
  std::string config_file;         // CONFIG_FILE; "" when not given
  std::string profiles_directory;  // "" when not given; wins over config_file
  std::string profile;             // selected name, as a flag
  std::string profile_file;        // or a file whose trimmed content is the selected name
  std::string default_profile;
  std::vector<Fallback> fallbacks;
};

// Calls `changed` (on the loop) when something that Read depends on may have changed; it may also
// be called when nothing has.
std::unique_ptr<ConfigSource> NewFileSource(base::EventLoop& loop, FileSourceOptions options,
                                            std::function<void()> changed);

}  // namespace tranche::profile
