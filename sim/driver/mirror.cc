#include "sim/driver/mirror.h"

#include <algorithm>
#include <ctime>
#include <set>
#include <utility>

#include "base/file.h"
#include "sim/node/processes.h"

namespace tranche::sim::driver {
namespace {

constexpr std::uint64_t kShownAfterNs = 10'000'000;
constexpr std::uint64_t kTryAgainNs = 1'000'000;
constexpr std::size_t kMaxHeldSamples = 4096;

std::uint64_t RealtimeUs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

// Rounded down: what processes that take turns have together is never more than the whole.
std::uint32_t Percent(Time part, Time whole) {
  return static_cast<std::uint32_t>(
      std::clamp<Time>(part * 100 / std::max<Time>(whole, 1), 0, 100));
}

// What CLOCK_REALTIME read when the driver's clock read `time`.
std::uint64_t RealtimeOf(Time time, const DriverClock& clock) {
  const auto ago_ns = static_cast<std::int64_t>(MonotonicNs() - clock.MonotonicOf(time));
  return RealtimeUs() - static_cast<std::uint64_t>(ago_ns / 1000);
}

// Takes away what a driver has put into the state.
void RemoveAll(NodeState& state) {
  for (unsigned slot = 0; slot < kMaxGpus; ++slot) {
    GpuState& gpu = state.gpus[slot];
    std::set<std::uint32_t> pids;
    for (unsigned i = 0; i < std::min(gpu.process_count, kMaxProcesses); ++i) {
      if (gpu.processes[i].by_driver != 0) pids.insert(gpu.processes[i].pid);
    }
    for (const std::uint32_t pid : pids) EndProcess(state, slot, pid, RealtimeUs());
  }
}

}  // namespace

base::Status Mirror::Begin(std::uint32_t pid, std::uint32_t time_scale) {
  return state_.Edit([&](NodeState& state) {
    RemoveAll(state);
    state.header.driver_pid = pid;
    state.header.driver_died = 0;
    state.header.time_scale = time_scale;
    return base::Status::Ok();
  });
}

void Mirror::End() {
  // Nobody else can do it later, so this waits for whoever writes.
  const base::Status ended = state_.Edit([](NodeState& state) {
    RemoveAll(state);
    state.header.driver_pid = 0;
    state.header.driver_died = 0;
    state.header.time_scale = 0;
    return base::Status::Ok();
  });
  shown_.clear();
  static_cast<void>(ended);  // a state that cannot be locked any more has gone
}

base::Status ShowDeath(StateWriter& writer, std::uint32_t pid) {
  return writer.Edit([pid](NodeState& state) {
    if (state.header.driver_pid != pid) return base::Status::Ok();
    RemoveAll(state);
    state.header.driver_pid = 0;
    state.header.driver_died = 1;
    state.header.time_scale = 0;
    return base::Status::Ok();
  });
}

std::map<Mirror::Place, Mirror::Shown> Mirror::Collect(pid_t of) const {
  std::map<Place, Shown> all;
  for (const auto& [id, client] : machine_.clients()) {
    if (client->pid() <= 0 || (of != kAll && client->pid() != of)) continue;
    const auto pid = static_cast<std::uint32_t>(client->pid());
    std::map<const Device*, Place> first;  // where memory without a context is shown
    std::set<Place> places;
    for (const auto& context : client->contexts()) {
      if (context == nullptr || !context->device->usable) continue;
      const Device& device = *context->device;
      const Place place(device.slot, device.gpu_instance, context->compute_instance, pid);
      first.emplace(&device, place);
      places.insert(place);
      all[place].memory += device.memory->Of(context->owner).taken;
    }
    for (const auto& [device, place] : first) {
      all[place].memory += client->TakenWithoutContext(*device);
    }
    for (const ContextAccount& account : client->account().contexts) {
      const Place place(account.slot, account.gpu_instance, account.compute_instance, pid);
      if (places.contains(place)) {
        all[place].busy_us += static_cast<std::uint64_t>(account.usage.computed / 1000);
      }
    }
  }
  for (auto& [place, shown] : all) {
    const auto percents = percents_.find(place);
    if (percents == percents_.end()) continue;
    shown.sm_percent = percents->second.first;
    shown.memory_percent = percents->second.second;
  }
  return all;
}

void Mirror::Sample(Time since, Time until, const DriverClock& clock) {
  percents_.clear();
  std::map<std::pair<unsigned, std::uint32_t>, std::pair<Time, Time>> busy;  // slot, pid
  std::map<Place, std::pair<Time, Time>> at_place;
  for (const Sampled& sampled : machine_.TakeSampled()) {
    auto& sum = busy[{sampled.slot, sampled.pid}];
    sum.first += sampled.computed;
    sum.second += sampled.copied;
    auto& there =
        at_place[{sampled.slot, sampled.gpu_instance, sampled.compute_instance, sampled.pid}];
    there.first += sampled.computed;
    there.second += sampled.copied;
  }
  for (const auto& [place, times] : at_place) {
    percents_[place] = {Percent(times.first, until - since), Percent(times.second, until - since)};
  }
  std::vector<std::pair<unsigned, SampleState>> samples;
  for (const auto& [who, times] : busy) {
    if (who.second == 0) continue;
    samples.push_back({who.first,
                       {.pid = who.second,
                        .sm_percent = Percent(times.first, until - since),
                        .memory_percent = Percent(times.second, until - since)}});
  }
  HoldSamples(samples, since, until, clock);
  dirty_ = true;
}

void Mirror::HoldSamples(const std::vector<std::pair<unsigned, SampleState>>& samples, Time since,
                         Time until, const DriverClock& clock) {
  constexpr Time kPeriod = kSamplePeriodNs;
  constexpr Time kMostPeriods = 60;  // ten seconds
  const Time last = until / kPeriod;
  for (Time period = std::max(since / kPeriod, last - kMostPeriods) + 1; period <= last; ++period) {
    const std::uint64_t end_us = RealtimeOf(period * kPeriod, clock);
    for (auto [slot, sample] : samples) {
      if (samples_.size() >= kMaxHeldSamples) return;
      sample.time_us = end_us;
      samples_.emplace_back(slot, sample);
    }
  }
}

void Mirror::NoteChanges() {
  if (std::exchange(seen_arrivals_, machine_.arrivals()) != machine_.arrivals()) {
    dirty_ = urgent_ = true;
  }
  if (std::exchange(seen_changes_, machine_.changes()) != machine_.changes()) dirty_ = true;
}

void Mirror::Turn(std::uint64_t now_ns) {
  NoteChanges();
  const auto due = Due();
  if (!due || now_ns < *due) return;
  std::map<Place, Shown> now = Collect(kAll);
  if (!state_.TryChange([&](NodeState& state) { Write(state, now); })) {
    tried_ns_ = now_ns;
    return;
  }
  shown_ = std::move(now);
  samples_.clear();
  written_ns_ = now_ns;
  dirty_ = urgent_ = false;
}

// Others' places are left as they are, or each allocation would cost as much as all programs have.
// A place that is new or gone is shown with all the rest.
void Mirror::Show(pid_t pid, std::uint64_t now_ns) {
  NoteChanges();
  if (urgent_) return Turn(now_ns);
  std::vector<std::pair<Place, Shown>> changed;
  for (const auto& [place, now] : Collect(pid)) {
    const auto at = shown_.find(place);
    if (at == shown_.end() || at->second.memory == now.memory) continue;
    changed.emplace_back(place, at->second);
    changed.back().second.memory = now.memory;
  }
  if (changed.empty()) return;
  const bool written = state_.TryChange([&](NodeState& state) {
    const std::uint64_t now_us = RealtimeUs();
    for (const auto& [place, shown] : changed) Put(state, place, shown, now_us);
  });
  if (!written) return;  // the next turn will
  for (const auto& [place, shown] : changed) shown_[place] = shown;
}

std::optional<std::uint64_t> Mirror::Due() const {
  if (!dirty_) return std::nullopt;
  return std::max(urgent_ ? 0 : written_ns_ + kShownAfterNs, tried_ns_ + kTryAgainNs);
}

void Mirror::Write(NodeState& state, const std::map<Place, Shown>& now) {
  const std::uint64_t now_us = RealtimeUs();
  for (const auto& [slot, sample] : samples_) AddSample(state, slot, sample);
  // EndProcess takes away all entries of a process on a GPU: those that stay are put back below.
  for (const auto& [place, shown] : shown_) {
    if (!now.contains(place)) EndProcess(state, std::get<0>(place), std::get<3>(place), now_us);
  }
  for (const auto& [place, shown] : now) Put(state, place, shown, now_us);
}

void Mirror::Put(NodeState& state, const Place& place, const Shown& shown, std::uint64_t now_us) {
  const auto& [slot, gpu_instance, compute_instance, pid] = place;
  if (slot >= kMaxGpus) return;
  PutProcess(state.gpus[slot],
             {.pid = pid,
              .kind = ProcessKind::kCompute,
              .memory_bytes = shown.memory,
              .gpu_instance = gpu_instance,
              .compute_instance = compute_instance,
              .sm_percent = shown.sm_percent,
              .memory_percent = shown.memory_percent,
              .by_driver = 1,
              .busy_us = shown.busy_us},
             now_us);
}

}  // namespace tranche::sim::driver
