// What came of a container's birth, and the file on the host in which the node program reads it.
//
// The file is FOLDER/CONTAINER-ID (default folder /run/tranche/births), one line of JSON:
//   {"walls":"yes","reason":"","message":"","libraries":[{"path":"/usr/lib/…","state":"covered"}]}
// `walls` is "no" where one libcuda of the container stands uncovered, or none was found; `reason`
// is then a word of kReasons and `message` a sentence. The folder is root's alone. With a user
// namespace of the container's own the hook may not write there, and there is no file.
//
// Threading: plain values; Write by one thread.
// Errors: Write is false where the file was not written, which nobody waits for.
#pragma once

#include <cstddef>
#include <string_view>

#include "hook/search.h"
#include "hook/text.h"

namespace tranche::hook {

inline constexpr char kBirthsFolder[] = "/run/tranche/births";

enum class Reason {
  kNone,       // walled
  kMusl,       // an image without glibc: no program in it can load the driver
  kArch,       // there is no shim for this machine
  kNoLibcuda,  // no libcuda was found
  kTooOld,     // a libcuda is older than every shim
  kKernel,     // the kernel has not the calls that it takes
  kFailed,     // as the message says
};
std::string_view WordOf(Reason reason);

enum class State {
  kCovered,    // a shim stands in front of it
  kReplaced,   // a hook of NVIDIA's puts a link to another file in its place
  kNoLibrary,  // no library that programs of this machine can load
  kTooOld,
  kFailed,
};
std::string_view WordOf(State state);

struct Report {
  Line<128> id;
  Reason reason = Reason::kFailed;
  Line<511> message;
  struct Entry {
    Line<255> path;
    LibraryKind kind = LibraryKind::kCuda;
    State state = State::kFailed;
  };
  List<Entry, 16> libraries;
};

// Whether a container's id can be a file's name, as the ids of all runtimes can.
bool IsPlainId(std::string_view id);
bool Write(const char* folder, const Report& report);

}  // namespace tranche::hook
