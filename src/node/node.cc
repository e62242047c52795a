#include "node/node.h"

#include <csignal>
#include <utility>

#include "apiserver/client.h"
#include "base/document/api_version.h"
#include "base/file.h"
#include "base/log.h"

namespace tranche::node {
namespace {

using base::Kv;
using base::Status;
using daemon::EventType;
using sight::Holder;

constexpr char kRecordFile[] = "walls.json";

}  // namespace

Node::Node(base::EventLoop& loop, NodeOptions options)
    : loop_(loop),
      options_(std::move(options)),
      daemon_(loop,
              {.version = options_.version,
               .run_directory = options_.run_directory,
               .listen = options_.listen,
               .events_node = options_.events ? options_.node_name : "",
               .new_api = options_.node_name.empty() && !options_.config.cluster.Any()
                              ? nullptr
                              : options_.new_api},
              {.status = [this] { return StatusJson(); },
               .connected =
                   [this](apiserver::ApiClient& api, const std::string& default_namespace) {
                     config_.Connect(api, default_namespace);
                     owners_.Connect(api);
                   },
               .not_connected =
                   [this](const Status& why) {
                     owners_.CannotConnect(why);
                     config_.CannotConnect(why);
                   }}),
      owners_(loop, options_.new_proc(), options_.node_name,
              {.status_changed = [this] { daemon_.StatusChanged(); },
               .pods_changed = [this] { walls_.PodsChanged(); }}),
      sight_({.whose = [this](unsigned pid) { return owners_.WhoseIs(pid); },
              .alive = [this](const Holder& holder) { return owners_.Alive(holder); },
              .named =
                  [this](const std::string& pod_uid, const std::string& id) {
                    return owners_.Named({.pod_uid = pod_uid, .container_id = id});
                  }}),
      strangers_(loop, daemon_.events().raiser()),
      exporter_(loop, owners_.proc()),
      config_(loop, options_.config,
              [this] {
                daemon_.StatusChanged();
                walls_.ApplyConfig(gpus_.listed());
              }),
      kubelet_(loop, options_.pod_resources_socket, options_.new_lister(loop),
               {.status_changed = [this] { daemon_.StatusChanged(); },
                .answered = [this] { walls_.KubeletAnswered(); }}),
      disk_(options_.new_worker(loop)),
      walls_(
          loop, WallOptions(), options_.new_worker(loop),
          {.config = config_,
           .owners = owners_,
           .kubelet = kubelet_,
           .events = daemon_.events(),
           .disk = *disk_},
          {.status_changed = [this] { daemon_.StatusChanged(); }, .look = [this] { AskDriver(); }}),
      gpus_(loop, *disk_, options_.gpus, {.scan = options_.rescan_interval, .restart = {}},
            {.scanned = [this](const gpu::GpuWatch::News& news) { Scanned(news); },
             .health_changed =
                 [this](const std::vector<gpu::HealthChange>& /*changes*/) {
                   daemon_.StatusChanged();
                 },
             .topology_read = {},
             .scan_requested = {},
             .event_seen =
                 [this](const gpu::HealthEvent& event) {
                   if (event.kind == gpu::HealthEvent::Kind::kXid && !event.uuid.empty()) {
                     xids_[event.uuid] = event.xid;
                   }
                 },
             .usage_read = [this](const gpu::Usage& usage) { UsageRead(usage); }}),
      page_(loop,
            {.listen = options_.page_listen,
             .unavailable =
                 [this](const Status& why) {
                   daemon_.events().Raise(EventType::kWarning, "NoPage", why.message());
                 }},
            {.node = [this] { return StatusJson(); },
             .history = [this] { return history_.ToJson(); },
             .newest = [this] { return history_.ToJson(history::History::kNewest); }}),
      look_timer_(loop) {
  AnswerHttp();
}

WallKeeper::Options Node::WallOptions() const {
  const std::string& folder = options_.run_directory;
  return {.directory = options_.walls.directory,
          .record = folder.empty() ? "" : base::JoinPath(folder, kRecordFile),
          .inside = {.proc = options_.walls.proc_root,
                     .shims = options_.walls.shims,
                     .births = options_.walls.births},
          .delivery = options_.delivery};
}

void Node::AnswerHttp() {
  enum class Probe { kLive, kReady };
  const auto answer = [this](Probe probe) {
    const status::NodeState state = State();
    return http::Answer{
        .status = probe == Probe::kReady && !state.ready ? 503 : 200,
        .content_type = "application/json",
        .body = base::Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                                        {"ready", state.ready},
                                        {"reasons", base::Json::MakeTexts(state.degraded)}})
                    .Dump() +
                "\n"};
  };
  daemon::Endpoints& endpoints = daemon_.endpoints();
  endpoints.Answer("/livez", [answer] { return answer(Probe::kLive); });
  endpoints.Answer("/readyz", [answer] { return answer(Probe::kReady); });
  endpoints.Answer("/status", [this] {
    return http::Answer{.content_type = "application/json", .body = StatusJson().Dump() + "\n"};
  });
  endpoints.AddMetrics([this] { return MetricsText(); });
}

