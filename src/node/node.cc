#include "node/node.h"

#include <fmt/format.h>

#include <csignal>
#include <set>
#include <utility>

#include "apiserver/client.h"
#include "base/document/api_version.h"
#include "base/log.h"
#include "kubelet/rpc_client.h"
#include "plan/memory_rules.h"

namespace tranche::node {
namespace {

using base::Kv;
using base::Result;
using base::Status;
using daemon::EventType;
using sight::Holder;
using sight::Whose;

constexpr char kExporter[] = "dcgm-exporter";
// Of a container's id, where its name is not known: as much as tools show of it.
constexpr std::size_t kShortId = 12;

}  // namespace

KubeletLister NewKubeletLister(base::EventLoop& loop) {
  const std::shared_ptr<kubelet::RpcCaller> caller = kubelet::RpcCaller::New(loop);
  return
      [caller = caller.get(), kept = caller](const std::string& socket, const KubeletDone& done) {
        const auto held = [=](Result<std::vector<kubelet::Holding>> holdings) {
          if (!holdings.ok()) return done(holdings.status());
          const auto answer = std::make_shared<KubeletAnswer>();
          answer->holdings = std::move(*holdings);
          kubelet::ListOffers(*caller, socket, [=](Result<std::vector<kubelet::Offer>> offers) {
            if (offers.ok()) answer->offers = std::move(*offers);
            done(std::move(*answer));
          });
        };
        kubelet::ListHoldings(*caller, socket, held);
      };
}

Node::Node(base::EventLoop& loop, NodeOptions options)
    : loop_(loop),
      options_(std::move(options)),
      life_(loop),
      status_file_(loop, options_.run_directory, [this] { return StatusJson(); }),
      proc_(options_.new_proc()),
      processes_(*proc_),
      pods_(loop),
      sight_({.whose = [this](unsigned pid) { return WhoseIs(pid); },
              .alive = [this](const Holder& holder) { return Alive(holder); },
              .named =
                  [this](const std::string& pod_uid, const std::string& id) {
                    return Named({.pod_uid = pod_uid, .container_id = id});
                  }}),
      rules_{.config = FollowedConfig(loop, options_.config,
                                      [this] {
                                        status_file_.Changed();
                                        ApplyConfig();
                                      }),
             .walls = nullptr,
             .plan = std::nullopt},
      api_(
          loop,
          options_.node_name.empty() && !options_.config.cluster.Any() ? nullptr : options_.new_api,
          {.connected = [this](apiserver::ApiClient& api,
                               const std::string& name_space) { Connected(api, name_space); },
           .not_connected = [this](const Status& why) { NotConnected(why); }}),
      events_(loop, options_.events ? options_.node_name : "", [this] { status_file_.Changed(); }),
      ask_kubelet_(options_.new_lister(loop)),
      disk_{.worker = options_.new_worker(loop), .delivery = nullptr},
      gpus_(loop, *disk_.worker, options_.gpus, {.scan = options_.rescan_interval, .restart = {}},
            {.scanned =
                 [this](const gpu::GpuWatch::News& news) {
                   known_.given.SetInventory(gpus_.listed());
                   if (news.first) Look();
                   if (news.first || news.devices_changed) ApplyConfig();
                   if (news.status_changed || news.devices_changed) status_file_.Changed();
                 },
             .health_changed =
                 [this](const std::vector<gpu::HealthChange>& /*changes*/) {
                   status_file_.Changed();
                 },
             .topology_read = {},
             .scan_requested = {},
             .event_seen =
                 [this](const gpu::HealthEvent& event) {
                   if (event.kind == gpu::HealthEvent::Kind::kXid && !event.uuid.empty()) {
                     known_.xids[event.uuid] = event.xid;
                   }
                 },
             .usage_read = [this](const gpu::Usage& usage) { UsageRead(usage); }}),
      endpoints_(loop, {.listen = options_.listen,
                        .first_try = {},
                        .retry = std::chrono::seconds(1),
                        .unavailable =
                            [this](const Status& why) {
                              events_.Raise(EventType::kWarning, "NoHttp", why.message());
                            }}),
      page_{
          .history = {},
          .page = {loop,
                   {.listen = options_.page_listen,
                    .unavailable =
                        [this](const Status& why) {
                          events_.Raise(EventType::kWarning, "NoPage", why.message());
                        }},
                   {.node = [this] { return StatusJson(); },
                    .history = [this] { return page_.history.ToJson(); },
                    .newest = [this] { return page_.history.ToJson(history::History::kNewest); }}}},
      timers_(loop),
      runner_(loop) {
  rules_.walls = NewWalls();
  rules_.looks = options_.new_worker(loop_);
  disk_.delivery = std::make_unique<delivery::Delivery>(loop, *disk_.worker, options_.delivery,
                                                        [this] { DeliveryChanged(); });
  if (options_.node_name.empty()) {
    known_.pods = {base::Code::kUnavailable, "no name of the node is given (--node-name)"};
  }
  if (options_.pod_resources_socket.empty()) {
    known_.grants = {base::Code::kUnavailable, "not asked for (--pod-resources-socket)"};
  }
  enum class Probe { kLive, kReady };
  const auto answer = [this](Probe probe) {
    const NodeState state = State();
    return http::Answer{
        .status = probe == Probe::kReady && !state.ready ? 503 : 200,
        .content_type = "application/json",
        .body = base::Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                                        {"ready", state.ready},
                                        {"reasons", base::Json::MakeTexts(state.degraded)}})
                    .Dump() +
                "\n"};
  };
  endpoints_.Answer("/livez", [answer] { return answer(Probe::kLive); });
  endpoints_.Answer("/readyz", [answer] { return answer(Probe::kReady); });
  endpoints_.Answer("/status", [this] {
    return http::Answer{.content_type = "application/json", .body = StatusJson().Dump() + "\n"};
  });
  endpoints_.AddMetrics([this] { return MetricsText(); });
}

