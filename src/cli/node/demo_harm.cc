#include "cli/node/demo_harm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/json.h"
#include "cli/node/demo_driver.h"
#include "cli/node/demo_gpu.h"
#include "cli/top/figures.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using base::Status;

constexpr double kGiB = 1 << 30;
// Of the time that four processes and one get together, the four get this part, give or take.
constexpr double kFourFifths = 0.8;
constexpr double kTolerance = 0.04;
constexpr std::size_t kBar = 40;

class Harm {
 public:
  Harm(tranche::sim::Stage& stage, const std::string& resource, const std::string& uuid,
       const std::function<void(const std::string&)>& say)
      : stage_(stage), driver_(stage), gpu_(stage, resource, uuid), say_(say) {}

  Status Show() {
    TRANCHE_TRY(gpu_.MakeRoom());
    TRANCHE_TRY(ShowMemory());
    TRANCHE_TRY(ShowTime());
    return gpu_.EndAll();
  }

 private:
  Status ShowMemory();
  Status ShowTime();

  [[nodiscard]] std::uint64_t Held(pid_t pid) const;

  tranche::sim::Stage& stage_;
  DemoDriver driver_;
  DemoGpu gpu_;
  const std::function<void(const std::string&)>& say_;
};

std::uint64_t Harm::Held(pid_t pid) const {
  const tranche::sim::GpuState gpu = gpu_.State();
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    if (gpu.processes[i].pid == static_cast<std::uint32_t>(pid)) {
      return gpu.processes[i].memory_bytes;
    }
  }
  return 0;
}

Status Harm::ShowMemory() {
  const double total = static_cast<double>(gpu_.State().memory_total) / kGiB;
  const auto taken = static_cast<int>(total * 0.95);  // 76 of 80
  const int wanted = std::max(1, static_cast<int>(total * 0.1));
  say_(fmt::format("One takes {} GiB of memory; what the other asks for next is refused:", taken));
  TRANCHE_TRY(gpu_.Start(
      {.name = "hog", .workload = fmt::format("hold --memory {}Gi --piece 1Gi --for 10m", taken)}));
  const pid_t hog = gpu_.pods().at("hog");
  if (!stage_.Until([&] { return static_cast<double>(Held(hog)) >= taken * kGiB; })) {
    return NotAsTold(fmt::format("pod hog holds {:.1f} GiB, not {}",
                                 static_cast<double>(Held(hog)) / kGiB, taken));
  }
  const double held = static_cast<double>(Held(hog)) / kGiB;
  say_(fmt::format("hog     {} {:4.1f} of {:.1f} GiB, its context included",
                   top::BarOf(held, total, kBar), held, total));

  TRANCHE_TRY(gpu_.Start(
      {.name = "victim", .workload = fmt::format("steady --memory {}Gi --for 10m", wanted)}));
  const auto ended = [&] {
    const auto pod = stage_.kubelet().FindPod("victim");
    return pod && pod->phase == tranche::sim::PodPhase::kFailed;
  };
  if (!stage_.Until(ended)) return NotAsTold("pod victim was given its memory");
  const auto refusal = driver_.LastRefusal();
  if (!refusal.ok()) return refusal.status();
  const auto in_gib = [&](const char* field) {
    const Json* value = refusal->Find(field);
    return value == nullptr ? 0 : value->as_double() / kGiB;
  };
  say_(fmt::format("victim  {} asked for {:.1f} GiB, {:.1f} were free: CUDA_ERROR_OUT_OF_MEMORY",
                   top::BarOf(0, total, kBar), in_gib("asked_bytes"), in_gib("free_bytes")));
  if (in_gib("asked_bytes") < wanted) return NotAsTold("it was something else that was refused");
  return gpu_.EndAll();
}

Status Harm::ShowTime() {
  constexpr base::Duration kLook = std::chrono::seconds(2);
  say_("Time is given to processes, not to pods:");
  TRANCHE_TRY(gpu_.Start({.name = "four", .workload = "processes --processes 4 --for 10m"}));
  TRANCHE_TRY(gpu_.Start({.name = "one", .workload = "steady --for 10m"}));
  const auto all_compute = [&] {
    const auto computed = driver_.Computed(gpu_.pods());
    return computed.ok() && computed->contains("four") && computed->contains("one");
  };
  if (!stage_.Until(all_compute)) return NotAsTold("the driver's accounts lack one of the pods");
  const auto before = driver_.Computed(gpu_.pods());
  if (!before.ok()) return before.status();
  const base::TimePoint until = stage_.loop().Now() + kLook;
  stage_.Until([&] { return stage_.loop().Now() >= until; });
  const auto after = driver_.Computed(gpu_.pods());
  if (!after.ok()) return after.status();

  std::map<std::string, double> got;
  double sum = 0;
  for (const auto& [name, pid] : gpu_.pods()) {
    got[name] = after->at(name) - before->at(name);
    sum += got[name];
  }
  if (sum <= 0) return NotAsTold("neither of the pods computed");
  for (const auto& [name, about] : std::vector<std::pair<std::string, std::string>>{
           {"four", "4 processes"}, {"one", "1 process"}}) {
    say_(fmt::format("{:<7} {} {:4.1f} % of the time that both got, {}", name,
                     top::BarOf(got[name], sum, kBar), 100 * got[name] / sum, about));
  }
  const double part = got["four"] / sum;
  if (std::abs(part - kFourFifths) > kTolerance) {
    return NotAsTold(
        fmt::format("the pod with four processes got {:.1f} %, not four fifths", 100 * part));
  }
  return gpu_.EndAll();
}

}  // namespace

Status ShowHarm(tranche::sim::Stage& stage, const std::string& resource,
                const gpu::Inventory& inventory,
                const std::function<void(const std::string&)>& say) {
  for (const gpu::Gpu& gpu : inventory.gpus) {
    if (!gpu.mig_enabled) return Harm(stage, resource, gpu.uuid, say).Show();
  }
  say("left out: each of these GPUs is cut by MIG, and what is shown needs a whole one");
  return Status::Ok();
}

}  // namespace tranche::cli::node