int Node::Run() {
  const int exit_status = daemon_.Run([this] { Begin(); });
  daemon_.RemoveStatus();
  base::LogInfo("stopped", {Kv("exit", exit_status)});
  return exit_status;
}

void Node::OnSignal(int number) {
  if (number == SIGUSR1) return;
  if (number == SIGHUP) {
    config_.Start();
    return gpus_.RequestScan(gpu::ScanMode::kRestartDriver);
  }
  base::LogInfo("received a signal, shutting down", {Kv("signal", number)});
  daemon_.End(0);
}

void Node::Begin() {
  if (options_.dcgm_names == DcgmNames::kAuto) exporter_.Start();
  gpus_.Start(options_.driver_root);
  daemon_.endpoints().Start();
  page_.Start();
  kubelet_.Start();
  walls_.Start();
  config_.Start();
  daemon_.api().Connect();
  look_timer_.Start(options_.interval, [this] { Look(); });
  daemon_.StatusChanged();
}

// ---- looking ----

void Node::Scanned(const gpu::GpuWatch::News& news) {
  kubelet_.SetInventory(gpus_.listed());
  if (news.first) Look();
  if (news.first || news.devices_changed) walls_.ApplyConfig(gpus_.listed());
  if (news.status_changed || news.devices_changed) daemon_.StatusChanged();
}

void Node::Look() {
  look_timer_.Start(options_.interval, [this] { Look(); });
  AskDriver();
}

void Node::AskDriver() {
  if (!gpus_.ready()) return;
  walls_.LookBegins();
  gpus_.RequestUsage(sight_.Queries(gpus_.listed()));
}

void Node::UsageRead(const gpu::Usage& usage) {
  last_usage_.status = usage.status;
  if (!usage.status.ok()) return;
  last_usage_.at = loop_.Now();
  TellSightWhoHoldsWhat();
  sight_.SetShares(walls_.LimitsOf(Shares(), sight_.accounts()));
  sight_.Add(gpus_.listed(), usage);
  owners_.UsageRead(usage);
  walls_.UsageRead(gpus_.listed(), usage);
  if (!options_.page_listen.empty()) {
    history_.Add(static_cast<double>(usage.time_us) / 1e6, sight_.accounts());
  }
  if (kubelet_.given() != nullptr) {
    strangers_.Look(sight_.accounts());
  } else {
    strangers_.Forget();
  }
}

void Node::TellSightWhoHoldsWhat() {
  const identity::Given* given = kubelet_.given();
  std::optional<std::uint64_t> version;
  if (given != nullptr) version = given->version();
  if (version == given_to_sight_) return;
  given_to_sight_ = version;
  sight_.SetHeld(given != nullptr ? std::optional(given->held()) : std::nullopt);
}

// What the kubelet tells of the shares of each device; empty where it does not.
std::map<std::string, identity::Shares> Node::Shares() const {
  const identity::Given* given = kubelet_.given();
  return given == nullptr ? std::map<std::string, identity::Shares>() : given->shares();
}

}  // namespace tranche::node
