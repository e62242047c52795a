// The last configuration that could be applied, kept where it survives a restart, a reboot and the
// kubelet's wipe of its folder.
//
// One small file, replaced atomically, with a checksum: a torn or foreign file reads as an error,
// not as a configuration. Any thread.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::profile {

struct LastGood {
  std::string profile;
  std::string source;
  std::string text;
  friend bool operator==(const LastGood&, const LastGood&) = default;
};

// `directory` is …/device-plugins/tranche. Writing the same thing again does not touch the disk.
base::Status SaveLastGood(const std::string& directory, const LastGood& good);
// kNotFound: none yet. kDataLoss: there, but damaged.
base::Result<LastGood> LoadLastGood(const std::string& directory);

}  // namespace tranche::profile
