#include "node/walls/arbiter.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <iterator>
#include <span>

#include "base/log.h"

namespace tranche::node::walls {
namespace {

using base::Kv;
using base::Status;

std::uint64_t WallMicroseconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

// Each attached program costs a descriptor.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Bit N: the program would use a device that has no wall.
std::uint32_t Unwalled(const wire::Hello& hello, const std::vector<WalledDevice>& devices) {
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < hello.device_count; ++i) {
    const bool walled = std::any_of(devices.begin(), devices.end(), [&](const auto& device) {
      return std::memcmp(device.uuid.bytes, hello.devices[i].bytes, sizeof(wire::Uuid)) == 0;
    });
    if (!walled) bits |= 1U << i;
  }
  return bits;
}

const std::string& DeviceOf(const gpu::Gpu& gpu, const gpu::RunningProcess& process) {
  for (const gpu::MigDevice& mig : gpu.mig_devices) {
    if (process.gpu_instance && mig.gpu_instance == process.gpu_instance &&
        mig.compute_instance == process.compute_instance) {
      return mig.uuid;
    }
  }
  return gpu.uuid;
}

template <class Message>
std::span<const std::byte> BytesOf(const Message& message) {
  return std::as_bytes(std::span(&message, 1));
}

wire::HelloAnswer HelloAnswer(wire::Status status) {
  return {.header = {wire::kMagic, wire::kVersion, wire::Kind::kHelloAnswer}, .status = status};
}

wire::MeasureAnswer MeasureAnswer(wire::Status status, std::uint64_t bytes) {
  return {.header = {wire::kMagic, wire::kVersion, wire::Kind::kMeasureAnswer},
          .status = status,
          .context_bytes = bytes};
}

}  // namespace

Arbiter::Arbiter(base::EventLoop& loop, identity::Proc& proc, Options options, Sources sources)
    : loop_(loop),
      proc_(proc),
      options_(std::move(options)),
      sources_(std::move(sources)),
      limits_(loop, {.ask = sources_.ask,
                     .runs =
                         [this](const std::string& uid) {
                           const auto pod = pods_.find(uid);
                           return pod != pods_.end() && pod->second.ledger->programs() > 0;
                         },
                     .used = [this](const std::string& uid,
                                    const std::string& device) { return UsedBy(uid, device); },
                     .changed = [this](const std::set<std::string>& uids) { LimitsChanged(uids); },
                     .tell = sources_.tell}),
      settle_(loop),
      door_(loop, proc, [this](Door::ConnectionId id, Caller& caller, const Request& request) {
        Handle(id, caller, request);
      }) {}

Arbiter::~Arbiter() {
  for (const auto& [seat, watched] : watched_) loop_.UnwatchFd(watched.watch);
}

void Arbiter::OpenDoor() {
  const plan::MemoryRules& rules = limits_.rules();
  const bool open = rules.empty() || rules.begin()->second.away_open;
  if (!door_.open()) {
    RaiseDescriptorLimit();
    trouble_ = door_.Open(options_.directory);
    if (!trouble_.ok()) base::LogWarning("walls do not stand", {Kv("error", trouble_.message())});
  }
  const Status written = base::WriteFileAtomic(base::JoinPath(options_.directory, wire::kAwayFile),
                                               open ? "open\n" : "closed\n");
  if (!written.ok() && trouble_.ok()) trouble_ = written;
}

// ---- at the door

void Arbiter::Handle(Door::ConnectionId id, Caller& caller, const Request& request) {
  if (const auto* hello = std::get_if<wire::Hello>(&request)) return Greet(id, caller, *hello);
  Measure(id, caller, std::get<wire::Measure>(request));
}

