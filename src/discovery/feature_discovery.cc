#include "discovery/feature_discovery.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "plan/plan.h"

namespace tranche::discovery {
namespace {

using base::Code;
using base::Kv;
using base::Result;
using base::Status;

constexpr base::Duration kLongestRescan = std::chrono::seconds(10);
constexpr base::Duration kShortestRescan = std::chrono::seconds(1);
constexpr base::Duration kDriverRetry = std::chrono::seconds(2);
// A device node is made before the driver lists its GPU.
constexpr int kFreshLooks = 3;

// Nothing but looks: no events, no topology.
class LookingDriver : public gpu::GpuDriver {
 public:
  explicit LookingDriver(std::shared_ptr<gpu::GpuDriver> driver) : driver_(std::move(driver)) {}

  Status Initialise() override { return driver_->Initialise(); }
  void Shutdown() override { driver_->Shutdown(); }
  Result<gpu::Inventory> Enumerate() override { return driver_->Enumerate(); }
  Result<gpu::Topology> ReadTopology(const gpu::Inventory& /*inventory*/) override {
    return gpu::Topology();
  }
  Result<std::vector<Unwatched>> WatchHealth(const std::vector<std::string>& uuids) override {
    std::vector<Unwatched> none;
    none.reserve(uuids.size());
    for (const std::string& uuid : uuids) none.push_back({uuid, {Code::kUnimplemented, ""}});
    return none;
  }
  Result<std::vector<gpu::HealthEvent>> WaitForEvents(std::chrono::milliseconds /*t*/) override {
    return std::vector<gpu::HealthEvent>();
  }
  // What is lost stays labelled for a while in any case.
  Status Probe(const std::string& /*uuid*/) override { return Status::Ok(); }

