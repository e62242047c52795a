// gpu-feature-discovery: the node's GPUs and the sharing config turned into labels, kept true until
// told to end.
//
// Looks at the node every ten seconds or --sleep-interval, whichever is less (with `infinite` only
// when something happens: config file, device nodes, SIGHUP), and starts the driver anew once per
// interval, as a GPU that came later is seen only so. What fails later than the first start is told
// and tried again: a driver that goes or comes, a config that cannot be used (the one in force
// stays), an API server that is away. The loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "config/load.h"
#include "gpu/driver_thread.h"
#include "gpu/inventory_memory.h"
#include "labels/publisher.h"
#include "profile/source.h"

namespace tranche::discovery {

struct FeatureDiscoveryOptions {
  std::vector<config::Override> environment;
  std::vector<config::Override> command_line;
  std::string config_file;
  std::string sys_root;  // goes before /sys
  std::string version;

  // The driver for a driver root as this process sees it.
  std::function<std::shared_ptr<gpu::GpuDriver>(const std::string& driver_root)> new_driver;
  // The outlet that a config asks for. An error here ends the program at its start.
  std::function<base::Result<std::unique_ptr<labels::LabelOutlet>>(
      const config::Config& config, labels::LabelOutlet::State state)>
      new_outlet;
};

class FeatureDiscovery {
 public:
  FeatureDiscovery(base::EventLoop& loop, FeatureDiscoveryOptions options);
  ~FeatureDiscovery();

  // Runs until told to end; the process's exit status. Call once.
  int Run();
  void OnSignal(int number);

 private:
  void Begin();
  void StartDriver();
  void RefreshConfig();
  base::Status TakeConfig(const profile::WantedConfig& wanted);
  base::Status MakeOutlet(const config::Config& config);
  void OutletState(const base::Status& status);
  void DeviceNodesChanged();
  void Scanned(gpu::Scan scan);
  void ScheduleScan();
  void Update();
  void End(int exit_status);
  [[nodiscard]] bool leaves_labels() const;

  base::EventLoop& loop_;
  const FeatureDiscoveryOptions options_;
  config::Config config_;  // in force, or what flags say
  std::optional<profile::WantedConfig> in_force_;
  std::optional<profile::WantedConfig> refused_;
  gpu::InventoryMemory memory_;
  gpu::Inventory inventory_;
  bool driver_known_ = false;  // the first scan, good or bad, has been seen
  base::Status driver_status_;
  std::string broken_;  // GPUs left out, as last told

  std::unique_ptr<profile::ConfigSource> source_;
  labels::LabelPublisher publisher_;
  std::unique_ptr<gpu::DriverThread> driver_;
  std::unique_ptr<base::DirectoryWatch> device_watch_;
  std::string dev_directory_;
  std::vector<std::string> device_nodes_;
  int fresh_looks_ = 0;  // so many scans more start the driver anew
  base::TimePoint last_fresh_;
  base::EventLoop::TimerId scan_timer_ = 0;
  base::Status outlet_status_;
  bool ending_ = false;
  int exit_status_ = 0;
};

}  // namespace tranche::discovery
