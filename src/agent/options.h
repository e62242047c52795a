// What the agent is told on its command line and in its environment, once parsed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "config/load.h"
#include "gpu/driver.h"
#include "gpu/health.h"
#include "labels/choice.h"
#include "profile/cluster_source.h"
#include "profile/source.h"

namespace tranche::agent {

struct ApiConnection {
  std::unique_ptr<apiserver::ApiClient> client;
  std::string default_namespace;  // of the account; may be ""
};

struct AgentOptions {
  profile::ConfigSourceOptions config;
  std::vector<config::Override> environment;
  std::vector<config::Override> command_line;
  gpu::XidFilter xid_filter;

  std::string kubelet_socket =
      "/var/lib/kubelet/device-plugins/kubelet.sock";  // "": do not register
  std::string pod_resources_socket =
      "/var/lib/kubelet/pod-resources/kubelet.sock";  // "": do without
  std::string run_directory = "/run/tranche";         // status.json
  std::string cdi_directory = "/var/run/cdi";
  std::string listen = "9435";  // "": no HTTP
  base::Duration rescan_interval = std::chrono::seconds(10);
  std::string version;
  std::string node_name;

  profile::ClusterSourceOptions cluster;
  bool events = false;  // Kubernetes Events on the node

  labels::OutletChoice labels;  // its file is the config's
  std::string sys_root;         // goes before /sys, for labels

  // Makes the client of the API server; called only where one of these asks for it.
  std::function<base::Result<ApiConnection>(base::EventLoop&)> new_api;

  // The driver for a driver root as this process sees it.
  std::function<std::shared_ptr<gpu::GpuDriver>(const std::string& driver_root)> new_driver;

  // Plugin sockets live beside the kubelet's, our own files in a folder there (folders survive the
  // kubelet's wipe at its start).
  [[nodiscard]] std::string SocketDirectory() const;
  [[nodiscard]] std::string StateDirectory() const;
};

}  // namespace tranche::agent
