// The link by which config-manager hands the chosen config to the program beside it.
//
// Threading: plain functions over real files; any thread.
// Errors: a Status that names the path.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"

namespace tranche::configmanager {

// What the link at `path` says; absent where there is no link.
std::optional<std::string> LinkTarget(const std::string& path);

// Whether following both leads to one file that is there.
bool LeadToTheSameFile(const std::string& a, const std::string& b);

// Makes `path` a symbolic link to `target`, in one step: a reader finds the old or the new. Takes
// the place of a link or a file, not of a folder. Missing parent folders are made.
base::Status PointLink(const std::string& path, const std::string& target);

}  // namespace tranche::configmanager
