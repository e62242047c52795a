// When a process began, from the text of its /proc/PID/stat.
//
// Threading: plain functions.
// Errors: false where the text is not understood.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tranche::shim::nvml {

// The 22nd field (proc(5)), in clock ticks since boot. The second is the process's own name for
// itself in brackets, which may hold blanks and brackets.
bool ReadStartTicks(const char* text, std::size_t length, std::uint64_t* ticks);

}  // namespace tranche::shim::nvml
