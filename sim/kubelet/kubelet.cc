#include "sim/kubelet/kubelet.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "sim/kubelet/kubelet_json.h"
#include "sim/kubelet/pod_process.h"
#include "sim/kubelet/pod_resources_server.h"

namespace tranche::sim {
namespace {

using base::Status;

constexpr char kContainer[] = "main";
constexpr std::size_t kMaxSavedBytes = 64U << 20U;

std::string NewUid() {
  const auto uid = base::ReadFile("/proc/sys/kernel/random/uuid", 64);
  return uid.ok() ? uid->substr(0, uid->find('\n')) : std::string();
}

// What a pod goes through. kStarting: admitted, its process not yet there.
enum class Stage { kUnscheduled, kQueued, kStarting, kStarted, kEnded };

struct Record {
  Pod pod;
  Stage stage = Stage::kUnscheduled;
  std::uint64_t order = 0;
  ProcessId process;
  std::unique_ptr<ProcessWatch> watch;
  std::unique_ptr<base::Timer> kill_timer;
  bool restarting = false;
  bool deleting = false;
  bool told_pending = false;
  std::vector<Kubelet::PodDone> waiting;  // for it to run, or not to
  std::vector<std::function<void(Status)>> deleted;
};

class LocalKubelet final : public Kubelet {
 public:
  LocalKubelet(base::EventLoop& loop, Options options)
      : loop_(loop), options_(std::move(options)), restart_timer_(loop), runner_(loop) {}

  Status Begin() {
    TRANCHE_TRY(base::MakeDirectories(options_.state_directory, 0755));
    Load();
    TRANCHE_TRY(Up());
    for (auto& [name, record] : records_) {
      record.pod.given = manager_->StoredAnswer(record.pod.uid, kContainer);
    }
    return Status::Ok();
  }

  void RunPod(const PodSpec& spec, PodDone done) override;
  void DeletePod(const std::string& name, std::function<void(Status)> done) override;
  void RestartContainer(const std::string& name, PodDone done) override;
  [[nodiscard]] std::vector<Pod> Pods() const override;
  [[nodiscard]] std::optional<Pod> FindPod(const std::string& name) const override;
  std::map<std::string, ResourceCount> Node() override {
    if (manager_ != nullptr) last_node_ = manager_->Capacity();
    return last_node_;
  }
  [[nodiscard]] std::map<std::string, bool> DeviceHealth(
      const std::string& resource) const override {
    return manager_ == nullptr ? std::map<std::string, bool>() : manager_->HealthOf(resource);
  }
  void Restart(base::Duration down, std::function<void(Status)> done) override;

 private:
  Status Up();
  void Emit(const Event& event);
  void EmitPod(const char* kind, const Record& record, std::string detail = {});
  [[nodiscard]] DeviceEvents DeviceListeners();
  [[nodiscard]] std::set<std::string> ActivePods() const;
  [[nodiscard]] std::vector<PodDevices> DevicesOfPods();

  void Schedule();
  void ScheduleSoon();
  [[nodiscard]] std::string Misfit(const Record& record);
  void AdmitNext();
  void Admitted(const std::string& uid, const Status& status);
  void StartContainer(Record& record);
  void Launch(Record& record, const base::Result<kubelet::ContainerAnswer>& given);
  void Watch(Record& record);
  void Ended(const std::string& uid, std::optional<int> wait_status);
  void Fail(Record& record, std::string reason, std::string message);
  void Answer(Record& record);
  void Erase(Record& record);
  Record* ByUid(const std::string& uid);
  [[nodiscard]] Pod View(const Record& record) const;

  void Load();
  void Save();

