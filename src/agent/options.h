// What the agent is told on its command line and in its environment, once parsed. The defaults are
// those of the flags (src/cli/programs/agent_flags.cc).
//
// Threading: plain data; the functions in it are called on the loop's thread.
// Errors: none.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/shim_watch.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "cdi/shim.h"
#include "cdi/spec.h"
#include "daemon/api_link.h"
#include "gpu/gpu_watch.h"
#include "kubelet/device_plugin.h"
#include "labels/choice.h"
#include "profile/cluster_source.h"
#include "profile/file_source.h"
#include "profile/in_force.h"

namespace tranche::agent {

struct AgentOptions {
  profile::FileSourceOptions config;
  profile::Overrides overrides;
  gpu::GpuWatch::Options gpus;

  std::string kubelet_socket;        // "": do not register
  std::string pod_resources_socket;  // "": do without
  std::string run_directory;         // of status.json; "": none is written
  std::string cdi_directory;
  ShimWatch::Options shim{.directories = {}, .age = cdi::ShimAge};
  std::string listen;  // "": no HTTP
  base::Duration rescan_interval{};
  std::string version;
  std::string node_name;
  // What is odd about how it was installed; told with the warnings of the config.
  std::vector<std::string> install_warnings;

  profile::ClusterSourceOptions cluster;
  bool events = false;  // Kubernetes Events on the node

  labels::OutletChoice labels;  // its file is the config's
  std::string sys_root;         // prefix of /sys, for labels

  // What stays as it is outside tests: the folder whose dev is this process's own /dev, and the
  // numbers of a device node (lstat(2) where there is none).
  std::string own_root = "/";
  std::function<std::optional<cdi::CharDevice>(const std::string& path)> stat_char_device;

  // Makes the client of the API server. Called only where one of the three above asks for it.
  std::function<base::Result<daemon::ApiConnection>(base::EventLoop&)> new_api;
  // Makes what speaks with the kubelet.
  std::function<std::unique_ptr<kubelet::PluginLink>(base::EventLoop&)> new_link =
      kubelet::NewPluginLink;
  // Makes what does whatever may block on a disk.
  std::function<std::unique_ptr<base::disk::Worker>(base::EventLoop&)> new_worker =
      [](base::EventLoop& loop) { return base::disk::Worker::New(loop); };

  [[nodiscard]] bool NeedsApi() const { return cluster.Any() || events || labels.NeedsApi(); }
  // Plugin sockets live beside the kubelet's, our own files in a folder there (folders survive the
  // kubelet's wipe at its start).
  [[nodiscard]] std::string SocketDirectory() const;
  [[nodiscard]] std::string StateDirectory() const;
};

}  // namespace tranche::agent
