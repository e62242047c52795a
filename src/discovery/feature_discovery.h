// gpu-feature-discovery: turns the node's GPUs and the sharing config into labels, and keeps them
// true until it is told to end.
//
// It looks at the node every ten seconds or --sleep-interval, whichever is less (with `infinite`
// only when something happens: config file, device nodes, SIGHUP), and restarts the driver once per
// interval. A failure after the first start is logged and tried again: a driver that goes or comes,
// a config that cannot be used (the one in force stays), an API server that is away.
//
// Threading: the loop's thread.
// Errors: those of the first start end the program with status 1 where failOnInitError says so.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "config/load.h"
#include "daemon/daemon.h"
#include "gpu/gpu_watch.h"
#include "labels/publisher.h"
#include "profile/in_force.h"

namespace tranche::discovery {

struct FeatureDiscoveryOptions {
  profile::Overrides overrides;
  std::string config_file;
  std::string sys_root;  // prefix of /sys
  std::string version;
  gpu::GpuWatch::Options gpus;
  // The outlet that a config asks for. An error here ends the program at its start.
  std::function<base::Result<std::unique_ptr<labels::LabelOutlet>>(
      const config::Config& config, labels::LabelOutlet::StateChanged state_changed)>
      new_outlet;
};

class FeatureDiscovery {
 public:
  // kInvalidArgument: flags and environment alone make no sense, which no edit of a config mends.
  static base::Result<std::unique_ptr<FeatureDiscovery>> New(base::EventLoop& loop,
                                                             FeatureDiscoveryOptions options);
  FeatureDiscovery(const FeatureDiscovery&) = delete;
  FeatureDiscovery& operator=(const FeatureDiscovery&) = delete;

  // Runs until told to end; the process's exit status. Call once.
  int Run();
  void OnSignal(int number);

 private:
  FeatureDiscovery(base::EventLoop& loop, FeatureDiscoveryOptions options, config::Config flags);

  void Begin();
  base::Status Apply(const config::Loaded& loaded);
  base::Status ReplaceOutlet(const config::Config& config);
  void Published(const base::Status& status);
  void EndIfUnusable();
  void Scanned(const gpu::GpuWatch::News& news);
  void WarnOfBroken();
  void UpdateLabels();
  [[nodiscard]] bool LeavesLabels() const;

  const FeatureDiscoveryOptions options_;
  config::Config config_;  // in force; until there is one, what the flags say
  std::string broken_;     // GPUs left out, as last told
  std::string unread_;     // what is not known of the others, as last told
  base::Status outlet_status_;

  // Each part comes before those that use it, and so is destroyed after them.
  daemon::Daemon daemon_;
  std::unique_ptr<base::disk::Worker> worker_;
  labels::LabelPublisher publisher_;
  gpu::GpuWatch gpus_;
  profile::InForce in_force_;
};

}  // namespace tranche::discovery
