#include "sim/kubelet/kubelet.h"

#include <csignal>
#include <deque>
#include <utility>

#include "base/file.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "sim/kubelet/container.h"
#include "sim/kubelet/pod_process.h"
#include "sim/kubelet/pod_resources_server.h"
#include "sim/kubelet/pod_table.h"
#include "sim/kubelet/scheduler.h"

namespace tranche::sim {
namespace {

using base::Status;

class LocalKubelet final : public Kubelet {
 public:
  LocalKubelet(base::EventLoop& loop, Options options)
      : loop_(loop),
        options_(std::move(options)),
        pods_(base::JoinPath(options_.state_directory, "pods.json")),
        restart_timer_(loop),
        runner_(loop) {}

  Status Begin() {
    TRANCHE_TRY(base::MakeDirectories(options_.state_directory, 0755));
    pods_.Load();
    for (PodRecord* record : pods_.InOrder()) {
      if (record->stage == PodStage::kStarted) Watch(*record);
      if (record->stage == PodStage::kQueued) queue_.push_back(record->pod.uid);
    }
    TRANCHE_TRY(Up());
    for (PodRecord* record : pods_.InOrder()) {
      record->pod.given = manager_->StoredAnswer(record->pod.uid, kContainer);
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
  void DevicesChanged(const Event& event);
  void EmitPod(const char* kind, const PodRecord& record, std::string detail = {});
  [[nodiscard]] std::set<std::string> ActivePods() const;
  [[nodiscard]] std::vector<PodDevices> DevicesOfPods();

  void Schedule();
  void ScheduleSoon();
  void AdmitNext();
  void Admitted(const std::string& uid, const Status& status);
  void StartContainer(PodRecord& record);
  void Launch(PodRecord& record, const base::Result<kubelet::ContainerAnswer>& given);
  void Watch(PodRecord& record);
  void Ended(const std::string& uid, std::optional<int> wait_status);
  void Fail(PodRecord& record, std::string reason, std::string message);
  void Answer(PodRecord& record);
  void Erase(PodRecord& record);
  [[nodiscard]] Pod View(const PodRecord& record) const;

  base::EventLoop& loop_;
  Options options_;
  PodTable pods_;
  std::deque<std::string> queue_;  // uids; the front one is being admitted
  bool admitting_ = false;
  std::uint64_t life_ = 0;  // counts restarts: answers to an earlier one are void
  std::map<std::string, ResourceCount> last_node_;
  base::Timer restart_timer_;
  std::unique_ptr<DeviceManager> manager_;  // null while the kubelet is down
  std::unique_ptr<PodResourcesServer> pod_resources_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

// --- the kubelet itself ---

Status LocalKubelet::Up() {
  manager_ = std::make_unique<DeviceManager>(
      loop_, DeviceManager::Options{
                 .directory = options_.plugin_directory,
                 .active_pods = [this] { return ActivePods(); },
                 .events = ToEvents(loop_, [this](const Event& event) { DevicesChanged(event); }),
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
  for (PodRecord* record : pods_.InOrder()) {
    if (record->stage == PodStage::kStarting) StartContainer(*record);
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

void LocalKubelet::DevicesChanged(const Event& event) {
  Emit(event);
  if (event.kind == "devices") ScheduleSoon();
}

void LocalKubelet::EmitPod(const char* kind, const PodRecord& record, std::string detail) {
  Emit({.kind = kind, .at = loop_.Now(), .pod = record.pod.spec.name, .detail = std::move(detail)});
}

std::set<std::string> LocalKubelet::ActivePods() const {
  std::set<std::string> active;
  for (const PodRecord* record : pods_.InOrder()) {
    if (record->on_node()) active.insert(record->pod.uid);
  }
  return active;
}

std::vector<PodDevices> LocalKubelet::DevicesOfPods() {
  manager_->UpdateAllocatedDevices();
  std::vector<PodDevices> pods;
  for (const PodRecord* record : pods_.InOrder()) {
    if (!record->on_node()) continue;
    const Pod& pod = record->pod;
    pods.push_back({pod.spec.pod_namespace, pod.spec.name, kContainer,
                    manager_->DevicesOf(pod.uid, kContainer)});
  }
  return pods;
}

// --- scheduling and admission ---

void LocalKubelet::RunPod(const PodSpec& spec, PodDone done) {
  PodRecord* record = pods_.Add(spec);
  if (record == nullptr) {
    return done(Status(base::Code::kAlreadyExists, "pod " + spec.name + " exists"));
  }
  record->waiting.push_back(std::move(done));
  if (spec.bound) {
    record->stage = PodStage::kQueued;
    queue_.push_back(record->pod.uid);
    AdmitNext();
  } else {
    Schedule();
  }
  pods_.Save();
}

void LocalKubelet::ScheduleSoon() {
  runner_.Post([this] { Schedule(); });
}

void LocalKubelet::Schedule() {
  for (const PodRecord* record : PlacePods(pods_, Node())) queue_.push_back(record->pod.uid);
  for (PodRecord* record : pods_.InOrder()) {
    if (record->stage != PodStage::kUnscheduled) continue;
    if (!std::exchange(record->told_pending, true)) {
      EmitPod("pod-pending", *record, record->pod.message);
    }
  }
  AdmitNext();
  // Callers may do anything, so by name.
  std::vector<std::string> names;
  for (const PodRecord* record : pods_.InOrder()) {
    if (record->stage == PodStage::kUnscheduled && !record->waiting.empty()) {
      names.push_back(record->pod.spec.name);
    }
  }
  for (const std::string& name : names) {
    PodRecord* record = pods_.Find(name);
    if (record != nullptr && record->stage == PodStage::kUnscheduled) Answer(*record);
  }
}

void LocalKubelet::AdmitNext() {
  if (admitting_ || manager_ == nullptr) return;
  while (!queue_.empty() && pods_.FindUid(queue_.front()) == nullptr) queue_.pop_front();
  if (queue_.empty()) return;
  admitting_ = true;
  const std::string uid = queue_.front();
  manager_->Allocate(uid, kContainer, pods_.FindUid(uid)->pod.spec.requests,
                     [this, uid](const Status& status) {
                       runner_.Post([this, uid, status, life = life_] {
                         if (life == life_) Admitted(uid, status);
                       });
                     });
}

void LocalKubelet::Admitted(const std::string& uid, const Status& status) {
  admitting_ = false;
  queue_.pop_front();
  if (PodRecord* record = pods_.FindUid(uid); record != nullptr) {
    if (status.ok()) {
      record->stage = PodStage::kStarting;
      StartContainer(*record);
    } else {
      Fail(
          *record, "UnexpectedAdmissionError",
          "Pod was rejected: Allocate failed due to " + status.message() + ", which is unexpected");
    }
  }
  pods_.Save();
  AdmitNext();
}

// --- containers ---

void LocalKubelet::StartContainer(PodRecord& record) {
  if (manager_ == nullptr) return;  // Up() does it
  manager_->RunOptions(record.pod.uid, kContainer, record.pod.spec.requests,
                       runner_.Wrap([this, uid = record.pod.uid](
                                        const base::Result<kubelet::ContainerAnswer>& given) {
                         PodRecord* starting = pods_.FindUid(uid);
                         if (starting != nullptr && starting->stage == PodStage::kStarting) {
                           Launch(*starting, given);
                         }
                       }));
}

void LocalKubelet::Launch(PodRecord& record, const base::Result<kubelet::ContainerAnswer>& given) {
  if (!given.ok()) return Fail(record, "CreateContainerError", given.status().message());
  Pod& pod = record.pod;
  pod.given = *given;
  const std::string directory =
      base::JoinPath(base::JoinPath(options_.state_directory, "pods"), pod.spec.name);
  if (const Status status = base::MakeDirectories(directory); !status.ok()) {
    return Fail(record, "CreateContainerError", status.message());
  }
  ProcessSpec process = ContainerProcess(pod.spec, *given, directory);
  process.when_kubelet_ends = options_.pods;
  auto started = StartProcess(process);
  if (!started.ok()) return Fail(record, "StartError", started.status().message());
  record.process = started->id;
  pod.pid = started->id.pid;
  pod.not_applied = std::move(started.value().not_applied);
  pod.phase = PodPhase::kRunning;
  pod.exit_code.reset();
  record.stage = PodStage::kStarted;
  Watch(record);
  pods_.Save();
  EmitPod(std::exchange(record.restarting, false) ? "container-restarted" : "pod-running", record);
  Answer(record);
}

void LocalKubelet::Watch(PodRecord& record) {
  record.watch = WatchProcess(
      loop_, record.process,
      [this, uid = record.pod.uid](std::optional<int> wait_status) { Ended(uid, wait_status); });
}

void LocalKubelet::Ended(const std::string& uid, std::optional<int> wait_status) {
  PodRecord* record = pods_.FindUid(uid);
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
    record->stage = PodStage::kStarting;
    return StartContainer(*record);
  }
  record->stage = PodStage::kEnded;
  SetEnd(pod, wait_status);
  pods_.Save();
  EmitPod("pod-ended", *record, pod.reason);
  ScheduleSoon();
}

void LocalKubelet::Fail(PodRecord& record, std::string reason, std::string message) {
  record.restarting = false;
  record.stage = PodStage::kEnded;
  record.pod.phase = PodPhase::kFailed;
  record.pod.reason = std::move(reason);
  record.pod.message = std::move(message);
  pods_.Save();
  EmitPod("pod-refused", record, record.pod.message);
  ScheduleSoon();
  Answer(record);
}

void LocalKubelet::Answer(PodRecord& record) {
  const Pod view = View(record);
  for (const PodDone& done : std::exchange(record.waiting, {})) done(view);
}

void LocalKubelet::DeletePod(const std::string& name, std::function<void(Status)> done) {
  PodRecord* record = pods_.Find(name);
  if (record == nullptr) return done({base::Code::kNotFound, "no pod " + name});
  record->deleted.push_back(std::move(done));
  if (record->stage != PodStage::kStarted) return Erase(*record);
  if (std::exchange(record->deleting, true)) return;
  SignalProcess(record->process, SIGTERM);
  record->kill_timer = std::make_unique<base::Timer>(loop_);
  record->kill_timer->Start(options_.kill_grace,
                            [process = record->process] { SignalProcess(process, SIGKILL); });
}

void LocalKubelet::Erase(PodRecord& record) {
  const std::string name = record.pod.spec.name;
  // An admission under way ends with nobody to admit.
  const bool being_admitted = admitting_ && queue_.front() == record.pod.uid;
  EmitPod("pod-deleted", record);
  const PodRecord removed = pods_.Remove(name);
  pods_.Save();
  ScheduleSoon();
  for (const PodDone& done : removed.waiting) {
    done(Status(base::Code::kAborted, "pod " + name + " was deleted"));
  }
  for (const auto& done : removed.deleted) done(Status::Ok());
  if (!being_admitted) AdmitNext();
}

void LocalKubelet::RestartContainer(const std::string& name, PodDone done) {
  PodRecord* record = pods_.Find(name);
  if (record == nullptr) return done(Status(base::Code::kNotFound, "no pod " + name));
  if (record->stage != PodStage::kStarted || record->deleting || record->restarting) {
    return done(Status(base::Code::kFailedPrecondition, "pod " + name + " is not running"));
  }
  record->restarting = true;
  record->waiting.push_back(std::move(done));
  SignalProcess(record->process, SIGKILL);
}

// --- views ---

Pod LocalKubelet::View(const PodRecord& record) const {
  Pod pod = record.pod;
  if (manager_ != nullptr && record.stage != PodStage::kUnscheduled) AddDevices(pod, *manager_);
  return pod;
}

std::vector<Pod> LocalKubelet::Pods() const {
  std::vector<Pod> pods;
  for (const PodRecord* record : pods_.InOrder()) pods.push_back(View(*record));
  return pods;
}

std::optional<Pod> LocalKubelet::FindPod(const std::string& name) const {
  const PodRecord* record = pods_.Find(name);
  return record == nullptr ? std::nullopt : std::optional(View(*record));
}

}  // namespace

base::Result<std::unique_ptr<Kubelet>> Kubelet::Start(base::EventLoop& loop, Options options) {
  auto kubelet = std::make_unique<LocalKubelet>(loop, std::move(options));
  TRANCHE_TRY(kubelet->Begin());
  return std::unique_ptr<Kubelet>(std::move(kubelet));
}

}  // namespace tranche::sim