int Node::Run() {
  const int exit_status = life_.Run(options_.version, [this] { Begin(); });
  status_file_.Remove();
  base::LogInfo("stopped", {Kv("exit", exit_status)});
  return exit_status;
}

void Node::OnSignal(int number) {
  if (number == SIGUSR1) return;
  if (number == SIGHUP) {
    rules_.config.Start();
    return gpus_.RequestScan(gpu::ScanMode::kRestartDriver);
  }
  base::LogInfo("received a signal, shutting down", {Kv("signal", number)});
  life_.End(0);
}

void Node::Begin() {
  LookForExporter();
  gpus_.Start(options_.driver_root);
  endpoints_.Start();
  page_.page.Start();
  AskKubelet();
  rules_.walls->Start();
  DeliverShim();
  ForgetBirths();
  rules_.config.Start();
  api_.Connect();
  timers_.look.Start(options_.interval, [this] { Look(); });
  status_file_.Changed();
}

// ---- looking ----

void Node::Look() {
  timers_.look.Start(options_.interval, [this] { Look(); });
  AskDriver();
}

void Node::AskDriver() {
  if (!gpus_.ready()) return;
  rules_.walls->LookBegins();
  gpus_.RequestUsage(sight_.Queries(gpus_.listed()));
}

void Node::UsageRead(const gpu::Usage& usage) {
  known_.usage = usage.status;
  if (!usage.status.ok()) return;
  known_.usage_at = loop_.Now();
  TellSightWhoHoldsWhat();
  SetLimits();
  sight_.Add(gpus_.listed(), usage);
  std::set<unsigned> pids;
  for (const gpu::DeviceUsage& device : usage.devices) {
    if (device.processes) {
      for (const gpu::RunningProcess& process : *device.processes) pids.insert(process.pid);
    }
    if (device.process_samples) {
      for (const gpu::ProcessSample& sample : *device.process_samples) pids.insert(sample.pid);
    }
  }
  processes_.Keep(pids);
  rules_.walls->UsageRead(gpus_.listed(), usage, [this](unsigned pid) { return GroupOf(pid); });
  if (!options_.page_listen.empty())
    page_.history.Add(static_cast<double>(usage.time_us) / 1e6, sight_.accounts());
  TellOfStrangers();
}

Whose Node::WhoseIs(unsigned pid) {
  const identity::Place place = processes_.Look(pid);
  switch (place.kind) {
    case identity::PlaceKind::kHost:
      return {.kind = Whose::Kind::kHost, .holder = {}};
    case identity::PlaceKind::kUnknown:
      return {};
    case identity::PlaceKind::kPod:
      break;
  }
  Whose whose{.kind = Whose::Kind::kPod, .holder = {}, .memory_only = place.renewed};
  if (auto named = Named(place.group)) {
    whose.holder = *std::move(named);
    return whose;
  }
  whose.holder = HolderOf(place.group);
  // Where nobody is asked for names, none will become known.
  if (!options_.node_name.empty()) whose.unnamed_id = place.group.container_id;
  return whose;
}

std::optional<Holder> Node::Named(const identity::PodGroup& group) const {
  Holder holder = HolderOf(group);
  if (holder.pod_namespace.empty() || holder.container.empty()) return std::nullopt;
  return holder;
}

// As much of its name as is known.
Holder Node::HolderOf(const identity::PodGroup& group) const {
  const identity::Owner owner = pods_.OwnerOf(group);
  if (owner.pod.empty()) {
    return {.pod_namespace = "",
            .pod = group.pod_uid,
            .container = group.container_id.substr(0, kShortId),
            .pod_uid = group.pod_uid};
  }
  return {.pod_namespace = owner.pod_namespace,
          .pod = owner.pod,
          .container = owner.container,
          .pod_uid = owner.pod_uid};
}

std::optional<bool> Node::Alive(const Holder& holder) const {
  return pods_.Alive({.pod_namespace = holder.pod_namespace,
                      .pod = holder.pod,
                      .container = "",
                      .pod_uid = holder.pod_uid});
}

