// The programs of this pod, as a program of the same pod names them: by the pids that it sees
// itself.
//
// What the pages say of a program (its pid on the node, and the one that it sees itself) counts
// where this program sees a process of that pid that began at the same time. So a pid of another
// container of the pod, or one that the kernel has given to somebody else since, is not mistaken.
//
// The pages are the pod's own, and whatever stands there is bounded by their size.
//
// Threading: any thread.
// Errors: a program that cannot be told is left out.
#pragma once

#include "shim/guest/pages.h"

namespace tranche::shim::nvml {

// Slots from this number on need not be looked at.
unsigned SlotsUsed(const guest::Pages& pages);

// Whether the program of a slot is there, and under which pid.
bool IsHere(const wire::Slot& slot, unsigned* pid);

// What the program of a slot holds of a device of the pages; 0 where it holds nothing.
std::uint64_t BytesOf(const wire::Slot& slot, unsigned device);

// How a driver names processes, which differs between drivers.
enum class Names {
  kOfTheNode,  // as the node program sees them, too
  kOfThePod,   // as this program sees them
};

// From a driver's pid of a program of this pod to the one that this program sees; false where it
// is no program of this pod.
bool FindOwn(const guest::Pages& pages, Names names, unsigned driver_pid, unsigned* pid);

// The other way round: what the node calls a program of this pod.
bool FindOnNode(const guest::Pages& pages, unsigned pid, unsigned* node_pid);

}  // namespace tranche::shim::nvml
