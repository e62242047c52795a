// Computes what a container is given for the ids that it was allocated: environment, mounts, device
// nodes, CDI names.
//
// Rules and error texts are upstream's (NVIDIA's device plugin v0.20.0); device specs are listed
// once each. Beside them, devices with a memory wall bring the shim, whatever the strategy. The
// same request gets the same answer, annotation keys included, so that an answer that is replayed
// can be recognised. Only ReadNodeFacts looks at files.
//
// Threading: plain functions, safe on any thread.
// Errors: kUnknown with upstream's text for a request that is refused; kNotFound where a required
// IMEX channel is missing.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "config/config.h"
#include "kubelet/device_plugin.h"
#include "plan/plan.h"

namespace tranche::plan {

struct ImexChannel {
  std::string id;    // "0"
  std::string path;  // "/dev/nvidia-caps-imex-channels/channel0"
};

// What of the node an answer depends on. It is read again whenever the node's device folders
// change.
struct NodeFacts {
  std::vector<std::string> control_paths;  // of /dev/nvidiactl, … those that exist
  std::vector<ImexChannel> imex_channels;
  std::vector<std::string> cdi_classes;  // "gds", …: further classes whose CDI spec was written
  std::vector<std::string> missing;      // "nvidia-uvm", …: wanted in an answer, and not there
  // CDI name of the library that keeps to memory walls, while it is published.
  std::string shim = {};
};

// Looks for control nodes in /dev and for IMEX channels in `dev_root` and /dev, as upstream does.
// `own_root` is the folder whose dev is this process's own /dev. kNotFound: an IMEX channel is
// required and not there.
base::Result<NodeFacts> ReadNodeFacts(const config::Config& config, const std::string& dev_root,
                                      const std::string& own_root = "/");

struct AllocationContext {
  const config::Config& config;
  const Plan& plan;
  const PlannedResource& resource;
  const NodeFacts& facts;
};

// kUnknown with upstream's text for a request that is refused.
base::Status CheckRequest(const AllocationContext& context, const std::vector<std::string>& ids);
base::Result<kubelet::ContainerAnswer> Answer(const AllocationContext& context,
                                              const std::vector<std::string>& ids);

}  // namespace tranche::plan