// Pods on a GPU that the kubelet has not given them, once for each.
void Node::TellOfStrangers() {
  std::map<std::pair<std::string, std::string>, Knowledge::Stranger> now;
  for (const auto& [uuid, account] : sight_.accounts()) {
    if (!known_.grants.ok()) break;
    for (const auto& [holder, use] : account.pods) {
      if (use.granted || use.processes == 0 || holder.pod_namespace.empty()) continue;
      const std::pair key(uuid, holder.pod_namespace + "/" + holder.pod);
      const auto before = known_.strangers.find(key);
      Knowledge::Stranger stranger{.since = loop_.Now()};
      if (before != known_.strangers.end()) stranger = before->second;
      if (!stranger.told && loop_.Now() - stranger.since >= kStranger) {
        stranger.told = true;
        events_.Raise(EventType::kWarning, "GpuNotGiven",
                      fmt::format("pod {} uses {}, which the kubelet has not given it", key.second,
                                  key.first));
      }
      now[key] = stranger;
    }
  }
  known_.strangers = std::move(now);
}

// ---- who tells what ----

void Node::AskKubelet() {
  // Only one question at a time: so a later answer is never overtaken by an earlier one.
  if (options_.pod_resources_socket.empty() || known_.asking_kubelet) return;
  known_.asking_kubelet = true;
  ask_kubelet_(options_.pod_resources_socket,
               runner_.Wrap([this, asked = loop_.Now()](Result<KubeletAnswer> answer) {
                 known_.asking_kubelet = false;
                 known_.kubelet_asked = asked;
                 if (answer.ok() != known_.grants.ok()) status_file_.Changed();
                 known_.grants = answer.status();
                 if (answer.ok()) {
                   known_.given.SetAnswer(std::move(answer->holdings), std::move(answer->offers));
                 }
                 TellWallsWhoHoldsWhat();
                 timers_.kubelet.Start(kAskKubelet, [this] { AskKubelet(); });
               }));
}

std::map<std::string, identity::Shares> Node::Shares() const {
  if (!known_.grants.ok()) return {};
  return known_.given.shares();
}

void Node::TellSightWhoHoldsWhat() {
  std::optional<std::uint64_t> version;
  if (known_.grants.ok()) version = known_.given.version();
  if (version == known_.given_to_sight) return;
  known_.given_to_sight = version;
  sight_.SetHeld(version ? std::optional(known_.given.held()) : std::nullopt);
}

// What the config lets one share of each device hold: by the shares that there really are, whoever
// advertises them.
void Node::SetLimits() {
  std::map<std::string, share::MemoryShare> limits;
  if (const auto& config = rules_.config.config()) {
    for (const auto& [uuid, shares] : Shares()) {
      const auto account = sight_.accounts().find(uuid);
      if (!shares.shared || shares.advertised < 1 || account == sight_.accounts().end() ||
          !account->second.memory) {
        continue;
      }
      plan::PlannedDevice device{.uuid = uuid, .resource = shares.resource};
      if (rules_.plan) {
        const auto planned = rules_.plan->devices.find(uuid);
        if (planned != rules_.plan->devices.end()) device = planned->second;
      }
      device.replicas = shares.advertised;
      const auto rule = plan::MemoryRuleOf(*config, device, account->second.memory->total);
      if (rule) limits[uuid] = rule->share;
    }
  }
  sight_.SetShares(std::move(limits));
}

void Node::NotConnected(const Status& why) {
  if (!options_.node_name.empty()) known_.pods = why;
  rules_.config.CannotConnect(why);
}

void Node::Connected(apiserver::ApiClient& api, const std::string& default_namespace) {
  rules_.config.Connect(api, default_namespace);
  if (options_.node_name.empty()) return;
  events_.Connect(api);
  watch_ = api.Watch({.path = "/api/v1/pods",
                      .field_selector = "spec.nodeName=" + options_.node_name,
                      .label_selector = "",
                      .form = apiserver::ReplyForm::kObject},
                     {.listed =
                          [this](const base::Json::Array& pods) {
                            pods_.Listed(pods);
                            PodsChanged();
                          },
                      .changed =
                          [this](const base::Json& pod) {
                            pods_.Changed(pod);
                            PodsChanged();
                          },
                      .removed = [this](const base::Json& pod) { pods_.Removed(pod); },
                      .state =
                          [this](const Status& status) {
                            known_.pods = status;
                            status_file_.Changed();
                          }});
}

void Node::LookForExporter() {
  if (options_.dcgm_names != DcgmNames::kAuto) return;
  timers_.exporter.Start(kLookForExporter, [this] { LookForExporter(); });
  const bool runs = proc_->AnyNamed(kExporter);
  if (runs != std::exchange(known_.exporter, runs)) {
    base::LogInfo(runs ? "dcgm-exporter runs on this node: its names are left to it"
                       : "dcgm-exporter no longer runs on this node");
  }
}

}  // namespace tranche::node