void Arbiter::Greet(Door::ConnectionId id, Caller& caller, const wire::Hello& hello) {
  wire::HelloAnswer answer = HelloAnswer(Admit(caller));
  if (answer.status != wire::Status::kOk) return door_.Answer(id, BytesOf(answer), {});
  PodLedger& ledger = *pods_.at(caller.pod_uid).ledger;
  Program program = caller.program;
  program.image = hello.image;
  const bool known = ledger.Find(program.pid).has_value();
  const auto slot = known || watched_.size() < kMaxPrograms ? ledger.Attach(program) : std::nullopt;
  if (!slot) {
    answer.status = wire::Status::kNoRoom;
    return door_.Answer(id, BytesOf(answer), {});
  }
  Watch({caller.pod_uid, *slot}, std::move(caller.process));
  Settle();  // another image of the program may have left something
  answer.slot = *slot;
  answer.pid = program.pid;
  answer.unwalled = Unwalled(hello, ledger.devices());
  const std::array descriptors{ledger.pages().limits_fd(), ledger.pages().counters_fd()};
  door_.Answer(id, BytesOf(answer), descriptors);
}

void Arbiter::Measure(Door::ConnectionId id, const Caller& caller, const wire::Measure& measure) {
  const auto pod = pods_.find(caller.pod_uid);
  const bool right = pod != pods_.end() &&
                     pod->second.ledger->Find(caller.program.pid) == measure.slot &&
                     measure.device < pod->second.ledger->devices().size();
  if (!right) {
    return door_.Answer(id, BytesOf(MeasureAnswer(wire::Status::kRefused, 0)), {});
  }
  const PodLedger& ledger = *pod->second.ledger;
  measuring_[id] = {.seat = {caller.pod_uid, measure.slot},
                    .device = measure.device,
                    .held_before = ledger.HeldBy(measure.slot, measure.device),
                    .asked_us = WallMicroseconds()};
  sources_.look();
}

// ---- programs that end

void Arbiter::Watch(const Seat& seat, base::UniqueFd process) {
  if (const auto before = watched_.find(seat); before != watched_.end()) {
    loop_.UnwatchFd(before->second.watch);
    watched_.erase(before);
  }
  Watched& watched = watched_[seat];
  watched.process = std::move(process);
  watched.watch =
      loop_.WatchFd(watched.process.get(), base::FdEvents::kRead, [this, seat] { Ended(seat); });
}

void Arbiter::Ended(const Seat& ended) {
  const Seat seat = ended;  // the watch that holds it ends here
  const auto at = watched_.find(seat);
  if (at == watched_.end()) return;
  loop_.UnwatchFd(at->second.watch);
  watched_.erase(at);
  const auto pod = pods_.find(seat.first);
  if (pod == pods_.end()) return;
  pod->second.ledger->Leave(seat.second);
  std::erase_if(measuring_, [&](const auto& one) { return one.second.seat == seat; });
  Settle();
  Forget();
}

void Arbiter::Settle() {
  bool all = true;
  for (auto& [uid, pod] : pods_) all = pod.ledger->Settle() && all;
  if (!all) settle_.Start(kSettle, [this] { Settle(); });
}

// ---- what the driver shows

void Arbiter::UsageRead(const gpu::Inventory& inventory, const gpu::Usage& usage,
                        const std::function<std::string(unsigned pid)>& whose) {
  if (!usage.status.ok() || pods_.empty()) return;
  std::set<DeviceOfPod> above;
  for (auto& [key, seen] : seen_) seen.unattached = 0;
  for (const gpu::DeviceUsage& gpu_usage : usage.devices) {
    const auto gpu = std::find_if(inventory.gpus.begin(), inventory.gpus.end(),
                                  [&](const auto& one) { return one.uuid == gpu_usage.uuid; });
    if (gpu == inventory.gpus.end() || !gpu_usage.processes) continue;
    for (const gpu::RunningProcess& process : *gpu_usage.processes) {
      const DeviceOfPod key(whose(process.pid), DeviceOf(*gpu, process));
      if (See(key, process, usage.time_us)) above.insert(key);
    }
  }
  TellOfMismatches(above);
  EndMeasures(usage.time_us);
}

// One process on a device; whether it has more there than the ledger says.
bool Arbiter::See(const DeviceOfPod& key, const gpu::RunningProcess& process,
                  std::uint64_t time_us) {
  const auto pod = pods_.find(key.first);
  if (pod == pods_.end()) return false;
  PodLedger& ledger = *pod->second.ledger;
  const auto device = ledger.DeviceAt(key.second);
  if (!device) return false;
  const auto slot = ledger.Find(process.pid);
  Seen& seen = seen_[key];
  if (!slot) {
    ++seen.unattached;
    return false;
  }
  if (!process.memory_bytes) return false;
  const std::uint64_t bytes = *process.memory_bytes;
  AnswerMeasures(key.second, process.pid, bytes, time_us);
  const std::uint64_t held = ledger.HeldBy(*slot, *device);
  ledger.CorrectContext(*slot, *device, bytes - std::min(held, bytes));
  const std::uint64_t known = held + ledger.ContextOf(*slot, *device);
  return bytes > known && bytes - known > kToleranceBytes;
}

