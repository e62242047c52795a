// What the node program says of this pod: whether it has a wall, how high, and what stands in it.
//
// Threading: one thread; it waits for a second at most.
// Errors: Answer::why.
#pragma once

#include <cstdint>
#include <string_view>

#include "hook/text.h"
#include "wire/message.h"

namespace tranche::check {

struct Device {
  hook::Line<36> uuid;
  std::uint64_t limit_bytes;
  std::uint64_t used_bytes;
  std::uint64_t refusals;
};

struct Answer {
  bool answers = false;  // somebody answers at the socket
  bool walled = false;
  std::string_view why;  // a sentence, where not walled
  hook::List<Device, wire::kMaxDevices> devices;
};

Answer AskNodeProgram();

}  // namespace tranche::check
