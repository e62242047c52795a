// What the driver shows of the programs in pods with walls, and what follows from it.
#include <algorithm>

#include "base/log.h"
#include "gpu/mig_of.h"
#include "node/walls/arbiter.h"
#include "node/walls/requests.h"

namespace tranche::node::walls {
namespace {

const std::string& DeviceOf(const gpu::Gpu& gpu, const gpu::RunningProcess& process) {
  const gpu::MigDevice* mig = gpu::MigOf(gpu, process);
  return mig != nullptr ? mig->uuid : gpu.uuid;
}

}  // namespace

void Arbiter::UsageRead(const gpu::Inventory& inventory, const gpu::Usage& usage,
                        const WhoseIs& whose) {
  if (!usage.status.ok() || (pods_.empty() && !asked_for())) return;
  evidence_.Begin(usage.time_us);
  for (auto& [pid, look] : looks_) look.there = false;
  for (const gpu::DeviceUsage& shown : usage.devices) {
    const auto gpu = std::ranges::find(inventory.gpus, shown.uuid, &gpu::Gpu::uuid);
    if (gpu == inventory.gpus.end() || !shown.processes) continue;
    SeeDevice(*gpu, shown, usage.time_us, whose);
  }
  for (const auto& [uid, pod] : pods_) {
    pod.ledger->SweepOrphans();
    const auto& devices = pod.ledger->devices();
    for (unsigned i = 0; i < devices.size(); ++i) {
      evidence_.NoteRefusals({uid, devices[i].device}, pod.ledger->UseOf(i).refusals);
    }
  }
  LeaveReplaced(usage);
  std::erase_if(looks_, [](const auto& entry) { return !entry.second.there; });
  ReportFound(evidence_.End());
  EndMeasures(usage.time_us);
}

// A program that has become another one by exec has nothing any more of what it had. If the new one
// uses CUDA, it attaches, and that tells it; if it does not, the driver no longer shows the
// process, and the counters are no longer mapped in it.
void Arbiter::LeaveReplaced(const gpu::Usage& usage) {
  std::set<unsigned> shown;
  for (const gpu::DeviceUsage& device : usage.devices) {
    if (!device.processes) return;
    for (const gpu::RunningProcess& process : *device.processes) shown.insert(process.pid);
  }
  std::vector<std::pair<Seat, Program>> asked;
  for (const auto& [uid, pod] : pods_) {
    const auto& slots = pod.ledger->slots();
    for (unsigned slot = 0; slot < slots.size(); ++slot) {
      if (!slots[slot] || shown.contains(slots[slot]->pid)) continue;
      if (pod.ledger->HoldsAnything(slot)) asked.emplace_back(Seat{uid, slot}, *slots[slot]);
    }
  }
  // An answer may come at once, and change the slots.
  for (const auto& [seat, program] : asked) AskForPage(seat, program, usage.time_us);
}

// Reading a program's mappings takes as long as the program likes, so the loop does not do it.
void Arbiter::AskForPage(const Seat& seat, const Program& program, std::uint64_t time_us) {
  const auto pod = pods_.find(seat.first);
  if (pod == pods_.end() || !sources_.has_page) return;
  const auto [asked, first] = page_asked_.emplace(seat, time_us);
  if (!first && time_us >= asked->second && time_us - asked->second < kLookInsideUs) return;
  asked->second = time_us;
  sources_.has_page(program.pid, pod->second.ledger->pages().identity(),
                    [this, seat, program](bool has) {
                      page_asked_.erase(seat);
                      const auto at = pods_.find(seat.first);
                      if (has || at == pods_.end()) return;
                      const auto& slots = at->second.ledger->slots();
                      // It may have attached meanwhile as what it is now.
                      if (seat.second < slots.size() && slots[seat.second] == program) Ended(seat);
                    });
}

void Arbiter::SeeDevice(const gpu::Gpu& gpu, const gpu::DeviceUsage& shown, std::uint64_t time_us,
                        const WhoseIs& whose) {
  evidence_.LookAt(gpu.uuid);
  for (const gpu::MigDevice& mig : gpu.mig_devices) evidence_.LookAt(mig.uuid);
  for (const gpu::RunningProcess& process : *shown.processes) {
    const identity::PodGroup group = whose(process.pid);
    if (group.pod_uid.empty()) continue;
    const std::string& device = DeviceOf(gpu, process);
    const auto pod = pods_.find(group.pod_uid);
    if (pod != pods_.end()) {
      PodLedger& ledger = *pod->second.ledger;
      if (!ledger.DeviceAt(device)) continue;
      if (const auto slot = ledger.Find(process.pid)) {
        SeeAttached({group.pod_uid, device}, ledger, *slot, process, time_us);
        continue;
      }
    }
    const GrantedPod* granted = limits_.grants().Find(group.pod_uid);
    const bool walled = granted != nullptr && granted->devices.contains(device);
    if (pod == pods_.end() && !walled) continue;
    const Reason reason = WhyUnattached(group, process.pid, time_us);
    evidence_.SeeUnattached({group.pod_uid, device}, reason);
  }
}

// What the driver says of a program in a slot.
void Arbiter::SeeAttached(const Evidence::Key& key, PodLedger& ledger, unsigned slot,
                          const gpu::RunningProcess& process, std::uint64_t time_us) {
  const unsigned device = *ledger.DeviceAt(key.device);
  Evidence::Attached program{.limit_bytes = ledger.pages().LimitOf(device)};
  if (process.memory_bytes) {
    program.shown_bytes = *process.memory_bytes;
    AnswerMeasures(key.device, process.pid, program.shown_bytes, time_us);
    const std::uint64_t held = ledger.HeldBy(slot, device);
    program.steady = look_began_us_ <= time_us && ledger.Unchanged(slot, device);
    // The driver's figure is compared with what the program held then, not with what it holds now.
    if (program.steady) {
      ledger.CorrectContext(slot, device, program.shown_bytes - std::min(held, program.shown_bytes),
                            time_us);
    }
    program.known_bytes = held + ledger.ContextOf(slot, device);
    // Memory without an owner is shown by the driver for one of the programs that have it open.
    const std::uint64_t more =
        program.shown_bytes - std::min(program.known_bytes, program.shown_bytes);
    program.known_bytes += std::min(more, ledger.OrphansOn(device));
  }
  evidence_.See(key, program);
}

Reason Arbiter::WhyUnattached(const identity::PodGroup& group, unsigned pid,
                              std::uint64_t time_us) {
  Look& look = looks_[pid];
  look.there = true;
  const bool due =
      look.asked_us == 0 || time_us < look.asked_us || time_us - look.asked_us >= kLookInsideUs;
  if (due && sources_.look_inside) {
    look.asked_us = std::max<std::uint64_t>(time_us, 1);
    sources_.look_inside(pid, group.container_id, [this, pid](Inside inside) {
      if (const auto at = looks_.find(pid); at != looks_.end())
        at->second.inside = std::move(inside);
    });
  }
  if (door_.SpokeOtherVersion(pid)) return ReasonOf("other-version");
  if (!look.inside) return ReasonOf("not-known");
  return WhyNoWall(*look.inside, options_.births);
}

void Arbiter::ReportFound(const Evidence::Found& found) {
  const auto tell = [this](News news, const Evidence::Key& key, const std::string& what) {
    const auto pod = pods_.find(key.pod_uid);
    const GrantedPod* granted = limits_.grants().Find(key.pod_uid);
    if (pod == pods_.end() && granted == nullptr) return;
    const PodName& name = pod != pods_.end() ? pod->second.name : granted->name;
    sources_.tell(news, {.pod_namespace = name.pod_namespace, .name = name.pod, .uid = key.pod_uid},
                  "pod " + name.pod_namespace + "/" + name.pod + what);
  };
  for (const Evidence::Key& key : found.unwalled) {
    tell(News::kUnwalled, key,
         " keeps to no wall on " + key.device + ": " + evidence_.Find(key)->reason.text);
  }
  for (const Evidence::Key& key : found.mismatches) {
    tell(News::kLedgerMismatch, key,
         " has more memory on " + key.device + " than its own counters say");
  }
}

// ---- what contexts take

void Arbiter::AnswerMeasures(const std::string& device, unsigned pid, std::uint64_t bytes,
                             std::uint64_t time_us) {
  for (auto at = measuring_.begin(); at != measuring_.end();) {
    const Measuring& one = at->second;
    PodLedger& ledger = *pods_.at(one.seat.first).ledger;
    const auto& program = ledger.slots()[one.seat.second];
    if (!program || program->pid != pid || ledger.devices()[one.device].device != device ||
        time_us < one.asked_us) {
      ++at;
      continue;
    }
    const std::uint64_t held =
        std::min(one.held_before, ledger.HeldBy(one.seat.second, one.device));
    // Where it holds nothing else, no call of it can be between the ledger and the driver.
    const bool alone = ledger.HeldBy(one.seat.second, one.device) == 0 &&
                       look_began_us_ <= time_us && ledger.Unchanged(one.seat.second, one.device);
    if (alone) ledger.LearnContext(one.seat.second, one.device, bytes);
    const auto answer = AnswerMeasure(wire::Status::kOk, bytes - std::min(bytes, held));
    door_.Answer(at->first, BytesOf(answer), {});
    at = measuring_.erase(at);
  }
}

// Gives up the questions that a look made after them has not answered.
void Arbiter::EndMeasures(std::uint64_t time_us) {
  for (auto at = measuring_.begin(); at != measuring_.end();) {
    if (time_us < at->second.asked_us) {
      ++at;
      continue;
    }
    door_.Answer(at->first, BytesOf(AnswerMeasure(wire::Status::kNotYet, 0)), {});
    at = measuring_.erase(at);
  }
  if (!measuring_.empty()) sources_.look();
}

// ---- for reports

void Arbiter::AddWall(std::vector<Wall>& walls, Wall wall) const {
  const Evidence::Key key{wall.pod_uid, wall.device};
  const Evidence::State* state = evidence_.Find(key);
  if (state != nullptr && state->unattached > 0) {
    // For the first moments it may be about to attach.
    if (state->unwalled) {
      wall.walled = false;
      wall.reason = state->reason;
    }
  } else if (wall.programs > 0) {
    wall.walled = true;
  } else if (!trouble_.ok()) {
    wall.reason = ReasonOf("not-standing", trouble_.message());
  }
  wall.mismatch = state != nullptr && state->mismatch;
  wall.refused_lately = evidence_.RefusedLately(key);
  walls.push_back(std::move(wall));
}

std::vector<Wall> Arbiter::Walls() const {
  std::vector<Wall> walls;
  for (const auto& [uid, pod] : pods_) {
    const auto& devices = pod.ledger->devices();
    for (unsigned i = 0; i < devices.size(); ++i) {
      const PodLedger::Use use = pod.ledger->UseOf(i);
      AddWall(walls, {.pod = pod.name,
                      .pod_uid = uid,
                      .device = devices[i].device,
                      .limit_bytes = pod.ledger->pages().LimitOf(i),
                      .used_bytes = use.used_bytes,
                      .context_bytes = use.context_bytes,
                      .refusals = use.refusals,
                      .programs = pod.ledger->programs(),
                      .passed_through = pod.ledger->PassedThrough()});
    }
  }
  for (const auto& [uid, granted] : limits_.grants().pods()) {
    if (pods_.contains(uid)) continue;
    for (const auto& [device, grant] : granted.devices) {
      AddWall(walls, {.pod = granted.name,
                      .pod_uid = uid,
                      .device = device,
                      .limit_bytes = grant.limit_bytes});
    }
  }
  return walls;
}

}  // namespace tranche::node::walls
