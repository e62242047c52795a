#include "cli/node/demo_harm.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <map>
#include <sstream>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/node/demo_gpu.h"
#include "cli/top/figures.h"
#include "sim/driver/serve.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr double kGiB = 1 << 30;
// Of the time that four processes and one get together, the four get this part, give or take.
constexpr double kFourFifths = 0.8;
constexpr double kTolerance = 0.04;
constexpr std::size_t kBar = 40;
constexpr std::size_t kMaxLog = 256U << 20U;

class Harm {
 public:
  Harm(tranche::sim::Stage& stage, const std::string& resource, const std::string& uuid,
       const std::function<void(const std::string&)>& say)
      : stage_(stage), gpu_(stage, resource, uuid), say_(say) {}

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

  // The driver's accounts of this moment.
  Result<Json> Accounts();
  // What the processes of each pod have computed, in nanoseconds of the driver's time.
  Result<std::map<std::string, double>> Computed();
  // The last refusal of the driver's log.
  Result<Json> LastRefusal();

  tranche::sim::Stage& stage_;
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
  TRANCHE_TRY(gpu_.Start("hog", fmt::format("hold --memory {}Gi --piece 1Gi --for 10m", taken)));
  const pid_t hog = gpu_.pods().at("hog");
  if (!stage_.Until([&] { return static_cast<double>(Held(hog)) >= taken * kGiB; })) {
    return NotAsTold(fmt::format("pod hog holds {:.1f} GiB, not {}",
                                 static_cast<double>(Held(hog)) / kGiB, taken));
  }
  const double held = static_cast<double>(Held(hog)) / kGiB;
  say_(fmt::format("hog     {} {:4.1f} of {:.1f} GiB, its context included",
                   top::BarOf(held, total, kBar), held, total));

  TRANCHE_TRY(gpu_.Start("victim", fmt::format("steady --memory {}Gi --for 10m", wanted)));
  const auto ended = [&] {
    const auto pod = stage_.kubelet().FindPod("victim");
    return pod && pod->phase == tranche::sim::PodPhase::kFailed;
  };
  if (!stage_.Until(ended)) return NotAsTold("pod victim was given its memory");
  auto refusal = LastRefusal();
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
  TRANCHE_TRY(gpu_.Start("four", "processes --processes 4 --for 10m"));
  TRANCHE_TRY(gpu_.Start("one", "steady --for 10m"));
  const auto all_compute = [&] {
    const auto computed = Computed();
    return computed.ok() && computed->contains("four") && computed->contains("one");
  };
  if (!stage_.Until(all_compute)) return NotAsTold("the driver's accounts lack one of the pods");
  const auto before = Computed();
  if (!before.ok()) return before.status();
  const base::TimePoint until = stage_.loop().Now() + kLook;
  stage_.Until([&] { return stage_.loop().Now() >= until; });
  const auto after = Computed();
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

Result<Json> Harm::Accounts() {
  const std::string path = base::JoinPath(stage_.driver_root(), tranche::sim::driver::kStatusFile);
  const auto driver = static_cast<pid_t>(stage_.node()->Read().header.driver_pid);
  if (driver <= 0) return NotAsTold("no driver serves the simulated node");
  unlink(path.c_str());
  kill(driver, SIGUSR1);  // it writes its accounts at once
  if (!stage_.Until([&] { return base::Exists(path); })) {
    return NotAsTold("the driver does not give its accounts");
  }
  auto text = base::ReadFile(path, kMaxLog);
  return text.ok() ? Json::Parse(*text) : Result<Json>(text.status());
}

Result<std::map<std::string, double>> Harm::Computed() {
  auto accounts = Accounts();
  if (!accounts.ok()) return accounts.status();
  std::map<std::string, double> computed;
  const Json* processes = accounts->Find("processes");
  if (processes == nullptr || !processes->is_array())
    return NotAsTold("accounts without processes");
  for (const Json& process : processes->as_array()) {
    const Json* pid = process.Find("pid");
    const Json* time = process.Find("computed_ns");
    if (pid == nullptr || time == nullptr || time->as_double() <= 0) continue;
    for (const auto& [name, leader] : gpu_.pods()) {
      if (getsid(static_cast<pid_t>(pid->as_int())) == leader) computed[name] += time->as_double();
    }
  }
  return computed;
}

Result<Json> Harm::LastRefusal() {
  if (const auto accounts = Accounts(); !accounts.ok()) return accounts.status();  // and flush
  auto text =
      base::ReadFile(base::JoinPath(stage_.driver_root(), tranche::sim::driver::kLogFile), kMaxLog);
  if (!text.ok()) return text.status();
  Json last;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(R"("what":"refused")") == std::string::npos) continue;
    auto parsed = Json::Parse(line);
    if (!parsed.ok()) return parsed.status();
    last = std::move(*parsed);
  }
  if (last.is_null()) return NotAsTold("the driver's log has no refusal of memory");
  return last;
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
