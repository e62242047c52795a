// What the node program says of this pod to who only looks (wire::Look).
//
// Threading: any thread.
// Errors: LookUntil is false where nobody answered.
#pragma once

#include <unistd.h>

#include <cstdint>

#include "shim/guest/channel.h"
#include "wire/message.h"

namespace tranche::shim::guest {

// Asks until the node program knows the pod, or until `deadline`, and once in any case. `take` is
// given each answer and its two descriptors, -1 where none came, which are closed after it.
template <typename Take>
bool LookUntil(std::int64_t deadline, const Take& take) {
  constexpr int kRetryMilliseconds = 20;
  const wire::Look look = {
      .header = {.magic = wire::kMagic, .version = wire::kVersion, .kind = wire::Kind::kLook},
      .reserved = 0};
  for (bool answered = false;;) {
    wire::HelloAnswer answer = {};
    int descriptors[2];
    const bool said =
        Exchange(&look, sizeof look, &answer, sizeof answer, &descriptors, deadline) &&
        answer.header.magic == wire::kMagic;
    if (said) take(answer, descriptors);
    for (const int descriptor : descriptors) {
      if (descriptor >= 0) close(descriptor);
    }
    answered = answered || said;
    if (said && answer.status != wire::Status::kNotYet) return true;
    if (NowMilliseconds() + kRetryMilliseconds >= deadline) return answered;
    SleepMilliseconds(kRetryMilliseconds);
  }
}

}  // namespace tranche::shim::guest
