// GpuWatch as plain values, for reports.
#include <algorithm>
#include <utility>

#include "gpu/gpu_watch.h"

namespace tranche::gpu {

DriverState GpuWatch::Driver() const {
  DriverState state;
  state.ready = ready();
  state.version = listed_.driver_version;
  if (listed_.cuda_major > 0) {
    state.cuda_version =
        std::to_string(listed_.cuda_major) + "." + std::to_string(listed_.cuda_minor);
  }
  state.error = known_ ? status_.message() : "not asked yet";
  if (ready() && inventory_.gpus.empty()) {
    state.error = listed_.broken.empty() ? "it lists no GPU" : "none of its GPUs can be used";
  }
  for (const Unread& unread : listed_.unread) {
    if (unread.uuid.empty()) state.warnings.push_back(unread.error);
  }
  if (!failures_.wait.empty()) {
    state.warnings.push_back("waiting for GPU events fails: " + failures_.wait);
  }
  if (driver_ == nullptr) return state;
  if (const auto stuck = driver_->StuckCall()) {
    state.stuck_call = stuck->call;
    state.stuck_seconds = std::chrono::duration<double>(stuck->age).count();
  }
  return state;
}

GpuState GpuWatch::Describe(const std::string& uuid, std::string index) const {
  GpuState state;
  state.uuid = uuid;
  state.index = std::move(index);
  for (const Unread& unread : listed_.unread) {
    if (unread.uuid == uuid) state.warnings.push_back(unread.error);
  }
  for (const GpuDriver::Unwatched& unwatched : failures_.unwatched) {
    // An old GPU has no events, and nothing is wrong with it.
    if (unwatched.uuid != uuid || unwatched.why.code() == base::Code::kUnimplemented) continue;
    state.warnings.push_back("its XIDs are not heard of, it is only asked at each look: " +
                             unwatched.why.message());
  }
  const HealthState* health = health_.Find(uuid);
  if (health == nullptr) return state;
  state.healthy = false;
  state.lost = health->lost;
  state.reason = health->reason;
  if (health->healthy_at != HealthTracker::Time::max()) {
    const std::chrono::duration<double> left = health->healthy_at - loop_.Now();
    state.healthy_in_seconds = std::max(0.0, left.count());
  }
  return state;
}

std::vector<GpuState> GpuWatch::Gpus() const {
  std::vector<GpuState> states;
  for (const Gpu& gpu : inventory_.gpus) {
    const std::string index = std::to_string(gpu.index);
    GpuState state = Describe(gpu.uuid, index);
    state.name = gpu.name;
    state.memory_bytes = gpu.memory_bytes;
    states.push_back(std::move(state));
    for (const MigDevice& mig : gpu.mig_devices) {
      state = Describe(mig.uuid, index + ":" + std::to_string(mig.index));
      state.name = mig.profile;
      state.memory_bytes = mig.memory_bytes;
      states.push_back(std::move(state));
    }
  }
  DescribeBroken(states);
  return states;
}

void GpuWatch::DescribeBroken(std::vector<GpuState>& states) const {
  for (const BrokenGpu& broken : listed_.broken) {
    // A GPU that is remembered from when it could still be read is there already, as lost. One that
    // is listed twice is there once more.
    const auto has = [&](const std::vector<Gpu>& gpus) {
      return broken.uuid.empty() ? std::ranges::find(gpus, broken.index, &Gpu::index) != gpus.end()
                                 : std::ranges::find(gpus, broken.uuid, &Gpu::uuid) != gpus.end();
    };
    if (!broken.mig && has(inventory_.gpus) && !has(listed_.gpus)) continue;
    GpuState state;
    state.uuid = broken.uuid;
    state.index = std::to_string(broken.index);
    if (broken.mig) state.index += ":" + std::to_string(*broken.mig);
    state.healthy = false;
    state.error = broken.error;
    states.push_back(std::move(state));
  }
}

}  // namespace tranche::gpu