 private:
  std::shared_ptr<gpu::GpuDriver> driver_;
};

bool IsGpuNode(const std::string& name) {
  constexpr std::string_view kPrefix = "nvidia";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         std::all_of(name.begin() + kPrefix.size(), name.end(),
                     [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
}

// What decides which outlet is used.
bool SameOutlet(const config::Flags& a, const config::Flags& b) {
  return a.use_node_feature_api == b.use_node_feature_api && a.gfd.output_file == b.gfd.output_file;
}

std::string Broken(const gpu::Inventory& inventory) {
  std::string text;
  for (const gpu::BrokenGpu& gpu : inventory.broken) {
    if (!text.empty()) text += "; ";
    text += "GPU " + std::to_string(gpu.index) + ": ";
    text += gpu.error;
  }
  return text;
}

}  // namespace

FeatureDiscovery::FeatureDiscovery(base::EventLoop& loop, FeatureDiscoveryOptions options)
    : loop_(loop), options_(std::move(options)), publisher_(options_.sys_root) {}

FeatureDiscovery::~FeatureDiscovery() { loop_.CancelTimer(scan_timer_); }

int FeatureDiscovery::Run() {
  // Flags and environment alone must make sense: a mistake there is not one that an edit can mend.
  auto flags = config::LoadConfig("", "", options_.environment, options_.command_line);
  if (!flags.ok()) {
    base::LogError(flags.status().message());
    return 1;
  }
  config_ = std::move(flags->config);
  loop_.Post([this] { Begin(); });
  loop_.Run();
  if (!leaves_labels()) publisher_.Withdraw();
  base::LogInfo("stopped", {Kv("exit", exit_status_)});
  return exit_status_;
}

// Upstream's rule; outlets other than files leave them in any case.
bool FeatureDiscovery::leaves_labels() const {
  return config_.flags.gfd.oneshot || !config_.flags.gfd.sleep_interval;
}

void FeatureDiscovery::Begin() {
  base::LogInfo("starting", {Kv("version", options_.version)});
  source_ = profile::ConfigSource::New(loop_, {.config_file = options_.config_file},
                                       [this] { RefreshConfig(); });
  RefreshConfig();
  if (!ending_) StartDriver();
}

void FeatureDiscovery::StartDriver() {
  // Outside a container there is no mount to look in: the host's root is the driver's.
  std::string root = config_.flags.plugin.container_driver_root;
  if (!base::Exists(root)) root = "/";
  dev_directory_ = base::JoinPath(root, "dev");
  if (!base::Exists(dev_directory_)) dev_directory_ = "/dev";
  last_fresh_ = loop_.Now();
  driver_ =
      gpu::DriverThread::Start(loop_, std::make_shared<LookingDriver>(options_.new_driver(root)),
                               {.scanned = [this](gpu::Scan scan) { Scanned(std::move(scan)); },
                                .health_event = [](const gpu::HealthEvent&) {},
                                .topology = {}});
  driver_->RequestScan(false);
  DeviceNodesChanged();
  device_watch_ = base::WatchDirectory(loop_, dev_directory_, [this] { DeviceNodesChanged(); });
}

// ---- configuration ----

void FeatureDiscovery::RefreshConfig() {
  if (ending_) return;
  profile::WantedConfig wanted = source_->Read();
  if (wanted.certainty != profile::Certainty::kSure) return;
  if (wanted == in_force_) {
    refused_.reset();
    return;
  }
  if (wanted == refused_) return;
  const Status status = TakeConfig(wanted);
  if (status.ok()) {
    refused_.reset();
    in_force_ = std::move(wanted);
    return Update();
  }
  if (!in_force_ && config_.flags.fail_on_init_error) {
    base::LogError(status.message());
    return End(1);
  }
  base::LogWarning(in_force_ ? "the config cannot be used; the one in force stays"
                             : "the config cannot be used; waiting for one that can",
                   {Kv("error", status.message())});
  refused_ = std::move(wanted);
}

Status FeatureDiscovery::TakeConfig(const profile::WantedConfig& wanted) {
  TRANCHE_TRY(wanted.status);
  auto loaded =
      config::LoadConfig(wanted.text, wanted.source, options_.environment, options_.command_line);
  if (!loaded.ok()) return loaded.status();
  for (const config::Diagnostic& warning : loaded->warnings) {
    base::LogWarning(config::FormatDiagnostic(wanted.source, warning));
  }
  const bool other = !publisher_.attached() || !SameOutlet(loaded->config.flags, config_.flags);
  if (other) TRANCHE_TRY(MakeOutlet(loaded->config));
  config_ = std::move(loaded->config);
  return Status::Ok();
}

Status FeatureDiscovery::MakeOutlet(const config::Config& config) {
  auto outlet = options_.new_outlet(config, [this](const Status& status) { OutletState(status); });
  if (!outlet.ok()) return outlet.status();
  publisher_.Withdraw();
  publisher_.Attach(std::move(*outlet));
  return Status::Ok();
}

void FeatureDiscovery::OutletState(const Status& status) {
  if (config_.flags.gfd.oneshot) {
    if (!status.ok()) base::LogError("cannot publish labels", {Kv("error", status.message())});
    return End(status.ok() ? 0 : 1);
  }
  if (!status.ok() && status.message() != outlet_status_.message()) {
    base::LogWarning("cannot publish labels, trying again", {Kv("error", status.message())});
  } else if (status.ok() && !outlet_status_.ok()) {
    base::LogInfo("labels are published again");
  }
  outlet_status_ = status;
}

// ---- the driver ----

void FeatureDiscovery::DeviceNodesChanged() {
  const auto names = base::ListDirectory(dev_directory_);
  std::vector<std::string> nodes;
  if (names.ok()) std::ranges::copy_if(*names, std::back_inserter(nodes), IsGpuNode);
  if (nodes == device_nodes_) return;
  device_nodes_ = std::move(nodes);
  if (!driver_known_) return;
  base::LogInfo("GPU device nodes have changed, looking again");
  fresh_looks_ = kFreshLooks;
  driver_->RequestScan(true);
}

void FeatureDiscovery::Scanned(gpu::Scan scan) {
  if (ending_) return;
  const bool first = !std::exchange(driver_known_, true);
  const bool news = first || scan.status.message() != driver_status_.message();
  driver_status_ = std::move(scan.status);
  if (driver_status_.ok()) {
    if (news) {
      base::LogInfo("driver ready",
                    {Kv("version", scan.inventory.driver_version),
                     Kv("gpus", static_cast<std::uint64_t>(scan.inventory.gpus.size()))});
    }
    const std::string broken = Broken(scan.inventory);
    if (broken != broken_ && !broken.empty()) {
      base::LogWarning("GPUs that the driver does not tell of are not labelled",
                       {Kv("error", broken)});
    }
    broken_ = broken;
    inventory_ = memory_.Merge(scan.inventory, loop_.Now()).inventory;
  } else if (first && config_.flags.fail_on_init_error) {
    base::LogError(
        "the GPU driver cannot be used (GFD_FAIL_ON_INIT_ERROR=false waits for it instead)",
        {Kv("error", driver_status_.message())});
    return End(1);
  } else if (news) {
    // Labels that are out stay: the GPUs are still there, and advertised.
    base::LogWarning("the driver is not ready", {Kv("error", driver_status_.message())});
  }
  Update();
  ScheduleScan();
}

void FeatureDiscovery::ScheduleScan() {
  loop_.CancelTimer(scan_timer_);
  scan_timer_ = 0;
  const auto interval = config_.flags.gfd.sleep_interval;
  const bool soon = !driver_status_.ok() || fresh_looks_ > 0;
  if (!soon && !interval) return;
  base::Duration delay = kDriverRetry;
  if (!soon) {
    delay = std::clamp(std::chrono::duration_cast<base::Duration>(*interval), kShortestRescan,
                       kLongestRescan);
  }
  scan_timer_ = loop_.RunAfter(delay, [this] {
    scan_timer_ = 0;
    const auto longest = config_.flags.gfd.sleep_interval;
    bool afresh =
        !driver_status_.ok() || std::exchange(fresh_looks_, std::max(0, fresh_looks_ - 1)) > 0;
    afresh = afresh || (longest && loop_.Now() - last_fresh_ >= *longest);
    if (afresh) last_fresh_ = loop_.Now();
    driver_->RequestScan(afresh);
  });
}

// ---- labels ----

void FeatureDiscovery::Update() {
  if (ending_ || !driver_known_ || !in_force_) return;
  const auto plan = plan::BuildPlan(config_, inventory_);
  publisher_.Update(config_, inventory_, plan.ok() ? &*plan : nullptr);
}

void FeatureDiscovery::OnSignal(int number) {
  if (number != SIGHUP) {
    base::LogInfo("received a signal, shutting down", {Kv("signal", number)});
    return End(0);
  }
  base::LogInfo("received SIGHUP: reading the config and looking at the node again");
  publisher_.Restart();
  RefreshConfig();
  if (driver_ != nullptr) driver_->RequestScan(true);
}

void FeatureDiscovery::End(int exit_status) {
  if (std::exchange(ending_, true)) return;
  exit_status_ = exit_status;
  loop_.Stop();
}

}  // namespace tranche::discovery
