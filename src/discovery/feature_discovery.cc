#include "discovery/feature_discovery.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "plan/plan.h"
#include "profile/file_source.h"

namespace tranche::discovery {
namespace {

using base::Kv;
using base::Result;
using base::Status;

constexpr base::Duration kLongestRescan = std::chrono::seconds(10);
constexpr base::Duration kShortestRescan = std::chrono::seconds(1);

gpu::GpuWatch::Intervals IntervalsOf(const config::Config& config) {
  const auto interval = config.flags.gfd.sleep_interval;
  if (!interval) return {};
  const auto given = std::chrono::duration_cast<base::Duration>(*interval);
  return {.scan = std::clamp(given, kShortestRescan, kLongestRescan), .restart = given};
}

// What decides which outlet is used.
bool SameOutlet(const config::Flags& a, const config::Flags& b) {
  return a.use_node_feature_api == b.use_node_feature_api && a.gfd.output_file == b.gfd.output_file;
}

}  // namespace

Result<std::unique_ptr<FeatureDiscovery>> FeatureDiscovery::New(base::EventLoop& loop,
                                                                FeatureDiscoveryOptions options) {
  const auto& [environment, command_line] = options.overrides;
  auto flags =
      config::LoadConfig("", "", environment, command_line, config::Reader::kFeatureDiscovery);
  if (!flags.ok()) return flags.status();
  return std::unique_ptr<FeatureDiscovery>(
      new FeatureDiscovery(loop, std::move(options), std::move(flags->config)));
}

FeatureDiscovery::FeatureDiscovery(base::EventLoop& loop, FeatureDiscoveryOptions options,
                                   config::Config flags)
    : options_(std::move(options)),
      config_(std::move(flags)),
      daemon_(loop, {.version = options_.version}, /*owner=*/{}),
      worker_(base::disk::Worker::New(loop)),
      publisher_(options_.sys_root),
      // Neither faults nor topology are asked for: a GPU stays labelled while it is ill.
      gpus_(loop, *worker_, options_.gpus, IntervalsOf(config_),
            {.scanned = [this](const gpu::GpuWatch::News& news) { Scanned(news); },
             .health_changed = {},
             .topology_read = {},
             .scan_requested = {}}),
      in_force_(
          loop,
          [&loop, this](std::function<void()> changed) {
            return profile::NewFileSource(loop, {.config_file = options_.config_file},
                                          std::move(changed));
          },
          options_.overrides, /*last_good=*/{},
          {.apply = [this](const config::Loaded& loaded,
                           const std::string& /*source*/) { return Apply(loaded); },
           .event = daemon_.events().raiser(),
           .source_changed = [this] { EndIfUnusable(); }},
          config::Reader::kFeatureDiscovery) {}

int FeatureDiscovery::Run() {
  const int exit_status = daemon_.Run([this] { Begin(); });
  if (!LeavesLabels()) publisher_.Withdraw();
  base::LogInfo("stopped", {Kv("exit", exit_status)});
  return exit_status;
}

// Upstream's rule; outlets other than files leave them in any case.
bool FeatureDiscovery::LeavesLabels() const {
  return config_.flags.gfd.oneshot || !config_.flags.gfd.sleep_interval;
}

void FeatureDiscovery::Begin() {
  in_force_.Refresh();
  EndIfUnusable();
  if (!daemon_.ending()) gpus_.Start(in_force_.DriverRoot(base::Exists));
}

// ---- configuration ----

void FeatureDiscovery::EndIfUnusable() {
  const profile::ConfigState& state = in_force_.state();
  if (state.usable || state.error.empty() || !config_.flags.fail_on_init_error) return;
  base::LogError(state.error);
  daemon_.End(1);
}

Status FeatureDiscovery::Apply(const config::Loaded& loaded) {
  const bool same = publisher_.attached() && SameOutlet(loaded.config.flags, config_.flags);
  if (!same) TRANCHE_TRY(ReplaceOutlet(loaded.config));
  config_ = loaded.config;
  gpus_.SetIntervals(IntervalsOf(config_));
  UpdateLabels();
  return Status::Ok();
}

Status FeatureDiscovery::ReplaceOutlet(const config::Config& config) {
  auto outlet = options_.new_outlet(config, [this](const Status& status) { Published(status); });
  if (!outlet.ok()) return outlet.status();
  publisher_.Withdraw();
  publisher_.Attach(std::move(*outlet));
  return Status::Ok();
}

void FeatureDiscovery::Published(const Status& status) {
  if (config_.flags.gfd.oneshot) {
    if (!status.ok()) base::LogError("cannot publish labels", {Kv("error", status.message())});
    return daemon_.End(status.ok() ? 0 : 1);
  }
  if (!status.ok() && status.message() != outlet_status_.message()) {
    base::LogWarning("cannot publish labels, trying again", {Kv("error", status.message())});
  } else if (status.ok() && !outlet_status_.ok()) {
    base::LogInfo("labels are published again");
  }
  outlet_status_ = status;
}

// ---- the GPUs ----

void FeatureDiscovery::Scanned(const gpu::GpuWatch::News& news) {
  if (daemon_.ending()) return;
  const Status& status = gpus_.status();
  if (status.ok()) {
    WarnOfBroken();
  } else if (news.first && config_.flags.fail_on_init_error) {
    base::LogError(
        "the GPU driver cannot be used (GFD_FAIL_ON_INIT_ERROR=false waits for it instead)",
        {Kv("error", status.message())});
    return daemon_.End(1);
  } else if (news.status_changed) {
    // Labels that are out stay: the GPUs are still there, and advertised.
    base::LogWarning("the driver is not ready", {Kv("error", status.message())});
  }
  UpdateLabels();
}

void FeatureDiscovery::WarnOfBroken() {
  std::string broken;
  for (const gpu::BrokenGpu& gpu : gpus_.listed().broken) {
    if (!broken.empty()) broken += "; ";
    broken += "GPU " + std::to_string(gpu.index) + ": " + gpu.error;
  }
  if (broken != broken_ && !broken.empty()) {
    base::LogWarning("GPUs that the driver does not tell of are not labelled",
                     {Kv("error", broken)});
  }
  broken_ = std::move(broken);
  std::string unread;
  for (const gpu::Unread& one : gpus_.listed().unread) {
    if (!unread.empty()) unread += "; ";
    unread += (one.uuid.empty() ? "the driver" : one.uuid) + ": " + one.error;
  }
  if (unread != unread_ && !unread.empty()) {
    base::LogWarning("labels that the driver does not tell of are missing", {Kv("error", unread)});
  }
  unread_ = std::move(unread);
}

void FeatureDiscovery::UpdateLabels() {
  if (daemon_.ending() || !gpus_.known() || !publisher_.attached()) return;
  const auto plan = plan::BuildPlan(config_, gpus_.inventory());
  publisher_.Update(config_, gpus_.inventory(), plan.ok() ? &*plan : nullptr);
}

void FeatureDiscovery::OnSignal(int number) {
  if (number == SIGUSR1) return;
  if (number != SIGHUP) {
    base::LogInfo("received a signal, shutting down", {Kv("signal", number)});
    return daemon_.End(0);
  }
  base::LogInfo("received SIGHUP: reading the config and looking at the node again");
  publisher_.Restart();
  in_force_.Refresh();
  gpus_.RequestScan(gpu::ScanMode::kRestartDriver);
}

}  // namespace tranche::discovery
