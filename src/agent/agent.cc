#include "agent/agent.h"

#include <csignal>
#include <utility>

#include "agent/status/metrics.h"
#include "agent/status/report.h"
#include "plan/memory_rules.h"
#include "plan/plan.h"

namespace tranche::agent {

namespace {

using base::Kv;
using base::Result;
using base::Status;
using daemon::EventType;

// The API server is asked after this long even if no scan has come back, so that a driver that
// hangs can be reported as an Event.
constexpr base::Duration kConnectAtLast = std::chrono::seconds(1);

gpu::RecoveryPolicy ToRecoveryPolicy(config::Recovery recovery) {
  switch (recovery) {
    case config::Recovery::kAuto:
      return gpu::RecoveryPolicy::kAuto;
    case config::Recovery::kReset:
      return gpu::RecoveryPolicy::kReset;
    case config::Recovery::kNever:
      return gpu::RecoveryPolicy::kNever;
  }
  return gpu::RecoveryPolicy::kAuto;
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::New(base::EventLoop& loop, AgentOptions options) {
  const auto& [environment, command_line] = options.overrides;
  const auto flags = config::LoadConfig("", "", environment, command_line);
  if (!flags.ok()) return flags.status();
  return std::unique_ptr<Agent>(new Agent(loop, std::move(options)));
}

Agent::Agent(base::EventLoop& loop, AgentOptions options)
    : loop_(loop),
      options_(std::move(options)),
      daemon_(
          loop,
          {.version = options_.version,
           .run_directory = options_.run_directory,
           .listen = options_.listen,
           .events_node = options_.events ? options_.node_name : "",
           .new_api = options_.NeedsApi() ? options_.new_api : nullptr},
          {.status = [this] { return status::StatusJson(Snapshot()); },
           .connected = [this](apiserver::ApiClient& api,
                               const std::string& name_space) { Connected(api, name_space); },
           .not_connected = [this](const Status& why) { config_.source().CannotConnect(why); }}),
      labels_(loop, options_.labels, options_.sys_root, daemon_.events().raiser()),
      workers_{.driver_root = options_.new_worker(loop), .disk = options_.new_worker(loop)},
      gpu_news_(daemon_.events().raiser()),
      gpus_(loop, *workers_.driver_root, options_.gpus,
            {.scan = options_.rescan_interval, .restart = {}},
            {.scanned = [this](const gpu::GpuWatch::News& news) { Scanned(news); },
             .health_changed =
                 [this](const std::vector<gpu::HealthChange>& changes) { HealthChanged(changes); },
             .topology_read =
                 [this](gpu::Topology topology) { serving_.SetTopology(std::move(topology)); },
             .scan_requested = [this] { TellGpuNews(); }}),
      shortfall_(loop, {.healthy = [this](const std::string& uuid) { return gpus_.Healthy(uuid); },
                        .event = daemon_.events().raiser()}),
      parts_(loop, *workers_.driver_root,
             {.cdi_directory = options_.cdi_directory,
              .own_root = options_.own_root,
              .stat_char_device = options_.stat_char_device,
              .shim = options_.shim},
             {.remake = [this] { RemakeParts(); },
              .may_mend =
                  [this] {
                    if (succession_.terminated() || succession_.successor_serving()) return false;
                    // Until it serves, the files are still those of the agent that it takes over
                    // from.
                    return !succession_.predecessor() || serving_.served().AnyServing();
                  },
              .answered = [this] { TryAgainWithAnswer(); },
              .shim = {.changed = [this] { daemon_.StatusChanged(); },
                       .event = daemon_.events().raiser()}}),
      serving_(loop, options_.new_link(loop),
               {.socket_directory = options_.SocketDirectory(),
                .state_directory = options_.StateDirectory(),
                .kubelet_socket = options_.kubelet_socket,
                .pod_resources_socket = options_.pod_resources_socket},
               {.healthy =
                    [this](const std::string& uuid) {
                      return gpus_.Healthy(uuid) && !shortfall_.unfit().contains(uuid);
                    },
                .facts = [this](const std::vector<std::string>& uuids) { return FactsFor(uuids); },
                .kubelet_restarted = [this] { RemakeParts(); },
                .changed = [this] { ServingChanged(); },
                .event = daemon_.events().raiser()}),
      config_(loop,
              [this](std::function<void()> changed) {
                return profile::NewConfigSource(loop_, options_.config, options_.cluster,
                                                std::move(changed));
              },
              options_.overrides,
              {.directory = options_.StateDirectory(), .worker = workers_.disk.get()},
              {.apply = [this](const config::Loaded& loaded,
                               const std::string& source) { return Apply(loaded, source); },
               .event = daemon_.events().raiser(),
               .source_changed = [this] { daemon_.StatusChanged(); }}),
      succession_(loop, options_.StateDirectory(), daemon::handover::AgentIdentity::Self(),
                  {.serving = [this] { return serving_.served().AnyServing(); },
                   .leave = [this] { daemon_.End(0); },
                   .event = daemon_.events().raiser()}) {
  daemon::Endpoints& endpoints = daemon_.endpoints();
  endpoints.Answer("/livez", [this] { return status::Livez(Snapshot()); });
  endpoints.Answer("/readyz", [this] { return status::Readyz(Snapshot()); });
  endpoints.Answer("/status", [this] { return status::StatusAnswer(Snapshot()); });
  endpoints.AddMetrics([this] { return status::MetricsText(Snapshot()); });
}

int Agent::Run() {
  const int exit_status = daemon_.Run([this] { Begin(); });
  serving_.Stop();
  // What is left behind would speak for an agent that is gone; a successor writes its own.
  if (!succession_.successor_serving()) {
    daemon_.RemoveStatus();
    labels_.Withdraw();
  }
  base::LogInfo("stopped", {Kv("exit", exit_status)});
  return exit_status;
}

void Agent::Begin() {
  gpus_.Start(DriverRoot());
  succession_.Begin();
  serving_.Start();
  daemon_.endpoints().Start();
  // Loading libcurl takes the time in which an agent that has a last good config registers: that
  // one connects after it has been applied. One that has none waits for the answer anyway.
  if (config_.HasLastGood()) {
    daemon_.api().ConnectWithin(kConnectAtLast);
  } else {
    daemon_.api().Connect();
  }
  daemon_.StatusChanged();
}

// ---- the GPUs ----

void Agent::Scanned(const gpu::GpuWatch::News& news) {
  if (daemon_.ending()) return;
  TellGpuNews();
  const bool useless = gpus_.inventory().gpus.empty() && !gpus_.listed().broken.empty();
  if (!gpus_.status().ok()) {
    DriverFailed(news);
  } else if (useless && EndsAtInit("error starting plugins: none of the node's GPUs can be used",
                                   gpus_.listed().broken.front().error)) {
    return;
  } else {
    driver_worked_ = driver_worked_ || !useless;
    DevicesScanned(news);
  }
  daemon_.api().Connect();
}

void Agent::DriverFailed(const gpu::GpuWatch::News& news) {
  const std::string& why = gpus_.status().message();
  if (EndsAtInit("error starting plugins: the GPU driver cannot be used", why)) return;
  if (news.status_changed) daemon_.events().Raise(EventType::kWarning, "DriverNotReady", why);
  // A node that has no driver (yet) still says whether its config is one.
  if (!config_.state().usable) config_.NodeChanged();
}

// Where that is asked for, and no GPU has ever been there to use. While an API server has yet to
// name the profile, only flags can ask for it.
bool Agent::EndsAtInit(const std::string& what, const std::string& why) {
  if (driver_worked_ || !config_.FailsOnInitError()) return false;
  base::LogError(what + " (FAIL_ON_INIT_ERROR=false waits for it instead)", {Kv("error", why)});
  daemon_.End(1);
  return true;
}

void Agent::TellGpuNews() {
  gpu_news_.RaiseNew(gpus_.Driver(), gpus_.Gpus());
  // A driver that hangs from the start is one that does not answer. Upstream hangs with it.
  if (GpuNews::StartsWithout(gpus_) && !config_.state().usable) config_.NodeChanged();
  daemon_.StatusChanged();
}

void Agent::HealthChanged(const std::vector<gpu::HealthChange>& changes) {
  for (const gpu::HealthChange& change : changes) {
    daemon_.events().Raise(
        change.healthy ? EventType::kNormal : EventType::kWarning,
        change.healthy ? daemon::Reason("DeviceRecovered") : daemon::Reason("DeviceUnhealthy"),
        change.uuid + ": " + change.reason);
  }
  serving_.HealthChanged();
}

// ---- the configuration ----

Status Agent::Apply(const config::Loaded& loaded, const std::string& source) {
  const config::Config& config = loaded.config;
  TRANCHE_TRY(serving_.Check(config));
  auto plan = plan::BuildPlan(config, gpus_.inventory());
  if (!plan.ok()) return plan.status();
  auto parts = parts_.Make(config, NodeNow());
  if (!parts.ok()) return parts.status();
  TRANCHE_TRY(parts_.Use(std::move(*parts)));
  parts_.shim().SetAskedFor(plan::AnyEnforcedMemory(config, *plan));

  shortfall_.SetPlan(*plan, source);
  gpus_.SetRecovery(ToRecoveryPolicy(config.tranche.health.recovery),
                    config.tranche.health.quiet_period);
  const auto applied =
      std::make_shared<serve::Applied>(serve::Applied{.config = config, .plan = std::move(*plan)});
  UpdateUnfit(*applied);
  serving_.Apply(applied);
  labels_.Update(applied->config, gpus_.inventory(), applied->plan);
  daemon_.api().Connect();  // later than what the kubelet is told, which is on its way by now
  return Status::Ok();
}

// ---- the kubelet, other agents, the API server ----

void Agent::ServingChanged() {
  daemon_.StatusChanged();
  // An agent whose driver does not answer has nothing to serve, and must not take a node from one
  // that does.
  if (gpus_.ready() && config_.state().usable && serving_.served().AllServing()) {
    succession_.Announce();
  }
}

void Agent::Connected(apiserver::ApiClient& api, const std::string& default_namespace) {
  config_.source().Connect(api, default_namespace);
  labels_.Connect(api);
}

// ---- signals ----

void Agent::OnSignal(int number) {
  switch (number) {
    case SIGHUP:
      base::LogInfo("received SIGHUP: reading the configuration and looking at the node again");
      return Reload();
    case SIGUSR1:
      base::LogInfo("received SIGUSR1: calling every device that answers healthy");
      return gpus_.ClearFaults();
    case SIGTERM:
      return succession_.Terminate();
    default:
      base::LogInfo("received a signal, shutting down", {Kv("signal", number)});
      daemon_.End(0);
  }
}

void Agent::Reload() {
  // Before the first look at the driver there is nothing to reload, unless it hangs.
  if (!gpus_.known() && !config_.state().usable) return;
  config_.Refresh();
  RemakeParts();
  gpus_.RequestScan(gpu::ScanMode::kRestartDriver);
}

}  // namespace tranche::agent
