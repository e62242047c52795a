// What can be seen from outside of a program in a pod that uses a GPU and has not attached: which
// libcuda it has loaded, and what was said when its container was made.
//
// The hook that puts the shim into containers writes a file for each of them, named after the
// container, on the node's side: {"walls": "yes" or "no", "reason": WORD, "message": TEXT}.
//
// Threading: LookInside may block for as long as the program likes, since the kernel waits for the
// lock of its memory: it belongs on a thread that nobody waits for. ForgetBirths is for that
// thread, too. The rest is pure.
// Errors: none; what cannot be read is not known.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/identity/maps.h"
#include "node/walls/reason.h"

namespace tranche::node::walls {

struct Birth {
  bool walled = false;
  std::string word;
  std::string message;
};
// nullopt: it makes no sense.
std::optional<Birth> ReadBirth(std::string_view text);

enum class Loaded {
  kNotKnown,
  kNothing,  // no libcuda at all
  kShim,
  kOther,  // a libcuda, and not the shim
};
// By the lines of /proc/PID/maps. The shim is known by its files, and by their name.
Loaded ReadLoaded(std::string_view maps, const std::vector<identity::MappedFile>& shims);

struct Inside {
  Loaded loaded = Loaded::kNotKnown;
  std::optional<Birth> birth;
};

struct InsidePaths {
  std::string proc = "/proc";
  std::string shims;   // folder of the files that containers get; "": not told
  std::string births;  // folder of what was said at births; "": not told
};
Inside LookInside(const InsidePaths& paths, unsigned pid, const std::string& container_id);

// Removes what was said of containers that are not among these, once it is an hour old.
void ForgetBirths(const std::string& folder, const std::set<std::string>& kept);

// Whether somebody writes such files at all.
enum class Births { kTold, kNotTold };
// Why a program does not keep to the wall, where it has not asked in another version of wire/.
Reason WhyNoWall(const Inside& inside, Births births);

}  // namespace tranche::node::walls
