// The CDI device that brings the library of memory walls (the shim) into a container. `tranche
// node` publishes it, and the device plugin adds its name to the answers for devices that have a
// wall, for as long as it is published.
//
// The name stands in answers that the kubelet keeps and gives again at each restart of a container,
// so it is never withdrawn: what a running pod refers to stays. New pods are given it as long as
// its file was written or confirmed lately: the publisher confirms it every kShimConfirmed, and
// counts as gone once it has been silent for kShimStays. A machine that has just started gives it
// that time again.
//
// Threading: plain functions that read files; safe on any thread.
// Errors: kNotFound where nothing is published.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "cdi/spec.h"

namespace tranche::cdi {

inline constexpr char kShimKind[] = "tranche.dev/shim";
inline constexpr char kShimName[] = "tranche.dev/shim=pod";
inline constexpr char kShimFile[] = "tranche.dev-shim.json";
// Where container runtimes look. The first is there after a reboot; the second has what plugins in
// other DaemonSets see.
inline constexpr char kShimDirectories[] = "/etc/cdi,/var/run/cdi";
inline constexpr base::Duration kShimConfirmed = std::chrono::seconds(60);
inline constexpr base::Duration kShimStays = std::chrono::minutes(10);
// Run by the runtime, from the folder of the files, while a container is being created.
inline constexpr char kShimHook[] = "tranche-hook";
inline constexpr char kShimHookArgument[] = "create-container";
inline constexpr char kShimHookWalls[] = "--walls";

// On the host. Both stay the same for ever, because answers are kept.
struct ShimPlaces {
  std::string files;
  std::string walls;  // the folder of the arbiter's socket
};

// The device has the runtime call the hook, and no mounts: the hook makes them. Of those in a CDI
// spec runtimes map the users where a container has a user namespace of its own. Its root would own
// the files, the hook among them, and could write them if it may make mounts writable.
CdiFile ShimSpec(const ShimPlaces& places);

// When the spec in one of these folders was last written or confirmed: st_mtime in nanoseconds, of
// the newest. A file that does not define the device counts for nothing.
base::Result<std::int64_t> ShimConfirmedAt(const std::vector<std::string>& directories);

// How long ago that was, or how long the machine has been up, whichever is less. Never below 0.
base::Duration ShimAge(std::int64_t confirmed_at_ns);

}  // namespace tranche::cdi
