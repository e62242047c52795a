// One message to the node program and its answer, on a connection of its own.
//
// Threading: any thread.
// Errors: Exchange is false where nobody answers in time, or with something else than an answer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tranche::shim::guest {

// Milliseconds of the monotonic clock.
std::int64_t NowMilliseconds();
void SleepMilliseconds(int milliseconds);

// Sends a packet, and receives one of exactly `answer_bytes`, until `deadline`. With `descriptors`
// the two that come with it, which are the caller's to close; -1 where none came.
bool Exchange(const void* message, std::size_t bytes, void* answer, std::size_t answer_bytes,
              int (*descriptors)[2], std::int64_t deadline);

// Whether this container is in the node program's hands at all: its folder is there.
bool FolderExists();
// Whether memory is refused while the node program does not answer.
bool ClosedWhileAway();

}  // namespace tranche::shim::guest