void Arbiter::AnswerMeasures(const std::string& device, unsigned pid, std::uint64_t bytes,
                             std::uint64_t time_us) {
  for (auto at = measuring_.begin(); at != measuring_.end();) {
    const Measuring& one = at->second;
    const PodLedger& ledger = *pods_.at(one.seat.first).ledger;
    const auto& program = ledger.slots()[one.seat.second];
    if (!program || program->pid != pid || ledger.devices()[one.device].device != device ||
        time_us < one.asked_us) {
      ++at;
      continue;
    }
    const std::uint64_t held =
        std::min(one.held_before, ledger.HeldBy(one.seat.second, one.device));
    const auto answer = MeasureAnswer(wire::Status::kOk, bytes - std::min(bytes, held));
    door_.Answer(at->first, BytesOf(answer), {});
    at = measuring_.erase(at);
  }
}

// What a look of later than the question has not shown will not be waited for.
void Arbiter::EndMeasures(std::uint64_t time_us) {
  for (auto at = measuring_.begin(); at != measuring_.end();) {
    if (time_us < at->second.asked_us) {
      ++at;
      continue;
    }
    door_.Answer(at->first, BytesOf(MeasureAnswer(wire::Status::kNotYet, 0)), {});
    at = measuring_.erase(at);
  }
  if (!measuring_.empty()) sources_.look();
}

void Arbiter::TellOfMismatches(const std::set<DeviceOfPod>& above) {
  for (auto at = seen_.begin(); at != seen_.end();) {
    at = pods_.contains(at->first.first) ? std::next(at) : seen_.erase(at);
  }
  for (auto& [key, seen] : seen_) {
    seen.above = above.contains(key) ? seen.above + 1 : 0;
    if (seen.above == 0) seen.told = false;
    if (seen.above < kMismatchLooks || seen.told) continue;
    seen.told = true;
    const PodName& name = pods_.at(key.first).name;
    sources_.tell(News::kLedgerMismatch,
                  {.pod_namespace = name.pod_namespace, .name = name.pod, .uid = key.first},
                  "pod " + name.pod_namespace + "/" + name.pod + " has more memory on " +
                      key.second + " than its own counters say");
  }
}

// ---- for reports

std::vector<Wall> Arbiter::Walls() const {
  std::vector<Wall> walls;
  for (const auto& [uid, pod] : pods_) {
    const auto& devices = pod.ledger->devices();
    for (unsigned i = 0; i < devices.size(); ++i) {
      const PodLedger::Use use = pod.ledger->UseOf(i);
      Wall wall{.pod = pod.name,
                .pod_uid = uid,
                .device = devices[i].device,
                .limit_bytes = pod.ledger->pages().LimitOf(i),
                .used_bytes = use.used_bytes,
                .context_bytes = use.context_bytes,
                .refusals = use.refusals,
                .programs = pod.ledger->programs()};
      if (const auto seen = seen_.find({uid, wall.device}); seen != seen_.end()) {
        wall.mismatch = seen->second.above >= kMismatchLooks;
        wall.walled = seen->second.unattached == 0;
        if (!wall.walled) wall.reason = "a program on the GPU has not attached";
      }
      walls.push_back(std::move(wall));
    }
  }
  for (const auto& [uid, granted] : limits_.grants().pods()) {
    if (pods_.contains(uid)) continue;
    for (const auto& [device, grant] : granted.devices) {
      walls.push_back({.pod = granted.name,
                       .pod_uid = uid,
                       .device = device,
                       .limit_bytes = grant.limit_bytes,
                       .walled = false,
                       .reason = trouble_.ok() ? "no program has attached yet"
                                               : base::Printable(trouble_.message())});
    }
  }
  return walls;
}

}  // namespace tranche::node::walls
