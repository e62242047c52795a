// Computes which edits every container with a GPU gets for the driver, and which each device adds.
//
// The choice of files is that of NVIDIA's nvcdi library: control nodes, libraries of the driver's
// version, graphics configuration, IPC sockets, firmware and tools; for each device its nodes.
//
// Threading: plain functions that only read the roots; one thread at a time.
// Errors: kFailedPrecondition where the driver's libraries or a device node are missing.
#pragma once

#include <string>

#include "base/status.h"
#include "cdi/edits.h"
#include "cdi/hooks.h"
#include "cdi/root.h"
#include "gpu/device.h"

namespace tranche::cdi {

// What the flag cdi-feature-flags says of the driver's part.
struct DriverFeatures {
  bool explicit_libraries = false;  // those beside the driver's own as well
  bool sockets = true;              // of the driver's services
};

// kFailedPrecondition: no driver of that version.
base::Result<Edits> DriverEdits(const Roots& roots, const HookWriter& hooks,
                                const std::string& version, DriverFeatures features);

// kFailedPrecondition: a device node is missing.
base::Result<Edits> GpuEdits(const Roots& roots, const HookWriter& hooks, const gpu::Gpu& gpu);
base::Result<Edits> MigEdits(const Roots& roots, const gpu::MigDevice& device);

// Further classes; without any edits where the node has no such devices.
Edits GdrcopyEdits(const Roots& roots);
Edits GdsEdits(const Roots& roots);
Edits MofedEdits(const Roots& roots);

}  // namespace tranche::cdi
