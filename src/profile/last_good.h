// Stores the last configuration that could be applied, in a place that survives a restart, a reboot
// and the kubelet's wipe of its folder.
//
// It is one small file with a checksum, which is replaced atomically.
//
// Threading: plain functions, safe on any thread.
// Errors: kNotFound where there is no file. A torn or foreign file is kDataLoss, not a
// configuration.
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
