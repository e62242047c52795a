#include "plan/as_advertised.h"

#include <algorithm>
#include <vector>

namespace tranche::plan {

namespace {

class Judge {
 public:
  Judge(const config::Config& config, const gpu::Inventory& now)
      : by_index_(config.flags.plugin.device_id_strategy == config::DeviceIdStrategy::kIndex),
        uncut_(config.flags.mig_strategy == config::MigStrategy::kNone),
        now_(now) {}

  // "": it is what it was planned as.
  [[nodiscard]] std::string WhyUnfit(const PlannedDevice& planned) const {
    return planned.parent.empty() ? OfGpu(planned) : OfMig(planned);
  }

 private:
  [[nodiscard]] std::string OfGpu(const PlannedDevice& planned) const {
    const auto gpu = std::ranges::find(now_.gpus, planned.uuid, &gpu::Gpu::uuid);
    if (gpu == now_.gpus.end()) return Gone(planned.uuid);
    if (gpu->mig_enabled && !uncut_) return "it is cut by MIG now, and was advertised whole";
    return Compare(planned, std::to_string(gpu->index), gpu->device_paths);
  }

  [[nodiscard]] std::string OfMig(const PlannedDevice& planned) const {
    const auto gpu = std::ranges::find(now_.gpus, planned.parent, &gpu::Gpu::uuid);
    if (gpu == now_.gpus.end()) return Gone(planned.parent);
    const std::string index = std::to_string(gpu->index);
    if (!gpu->mig_enabled) return "GPU " + index + " is not cut by MIG any more";
    const auto mig = std::ranges::find(gpu->mig_devices, planned.uuid, &gpu::MigDevice::uuid);
    if (mig == gpu->mig_devices.end()) {
      const std::string why = Broken(planned.uuid);
      return why.empty() ? "GPU " + index + " is cut by MIG in another way now" : why;
    }
    if (mig->profile != planned.profile) {
      return "it is a " + mig->profile + " now, and was advertised as a " + planned.profile;
    }
    return Compare(planned, index + ":" + std::to_string(mig->index), mig->device_paths);
  }

  // What an answer would be made from.
  [[nodiscard]] std::string Compare(const PlannedDevice& planned, const std::string& index,
                                    const std::vector<std::string>& paths) const {
    if (by_index_ && planned.index != index) {
      return "its index is " + index + " now, and was " + planned.index;
    }
    return planned.paths == paths ? "" : "it has other device nodes now";
  }

  [[nodiscard]] std::string Gone(const std::string& gpu) const {
    const std::string why = Broken(gpu);
    return why.empty() ? "the driver does not list it any more" : why;
  }

  [[nodiscard]] std::string Broken(const std::string& uuid) const {
    const auto broken = std::ranges::find(now_.broken, uuid, &gpu::BrokenGpu::uuid);
    return broken == now_.broken.end() ? "" : "the driver fails to describe it: " + broken->error;
  }

  const bool by_index_;
  const bool uncut_;  // a GPU that is cut is served whole
  const gpu::Inventory& now_;
};

}  // namespace

Unfit NoLongerAsAdvertised(const config::Config& config, const Plan& plan,
                           const gpu::Inventory& now) {
  const Judge judge(config, now);
  Unfit unfit;
  for (const auto& [uuid, planned] : plan.devices) {
    if (planned.resource.empty()) continue;
    if (std::string why = judge.WhyUnfit(planned); !why.empty()) unfit[uuid] = std::move(why);
  }
  return unfit;
}

gpu::Inventory OnlyServed(const Plan& plan, const Unfit& unfit, gpu::Inventory now) {
  const auto served = [&](const std::string& uuid) {
    return plan.devices.contains(uuid) && !unfit.contains(uuid);
  };
  std::erase_if(now.gpus, [&](gpu::Gpu& gpu) {
    std::erase_if(gpu.mig_devices, [&](const gpu::MigDevice& mig) { return !served(mig.uuid); });
    return gpu.mig_devices.empty() && !served(gpu.uuid);
  });
  return now;
}

}  // namespace tranche::plan
