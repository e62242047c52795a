// TrustedTree looks at the files of a root, and trusts a path only where nobody but root can change
// what it names.
//
// A container runtime mounts what a CDI spec names as root, and follows symbolic links then. So
// each directory on the way belongs to root and may be written by its owner alone, /tmp being none;
// a link belongs to root, and its target is looked at in the same way. In a directory with the
// sticky bit a group may make new names (/nix/store), since it cannot replace those of root; it may
// not in a directory that is itself what is looked for. Directories above the root count too, where
// they can be seen. The user that this process runs as counts as root.
//
// Threading: it only reads; any thread.
// Errors: kNotFound where there is nothing; kPermissionDenied with the component that others can
// change, or the link that leads to where this process cannot see what the host has.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/status.h"

namespace tranche::cdi {

class TrustedTree {
 public:
  struct Found {
    std::string path;  // without links
    struct stat info {};
  };

  // `here` is the root as this process sees it, without links; `on_host` is what the host calls it.
  TrustedTree(std::string here, std::string on_host);

  // What is at `path`, which lies in the root, links followed.
  [[nodiscard]] base::Result<Found> Look(const std::string& path) const;

 private:
  class Walk;

  std::string here_;
  std::string on_host_;
};

}  // namespace tranche::cdi
