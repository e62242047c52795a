#include "agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <ctime>
#include <utility>

#include "agent/status/report.h"
#include "cdi/spec.h"
#include "profile/last_good.h"

namespace tranche::agent {

namespace {

using base::Code;
using base::Kv;
using base::Status;

constexpr base::Duration kStatusDelay = std::chrono::milliseconds(50);
// A driver that is not there yet: how often to look.
constexpr base::Duration kDriverRetry = std::chrono::seconds(2);
// A device node is made before the driver lists its GPU, and the driver lists what there was when
// it was started: so many more scans start it anew.
constexpr int kFreshLooks = 3;
// How long a terminated agent keeps its streams for a successor: where none comes (a DaemonSet
// without surge) its pod is to end within 5 s, of which the kubelet takes one.
constexpr base::Duration kHandoverPatience = std::chrono::milliseconds(3500);
constexpr std::size_t kMaxEvents = 64;

std::string WallTime() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

daemon::AgentIdentity Self() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return {.host = host, .pid = getpid(), .started = WallTime()};
}

bool IsGpuNode(const std::string& name) {
  constexpr std::string_view kPrefix = "nvidia";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         std::all_of(name.begin() + kPrefix.size(), name.end(),
                     [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
}

}  // namespace

Agent::Agent(base::EventLoop& loop, AgentOptions options)
    : loop_(loop),
      options_(std::move(options)),
      identity_(Self()),
      rarely_(std::chrono::minutes(5)),
      names_(options_.StateDirectory(), options_.kubelet_socket),
      holders_(loop, options_.pod_resources_socket, [this] { HoldersChanged(); }),
      served_(loop, options_.SocketDirectory(), options_.kubelet_socket, names_, holders_,
              agent::serve::ServedSet::Owner{
                  .healthy = [this](const std::string& uuid) { return health_.Healthy(uuid); },
                  .changed = [this] { ServingChanged(); },
                  .allocated = [this] { holders_.Refresh(); },
                  .event = [this](const std::string& type, const std::string& reason,
                                  const std::string& message) { Event(type, reason, message); }}),
      health_(options_.xid_filter, gpu::RecoveryPolicy::kAuto, std::chrono::seconds(60)),
      labels_(options_.sys_root),
      label_outlet_(options_.labels) {}

Agent::~Agent() {
  for (const auto timer : {scan_timer_, health_timer_, status_timer_, api_timer_}) {
    loop_.CancelTimer(timer);
  }
}

int Agent::Run() {
  // Flags and environment alone must make sense: a mistake there is not one that an edit can mend.
  const auto flags = config::LoadConfig("", "", options_.environment, options_.command_line);
  if (!flags.ok()) {
    base::LogError("error starting plugins: " + flags.status().message());
    return 1;
  }
  fail_on_init_error_ = flags->config.flags.fail_on_init_error;
  loop_.Post([this] { Begin(); });
  loop_.Run();
  served_.StopServing();
  // A file left behind would speak for an agent that is gone; a successor writes its own.
  if (!options_.run_directory.empty() &&
      (handover_ == nullptr || !handover_->successor_serving())) {
    unlink(base::JoinPath(options_.run_directory, "status.json").c_str());
  }
  // So would a feature file.
  if (handover_ == nullptr || !handover_->successor_serving()) labels_.Withdraw();
  base::LogInfo("stopped", {Kv("exit", exit_status_)});
  return exit_status_;
}

void Agent::Begin() {
  base::LogInfo("starting", {Kv("version", options_.version), Kv("pid", identity_.pid)});
  kubelet_identity_ = base::IdentityOf(options_.kubelet_socket);
  if (options_.events) {
    node_events_ =
        std::make_unique<daemon::NodeEvents>(loop_, options_.node_name, [this] { MarkDirty(); });
  }
  source_ = NewSource();
  configurator_ = std::make_unique<profile::Configurator>(
      loop_, *source_, options_.environment, options_.command_line, options_.StateDirectory(),
      profile::Configurator::Owner{
          .apply = [this](const config::Loaded& loaded,
                          const std::string& source) { return Apply(loaded, source); },
          .event = [this](const std::string& type, const std::string& reason,
                          const std::string& message) { Event(type, reason, message); }});
  StartDriver();
  handover_ = daemon::Handover::New(
      loop_, options_.StateDirectory(), identity_,
      {.yield = [this](const daemon::AgentIdentity& successor) { Yield(successor); },
       .became_incumbent =
           [this] { Event("Normal", "TookOver", "this agent is now the only one"); }});
  if (const auto predecessor = handover_->predecessor()) {
    Event("Normal", "TakingOver", "another agent serves this node: " + predecessor->Text());
  }
  if (!options_.kubelet_socket.empty()) {
    kubelet_watch_ = base::WatchDirectory(loop_, options_.SocketDirectory(),
                                          [this] { KubeletDirectoryChanged(); });
  }
  ListenHttp();
  BeginApi();
  MarkDirty();
}

void Agent::ListenHttp() {
  if (options_.listen.empty()) return;
  auto server = base::NewHttpServer(loop_, options_.listen);
  if (!server.ok()) {
    // Two agents share a host's port while one hands over to the other.
    Event("Warning", "NoHttp", server.status().message());
    loop_.RunAfter(std::chrono::seconds(1), [this] { ListenHttp(); });
    return;
  }
  http_ = std::move(*server);
  http_->Handle("/livez", [this] { return agent::status::Livez(Snapshot()); });
  http_->Handle("/readyz", [this] { return agent::status::Readyz(Snapshot()); });
  http_->Handle("/status", [this] {
    return base::HttpAnswer{.content_type = "application/json",
                            .body = agent::status::StatusJson(Snapshot()).Dump() + "\n"};
  });
  http_->Handle("/metrics", [this] { return agent::status::Metrics(Snapshot()); });
}

// ---- the driver ----

std::string Agent::DriverRoot() const {
  // The driver root may be named by the file; a file that cannot be used leaves flags and defaults.
  profile::WantedConfig wanted = source_->Read();
  if (wanted.certainty != profile::Certainty::kSure) {
    // The driver is not waited for until the API server has answered: it lies where it lay.
    if (auto stored = profile::LoadLastGood(options_.StateDirectory()); stored.ok()) {
      wanted.text = std::move(stored->text);
    }
  }
  auto loaded =
      config::LoadConfig(wanted.text, wanted.source, options_.environment, options_.command_line);
  if (!loaded.ok()) {
    loaded = config::LoadConfig("", "", options_.environment, options_.command_line);
  }
  const std::string root =
      loaded.ok() ? loaded->config.flags.plugin.container_driver_root : std::string("/");
  // Outside a container there is no mount to look in: the host's root is the driver's.
  return base::Exists(root) ? root : "/";
}

void Agent::StartDriver() {
  driver_root_ = DriverRoot();
  driver_ =
      gpu::DriverThread::Start(loop_, options_.new_driver(driver_root_),
                               {.scanned = [this](gpu::Scan scan) { Scanned(std::move(scan)); },
                                .health_event =
                                    [this](const gpu::HealthEvent& event) {
                                      HealthChanged(health_.Happened(event, loop_.Now()));
                                      if (event.kind == gpu::HealthEvent::Kind::kWaitFailed)
                                        driver_->RequestScan(false);
                                    },
                                .topology =
                                    [this](base::Result<gpu::Topology> topology) {
                                      if (topology.ok()) served_.SetTopology(std::move(*topology));
                                    }});
  driver_->RequestScan(false);
  DeviceNodesChanged();
  device_watch_ = base::WatchDirectory(loop_, base::JoinPath(driver_root_, "dev"),
                                       [this] { DeviceNodesChanged(); });
}

void Agent::DeviceNodesChanged() {
  auto names = base::ListDirectory(base::JoinPath(driver_root_, "dev"));
  std::vector<std::string> nodes;
  if (names.ok()) std::copy_if(names->begin(), names->end(), std::back_inserter(nodes), IsGpuNode);
  if (nodes == device_nodes_) return;
  device_nodes_ = std::move(nodes);
  if (!driver_known_) return;
  base::LogInfo("GPU device nodes have changed, looking again",
                {Kv("nodes", static_cast<std::uint64_t>(device_nodes_.size()))});
  fresh_looks_ = kFreshLooks;
  driver_->RequestScan(true);
}

void Agent::Scanned(gpu::Scan scan) {
  if (ending_) return;
  const bool first = !std::exchange(driver_known_, true);
  if (!scan.status.ok()) {
    ScanFailed(scan.status);
    return Settled();
  }
  if (!driver_status_.ok() || first) {
    base::LogInfo("driver ready",
                  {Kv("version", scan.inventory.driver_version),
                   Kv("gpus", static_cast<std::uint64_t>(scan.inventory.gpus.size()))});
  }
  const bool was_ready = driver_status_.ok() && !first;
  driver_status_ = Status::Ok();
  for (const gpu::GpuDriver::Unwatched& unwatched : scan.unwatched) {
    if (rarely_("unwatched " + unwatched.uuid, loop_.Now())) {
      base::LogWarning("no health events for a GPU",
                       {Kv("gpu", unwatched.uuid), Kv("error", unwatched.why.message())});
    }
  }
  gpu::InventoryMemory::Merged merged = memory_.Merge(scan.inventory, loop_.Now());
  const bool changed = !was_ready || !(merged.inventory == inventory_);
  seen_ = std::move(scan.inventory);
  inventory_ = std::move(merged.inventory);
  std::vector<std::string> gone = scan.lost;
  gone.insert(gone.end(), merged.missing.begin(), merged.missing.end());
  // What is gone comes back only to a driver that is started anew.
  afresh_ = !gone.empty();
  const auto health = health_.Scanned(seen_, gone, loop_.Now());
  if (changed) configurator_->Refresh(true);
  HealthChanged(health);
  ScheduleScan();
  Settled();
}

// What follows the node comes here: after every scan, good or bad, and every config applied.
void Agent::Settled() {
  if (WantsApi() && !api_tried_) loop_.Post([this] { ConnectApi(); });
}

void Agent::ScanFailed(const Status& status) {
  const bool news = driver_status_.message() != status.message();
  driver_status_ = status;
  if (fail_on_init_error_ && inventory_.gpus.empty() && !configurator_->state().usable) {
    base::LogError(
        "error starting plugins: the GPU driver cannot be used (FAIL_ON_INIT_ERROR=false "
        "waits for it instead)",
        {Kv("error", status.message())});
    return End(1);
  }
  if (news) Event("Warning", "DriverNotReady", status.message());
  // A node that has no driver (yet) still says whether its config is one.
  if (!configurator_->state().usable) configurator_->Refresh(true);
  // Nothing can be said for a GPU whose driver has gone.
  std::vector<std::string> gone;
  for (const gpu::Gpu& gpu : inventory_.gpus) gone.push_back(gpu.uuid);
  if (!gone.empty()) HealthChanged(health_.Scanned({}, gone, loop_.Now()));
  afresh_ = true;
  ScheduleScan();
}

void Agent::ScheduleScan() {
  loop_.CancelTimer(scan_timer_);
  const base::Duration delay = driver_status_.ok()
                                   ? options_.rescan_interval
                                   : std::min(kDriverRetry, options_.rescan_interval);
  scan_timer_ = loop_.RunAfter(delay, [this] {
    scan_timer_ = 0;
    driver_->RequestScan(afresh_ || fresh_looks_ > 0);
    fresh_looks_ = std::max(0, fresh_looks_ - 1);
    // The answer sets the next one; a call that hangs is seen in status meanwhile.
    MarkDirty();
    ScheduleScan();
  });
}

// ---- configuration ----

Status Agent::Apply(const config::Loaded& loaded, const std::string& source) {
  const config::Config& config = loaded.config;
  for (const config::TrancheResource& resource : config.tranche.resources) {
    if (resource.drain_before_exclusive && !holders_.Possible()) {
      return {Code::kFailedPrecondition,
              "drainBeforeExclusive for " + resource.name +
                  " needs to know which ids pods hold, and there is no pod-resources socket at " +
                  options_.pod_resources_socket};
    }
  }
  auto plan = plan::BuildPlan(config, inventory_);
  if (!plan.ok()) return plan.status();
  auto facts = plan::ReadNodeFacts(config, driver_root_);
  if (!facts.ok()) return facts.status();
  if (driver_status_.ok()) TRANCHE_TRY(WriteCdi(config, *facts));

  plan_warnings_.clear();
  for (const plan::PlanWarning& warning : plan->warnings) {
    plan_warnings_.push_back(
        config::FormatDiagnostic(source, {.severity = config::Severity::kWarning,
                                          .message = warning.message,
                                          .line = warning.line}));
    if (rarely_(plan_warnings_.back(), loop_.Now())) base::LogWarning(plan_warnings_.back());
  }
  const config::HealthOptions& health = config.tranche.health;
  health_.SetPolicy(static_cast<gpu::RecoveryPolicy>(health.recovery), health.quiet_period);
  const auto applied = std::make_shared<agent::serve::Applied>(agent::serve::Applied{
      .config = config, .plan = std::move(*plan), .facts = std::move(*facts)});
  served_.Apply(applied);
  UpdateLabels(applied->config, applied->plan);
  // What pods hold decides what is avoided and withheld under the new ids.
  holders_.SetUrgent(served_.WaitsForHolders());
  holders_.Refresh();
  Settled();
  return Status::Ok();
}

Status Agent::WriteCdi(const config::Config& config, plan::NodeFacts& facts) {
  const config::PluginFlags& flags = config.flags.plugin;
  if (!flags.Uses(config::DeviceListStrategy::kCdiAnnotations) &&
      !flags.Uses(config::DeviceListStrategy::kCdiCri)) {
    return Status::Ok();
  }
  const cdi::CdiRoots roots{.driver_root_here = driver_root_,
                            .driver_root_on_host = config.flags.nvidia_driver_root,
                            .dev_root_here = driver_root_,
                            .dev_root_on_host = config.flags.DevRoot(),
                            .hook_path = flags.nvidia_ctk_path};
  auto files = cdi::BuildCdiFiles(config, seen_, roots);
  if (!files.ok()) return files.status().Wrap("unable to make the CDI spec");
  for (const cdi::CdiFile& file : *files) {
    TRANCHE_TRY(cdi::WriteCdiSpec(options_.cdi_directory, file.name, file.spec));
    const base::Json* kind = file.spec.Find("kind");
    const std::string device_class = base::BaseName(kind->as_string());
    if (device_class != "gpu" && device_class != "imex-channel") {
      facts.cdi_classes.push_back(device_class);
    }
  }
  return Status::Ok();
}

// ---- health ----

void Agent::HealthChanged(const std::vector<gpu::HealthChange>& changes) {
  for (const gpu::HealthChange& change : changes) {
    Event(change.healthy ? "Normal" : "Warning",
          change.healthy ? "DeviceRecovered" : "DeviceUnhealthy",
          change.uuid + ": " + change.reason);
  }
  if (!changes.empty()) served_.Refresh();
  // A GPU that is lost is looked at now: a reset may be over before the next scan is due, and a
  // return can only be seen of what has been seen to be away.
  const auto sick = [](const gpu::HealthChange& change) { return !change.healthy; };
  if (driver_ != nullptr && std::ranges::any_of(changes, sick)) driver_->RequestScan(afresh_);
  ScheduleHealth();
}

void Agent::ScheduleHealth() {
  loop_.CancelTimer(health_timer_);
  health_timer_ = 0;
  const auto deadline = health_.NextDeadline();
  if (deadline == gpu::HealthTracker::Time::max()) return;
  health_timer_ = loop_.RunAfter(deadline - loop_.Now(), [this] {
    health_timer_ = 0;
    HealthChanged(health_.Elapsed(loop_.Now()));
  });
}

// ---- the kubelet and other agents ----

void Agent::KubeletDirectoryChanged() {
  const base::FileIdentity now = base::IdentityOf(options_.kubelet_socket);
  if (now == kubelet_identity_) return;
  kubelet_identity_ = now;
  if (now.exists()) {
    base::LogInfo("the kubelet's socket is new", {Kv("socket", options_.kubelet_socket)});
    served_.KubeletSocketChanged();
  }
}

void Agent::ServingChanged() {
  MarkDirty();
  // An agent whose driver does not answer has nothing to serve, and must not take a node from one
  // that does.
  if (handover_ != nullptr && driver_known_ && driver_status_.ok() &&
      configurator_->state().usable && served_.AllServing()) {
    handover_->Announce();
  }
}

void Agent::HoldersChanged() {
  served_.Refresh();
  holders_.SetUrgent(served_.WaitsForHolders());
}

void Agent::Yield(const daemon::AgentIdentity& successor) {
  Event("Normal", "Yielded", "another agent serves this node now: " + successor.Text());
  yielded_ = !terminated_;
  End(0);
}

void Agent::OnSignal(int number) {
  switch (number) {
    case SIGHUP:
      base::LogInfo("received SIGHUP: reading the configuration and looking at the node again");
      if (driver_known_) {
        configurator_->Refresh(false);
        driver_->RequestScan(true);
      }
      return;
    case SIGUSR1:
      base::LogInfo("received SIGUSR1: calling every device that answers healthy");
      for (const auto& [uuid, state] : std::map(health_.unhealthy())) {
        if (auto changes = health_.Clear(uuid, loop_.Now()); changes.ok()) HealthChanged(*changes);
      }
      return;
    case SIGTERM:
      return Terminate();
    default:
      base::LogInfo("received a signal, shutting down", {Kv("signal", number)});
      End(0);
  }
}

void Agent::Terminate() {
  terminated_ = true;
  const bool wait = handover_ != nullptr && handover_->incumbent() && served_.AnyServing() &&
                    !handover_->successor_serving() && !ending_;
  base::LogInfo("received SIGTERM, shutting down", {Kv("waiting_for_successor", wait)});
  if (!wait) return End(0);
  // The streams stay until a successor has its own, so that the node never shows 0.
  handover_->Leave();
  loop_.RunAfter(kHandoverPatience, [this] { End(0); });
}

void Agent::End(int exit_status) {
  if (std::exchange(ending_, true)) return;
  exit_status_ = exit_status;
  loop_.Stop();
}

// ---- reports ----

void Agent::Event(const std::string& type, const std::string& reason, const std::string& message) {
  base::Log(type == "Normal" ? base::LogLevel::kInfo : base::LogLevel::kWarning, message,
            {Kv("event", reason)});
  if (!events_.empty() && events_.back().reason == reason && events_.back().message == message) {
    ++events_.back().count;
    events_.back().wall_time = WallTime();
  } else {
    events_.push_back(
        {.type = type, .reason = reason, .message = message, .wall_time = WallTime(), .count = 1});
    if (events_.size() > kMaxEvents) events_.pop_front();
  }
  if (node_events_ != nullptr) node_events_->Raise(events_.back());
  MarkDirty();
}

void Agent::MarkDirty() {
  if (status_timer_ != 0 || options_.run_directory.empty()) return;
  status_timer_ = loop_.RunAfter(kStatusDelay, [this] { WriteStatus(); });
}

void Agent::WriteStatus() {
  status_timer_ = 0;
  const Status status = base::WriteFileAtomic(base::JoinPath(options_.run_directory, "status.json"),
                                              agent::status::StatusJson(Snapshot()).Dump(2) + "\n");
  if (!status.ok() && rarely_("status", loop_.Now())) {
    base::LogWarning("cannot write the status file", {Kv("error", status.message())});
  }
}

}  // namespace tranche::agent