  base::EventLoop& loop_;
  Options options_;
  std::uint64_t last_order_ = 0;
  std::map<std::string, Record> records_;  // by name
  std::deque<std::string> queue_;          // uids; the front one is being admitted
  bool admitting_ = false;
  std::uint64_t life_ = 0;  // counts restarts: answers to an earlier one are void
  std::map<std::string, ResourceCount> last_node_;
  base::Timer restart_timer_;
  std::unique_ptr<DeviceManager> manager_;  // null while the kubelet is down
  std::unique_ptr<PodResourcesServer> pod_resources_;
  base::WeakRunner runner_;  // last: it goes first
};

// --- the kubelet itself ---

Status LocalKubelet::Up() {
  manager_ = std::make_unique<DeviceManager>(
      loop_, DeviceManager::Options{.directory = options_.plugin_directory,
                                    .active_pods = [this] { return ActivePods(); },
                                    .events = DeviceListeners(),
                                    .stop_grace = options_.stop_grace});
  if (Status status = manager_->Start(); !status.ok()) {
    manager_.reset();
    return status;
  }
  if (!options_.pod_resources_socket.empty()) {
    auto server = PodResourcesServer::Start(
        loop_, options_.pod_resources_socket,
        {[this] { return DevicesOfPods(); }, [this] { return manager_->AllocatableDevices(); }});
    if (!server.ok()) {
      manager_.reset();
      return server.status();
    }
    pod_resources_ = std::move(server).value();
  }
  Emit({.kind = "kubelet-started", .at = loop_.Now()});
  for (auto& [name, record] : records_) {
    if (record.stage == Stage::kStarting) StartContainer(record);
  }
  AdmitNext();
  ScheduleSoon();
  return Status::Ok();
}

void LocalKubelet::Restart(base::Duration down, std::function<void(Status)> done) {
  if (manager_ == nullptr) {
    return done({base::Code::kFailedPrecondition, "the kubelet is restarting already"});
  }
  pod_resources_.reset();
  manager_.reset();
  ++life_;
  admitting_ = false;  // who was being admitted is still in front of the queue
  last_node_.clear();
  Emit({.kind = "kubelet-stopped", .at = loop_.Now()});
  restart_timer_.Start(down, [this, done = std::move(done)] { done(Up()); });
}

void LocalKubelet::Emit(const Event& event) {
  if (options_.on_event) options_.on_event(event);
}

void LocalKubelet::EmitPod(const char* kind, const Record& record, std::string detail) {
  Emit({.kind = kind, .at = loop_.Now(), .pod = record.pod.spec.name, .detail = std::move(detail)});
}

DeviceEvents LocalKubelet::DeviceListeners() {
  DeviceEvents events;
  events.registered = [this](const std::string& resource, const std::string& endpoint) {
    Emit({.kind = "registered", .at = loop_.Now(), .resource = resource, .endpoint = endpoint});
  };
  events.refused = [this](const std::string& resource, const std::string& why) {
    Emit({.kind = "registration-refused", .at = loop_.Now(), .resource = resource, .detail = why});
  };
  events.devices = [this](const std::string& resource, const std::string& endpoint,
                          std::size_t total, std::size_t healthy) {
    Emit({.kind = "devices",
          .at = loop_.Now(),
          .resource = resource,
          .endpoint = endpoint,
          .total = static_cast<std::int64_t>(total),
          .healthy = static_cast<std::int64_t>(healthy)});
    ScheduleSoon();
  };
  events.stream_lost = [this](const std::string& resource, const std::string& endpoint,
                              const std::string& why) {
    Emit({.kind = "stream-lost",
          .at = loop_.Now(),
          .resource = resource,
          .endpoint = endpoint,
          .detail = why});
  };
  return events;
}

std::set<std::string> LocalKubelet::ActivePods() const {
  std::set<std::string> active;
  for (const auto& [name, record] : records_) {
    if (record.stage != Stage::kUnscheduled && record.stage != Stage::kEnded) {
      active.insert(record.pod.uid);
    }
  }
  return active;
}

std::vector<PodDevices> LocalKubelet::DevicesOfPods() {
  manager_->UpdateAllocatedDevices();
  std::vector<PodDevices> pods;
  for (const auto& [name, record] : records_) {
    if (record.stage == Stage::kUnscheduled || record.stage == Stage::kEnded) continue;
    pods.push_back({record.pod.spec.pod_namespace, name, kContainer,
                    manager_->DevicesOf(record.pod.uid, kContainer)});
  }
  return pods;
}

// --- scheduling and admission ---

void LocalKubelet::RunPod(const PodSpec& spec, PodDone done) {
  if (records_.count(spec.name) != 0) {
    return done(Status(base::Code::kAlreadyExists, "pod " + spec.name + " exists"));
  }
  Record& record = records_[spec.name];
  record.pod.spec = spec;
  record.pod.uid = NewUid();
  record.order = ++last_order_;
  record.waiting.push_back(std::move(done));
  if (spec.bound) {
    record.stage = Stage::kQueued;
    queue_.push_back(record.pod.uid);
    AdmitNext();
  } else {
    Schedule();
  }
  Save();
}

void LocalKubelet::ScheduleSoon() {
  runner_.Post([this] { Schedule(); });
}

// Empty: it fits.
std::string LocalKubelet::Misfit(const Record& record) {
  std::map<std::string, std::int64_t> used;
  for (const auto& [name, other] : records_) {
    if (other.stage == Stage::kUnscheduled || other.stage == Stage::kEnded) continue;
    for (const auto& [resource, count] : other.pod.spec.requests) used[resource] += count;
  }
  const auto node = Node();
  std::string misfit;
  for (const auto& [resource, count] : record.pod.spec.requests) {
    const auto have = node.find(resource);
    const std::int64_t allocatable = have == node.end() ? 0 : have->second.allocatable;
    if (used[resource] + count <= allocatable) continue;
    misfit += (misfit.empty() ? "1 Insufficient " : ", 1 Insufficient ") + resource;
  }
  return misfit;
}

void LocalKubelet::Schedule() {
  std::vector<Record*> pending;
  for (auto& [name, record] : records_) {
    if (record.stage == Stage::kUnscheduled) pending.push_back(&record);
  }
  std::sort(pending.begin(), pending.end(),
            [](const Record* a, const Record* b) { return a->order < b->order; });
  for (Record* record : pending) {
    const std::string misfit = Misfit(*record);
    if (misfit.empty()) {
      record->pod.reason.clear();
      record->pod.message.clear();
      record->stage = Stage::kQueued;
      queue_.push_back(record->pod.uid);
      continue;
    }
    record->pod.reason = "Unschedulable";
    record->pod.message = "0/1 nodes are available: " + misfit + ".";
    if (!std::exchange(record->told_pending, true)) {
      EmitPod("pod-pending", *record, record->pod.message);
    }
  }
  AdmitNext();
  // Callers may do anything, so by name.
  std::vector<std::string> names;
  for (const auto& [name, record] : records_) {
    if (record.stage == Stage::kUnscheduled && !record.waiting.empty()) names.push_back(name);
  }
  for (const std::string& name : names) {
    const auto it = records_.find(name);
    if (it != records_.end() && it->second.stage == Stage::kUnscheduled) Answer(it->second);
  }
}

void LocalKubelet::AdmitNext() {
  if (admitting_ || manager_ == nullptr) return;
  while (!queue_.empty() && ByUid(queue_.front()) == nullptr) queue_.pop_front();
  if (queue_.empty()) return;
  admitting_ = true;
  const std::string uid = queue_.front();
  manager_->Allocate(uid, kContainer, ByUid(uid)->pod.spec.requests,
                     [this, uid](const Status& status) {
                       runner_.Post([this, uid, status, life = life_] {
                         if (life == life_) Admitted(uid, status);
                       });
                     });
}

void LocalKubelet::Admitted(const std::string& uid, const Status& status) {
  admitting_ = false;
  queue_.pop_front();
  if (Record* record = ByUid(uid); record != nullptr) {
    if (status.ok()) {
      record->stage = Stage::kStarting;
      StartContainer(*record);
    } else {
      Fail(
          *record, "UnexpectedAdmissionError",
          "Pod was rejected: Allocate failed due to " + status.message() + ", which is unexpected");
    }
  }
  Save();
  AdmitNext();
}

// --- containers ---

void LocalKubelet::StartContainer(Record& record) {
  if (manager_ == nullptr) return;  // Up() does it
  manager_->RunOptions(record.pod.uid, kContainer, record.pod.spec.requests,
                       runner_.Wrap([this, uid = record.pod.uid](
                                        const base::Result<kubelet::ContainerAnswer>& given) {
                         Record* starting = ByUid(uid);
                         if (starting != nullptr && starting->stage == Stage::kStarting) {
                           Launch(*starting, given);
                         }
                       }));
}

void LocalKubelet::Launch(Record& record, const base::Result<kubelet::ContainerAnswer>& given) {
  if (!given.ok()) return Fail(record, "CreateContainerError", given.status().message());
  Pod& pod = record.pod;
  pod.given = *given;
  ProcessSpec spec;
  spec.command = pod.spec.command;
  if (spec.command.empty()) spec.command = {"sleep", "infinity"};
  spec.env = pod.spec.env;  // a pod's own variables win over the plugin's
  spec.env.insert(given->env.begin(), given->env.end());
  spec.env.insert({{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                   {"HOME", "/"},
                   {"HOSTNAME", pod.spec.name}});
  spec.mounts = given->mounts;
  spec.devices = given->devices;
  spec.directory = base::JoinPath(base::JoinPath(options_.state_directory, "pods"), pod.spec.name);
  if (const Status status = base::MakeDirectories(spec.directory); !status.ok()) {
    return Fail(record, "CreateContainerError", status.message());
  }
  auto started = StartProcess(spec);
  if (!started.ok()) return Fail(record, "StartError", started.status().message());
  record.process = started->id;
  pod.pid = started->id.pid;
  pod.not_applied = std::move(started.value().not_applied);
  pod.phase = PodPhase::kRunning;
  pod.exit_code.reset();
  record.stage = Stage::kStarted;
  Watch(record);
  Save();
  EmitPod(std::exchange(record.restarting, false) ? "container-restarted" : "pod-running", record);
  Answer(record);
}

void LocalKubelet::Watch(Record& record) {
  record.watch = WatchProcess(
      loop_, record.process,
      [this, uid = record.pod.uid](std::optional<int> wait_status) { Ended(uid, wait_status); });
}

void LocalKubelet::Ended(const std::string& uid, std::optional<int> wait_status) {
  Record* record = ByUid(uid);
  if (record == nullptr) return;
  // The watch is calling: it may go only after it has returned.
  loop_.Post([watch = std::shared_ptr<ProcessWatch>(std::move(record->watch))] {});
  record->kill_timer.reset();
  Pod& pod = record->pod;
  pod.pid = 0;
  record->process = {};
  if (record->deleting) return Erase(*record);
  if (record->restarting) {
    ++pod.restarts;
    record->stage = Stage::kStarting;
    return StartContainer(*record);
  }
  record->stage = Stage::kEnded;
  if (!wait_status) {
    pod.phase = PodPhase::kFailed;
    pod.reason = "ContainerStatusUnknown";
    pod.message = "the process ended while nobody who could know was watching";
  } else {
    pod.exit_code =
        WIFEXITED(*wait_status) ? WEXITSTATUS(*wait_status) : 128 + WTERMSIG(*wait_status);
    pod.phase = *pod.exit_code == 0 ? PodPhase::kSucceeded : PodPhase::kFailed;
    pod.reason = *pod.exit_code == 0 ? "Completed" : "Error";
  }
  Save();
  EmitPod("pod-ended", *record, pod.reason);
  ScheduleSoon();
}

void LocalKubelet::Fail(Record& record, std::string reason, std::string message) {
  record.restarting = false;
  record.stage = Stage::kEnded;
  record.pod.phase = PodPhase::kFailed;
  record.pod.reason = std::move(reason);
  record.pod.message = std::move(message);
  Save();
  EmitPod("pod-refused", record, record.pod.message);
  ScheduleSoon();
  Answer(record);
}

void LocalKubelet::Answer(Record& record) {
  const Pod view = View(record);
  for (const PodDone& done : std::exchange(record.waiting, {})) done(view);
}

void LocalKubelet::DeletePod(const std::string& name, std::function<void(Status)> done) {
  const auto it = records_.find(name);
  if (it == records_.end()) return done({base::Code::kNotFound, "no pod " + name});
  Record& record = it->second;
  record.deleted.push_back(std::move(done));
  if (record.stage != Stage::kStarted) return Erase(record);
  if (std::exchange(record.deleting, true)) return;
  SignalProcess(record.process, SIGTERM);
  record.kill_timer = std::make_unique<base::Timer>(loop_);
  record.kill_timer->Start(options_.kill_grace,
                           [process = record.process] { SignalProcess(process, SIGKILL); });
}

void LocalKubelet::Erase(Record& record) {
  const std::string name = record.pod.spec.name;
  // An admission under way ends with nobody to admit.
  const bool being_admitted = admitting_ && queue_.front() == record.pod.uid;
  EmitPod("pod-deleted", record);
  auto node = records_.extract(name);
  Save();
  ScheduleSoon();
  for (const PodDone& done : node.mapped().waiting) {
    done(Status(base::Code::kAborted, "pod " + name + " was deleted"));
  }
  for (const auto& done : node.mapped().deleted) done(Status::Ok());
  if (!being_admitted) AdmitNext();
}

void LocalKubelet::RestartContainer(const std::string& name, PodDone done) {
  const auto it = records_.find(name);
  if (it == records_.end()) return done(Status(base::Code::kNotFound, "no pod " + name));
  Record& record = it->second;
  if (record.stage != Stage::kStarted || record.deleting || record.restarting) {
    return done(Status(base::Code::kFailedPrecondition, "pod " + name + " is not running"));
  }
  record.restarting = true;
  record.waiting.push_back(std::move(done));
  SignalProcess(record.process, SIGKILL);
}

// --- views and state ---

Record* LocalKubelet::ByUid(const std::string& uid) {
  for (auto& [name, record] : records_) {
    if (record.pod.uid == uid) return &record;
  }
  return nullptr;
}

Pod LocalKubelet::View(const Record& record) const {
  Pod pod = record.pod;
  if (manager_ == nullptr || record.stage == Stage::kUnscheduled) return pod;
  pod.devices = manager_->DevicesOf(pod.uid, kContainer);
  std::map<std::string, std::map<std::string, bool>> health;
  for (const AllocatedDevice& device : pod.devices) {
    auto known = health.find(device.resource);
    if (known == health.end()) {
      known = health.emplace(device.resource, manager_->HealthOf(device.resource)).first;
    }
    // A device that is no longer advertised counts as healthy, as in the kubelet.
    const auto state = known->second.find(device.id);
    if (state != known->second.end() && !state->second) pod.unhealthy.push_back(device.id);
  }
  return pod;
}

std::vector<Pod> LocalKubelet::Pods() const {
  std::vector<const Record*> records;
  for (const auto& [name, record] : records_) records.push_back(&record);
  std::sort(records.begin(), records.end(),
            [](const Record* a, const Record* b) { return a->order < b->order; });
  std::vector<Pod> pods;
  pods.reserve(records.size());
  for (const Record* record : records) pods.push_back(View(*record));
  return pods;
}

std::optional<Pod> LocalKubelet::FindPod(const std::string& name) const {
  const auto it = records_.find(name);
  if (it == records_.end()) return std::nullopt;
  return View(it->second);
}

void LocalKubelet::Save() {
  std::vector<const Record*> records;
  for (const auto& [name, record] : records_) records.push_back(&record);
  std::sort(records.begin(), records.end(),
            [](const Record* a, const Record* b) { return a->order < b->order; });
  base::Json pods = base::Json::MakeArray();
  for (const Record* record : records) pods.Append(ToJson(SavedPod{record->pod, record->process}));
  const Status status = base::WriteFileAtomic(base::JoinPath(options_.state_directory, "pods.json"),
                                              pods.Dump(), 0600);
  if (!status.ok()) base::LogError("saving the pods", {base::Kv("error", status.message())});
}

void LocalKubelet::Load() {
  const auto text =
      base::ReadFile(base::JoinPath(options_.state_directory, "pods.json"), kMaxSavedBytes);
  if (!text.ok()) return;
  const auto pods = base::Json::Parse(*text);
  if (!pods.ok() || !pods->is_array()) {
    base::LogError("starting without the pods of before: pods.json is damaged");
    return;
  }
  for (const base::Json& json : pods->as_array()) {
    auto saved = SavedPodFromJson(json);
    if (!saved.ok()) {
      base::LogError("forgetting a pod", {base::Kv("error", saved.status().message())});
      continue;
    }
    Record& record = records_[saved->pod.spec.name];
    record.pod = saved.value().pod;
    record.process = saved->process;
    record.order = ++last_order_;
    if (record.pod.ended()) {
      record.stage = Stage::kEnded;
    } else if (record.process.pid > 0) {
      record.stage = Stage::kStarted;
      record.pod.pid = record.process.pid;
      Watch(record);
    } else if (record.pod.spec.bound) {
      record.stage = Stage::kQueued;
      queue_.push_back(record.pod.uid);
    }
  }
}

}  // namespace

base::Result<std::unique_ptr<Kubelet>> Kubelet::Start(base::EventLoop& loop, Options options) {
  auto kubelet = std::make_unique<LocalKubelet>(loop, std::move(options));
  TRANCHE_TRY(kubelet->Begin());
  return std::unique_ptr<Kubelet>(std::move(kubelet));
}

}  // namespace tranche::sim
