#include "cli/node/demo_walls.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/file.h"
#include "base/json_read.h"
#include "cdi/shim.h"
#include "cli/node/demo_runtime.h"
#include "cli/top/asker.h"
#include "cli/top/figures.h"
#include "sim/node/files.h"
#include "sim/stage/pod_names.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr char kLine[] = "tranche: {memory: {mode: enforce, max: 50%}}";
constexpr char kAnnotation[] = "tranche.dev/gpu-memory";
constexpr char kNode[] = "demo";
constexpr char kListen[] = "127.0.0.1:9436";
constexpr char kGreedy[] = "greedy";
constexpr char kVictim[] = "victim";
constexpr char kRefusal[] = "CUDA_ERROR_OUT_OF_MEMORY";
constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;
constexpr std::size_t kBar = 40;
constexpr std::size_t kMaxText = 1U << 20U;

double InGib(std::int64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(kGiB); }

// As a quantity of Kubernetes, of which only whole MiB count.
std::string Quantity(std::int64_t bytes) {
  return bytes % kGiB == 0 ? fmt::format("{}Gi", bytes / kGiB) : fmt::format("{}Mi", bytes / kMiB);
}

}  // namespace

WallsChapter::WallsChapter(tranche::sim::Stage& stage, const std::string& resource,
                           const std::string& uuid, Teller teller)
    : stage_(stage),
      driver_(stage),
      gpu_(stage, resource, uuid),
      groups_(stage),
      teller_(std::move(teller)) {}

WallsChapter::~WallsChapter() {
  // Best effort: what is told next does without the line.
  [[maybe_unused]] Status status = gpu_.EndAll();
  if (node_ != 0) stage_.StopProgram(node_, SIGTERM);
  status = teller_.put_in_force(teller_.profile_with(""));
}

Status WallsChapter::Show() {
  TRANCHE_TRY(gpu_.MakeRoom());
  TRANCHE_TRY(groups_.Make());
  TRANCHE_TRY(AskForWalls());
  TRANCHE_TRY(MeetTheWall());
  TRANCHE_TRY(LeaveTheNeighbour());
  TRANCHE_TRY(RaiseTheLimit());
  return Judge();
}

std::string WallsChapter::WhyNot() {
#ifdef __x86_64__
  return PodGroups::WhyNot();
#else
  return "the library of memory walls is for x86-64 alone";
#endif
}

Status WallsChapter::AskForWalls() {
  teller_.say(std::string("+ ") + kLine);
  const std::string profile = teller_.profile_with(std::string(kLine) + "\n");
  // The agent looks for what is published once it is asked for walls, and then every few seconds
  // only: so `tranche node` comes first.
  TRANCHE_TRY(StartNode(profile));
  if (!NodeSays([](const Json& node) {
        return base::TextAt(node, "walls") == "standing" &&
               base::TextAt(node, "shim") == "published";
      })) {
    return NotAsTold("the walls of tranche node do not stand");
  }
  TRANCHE_TRY(teller_.put_in_force(profile));
  const auto said_by_agent = [] {
    const auto text = base::ReadFile("/run/tranche/status.json", kMaxText);
    const auto status = text.ok() ? Json::Parse(*text) : Result<Json>(text.status());
    return status.ok() ? base::TextAt(*status, "walls") : status.status().message();
  };
  if (stage_.Until([&] { return said_by_agent() == "installed"; })) return Status::Ok();
  return NotAsTold("the agent says of walls: " + said_by_agent());
}

Status WallsChapter::StartNode(const std::string& profile) {
  auto names = tranche::sim::PodNames::Start(stage_.loop(), kNode);
  if (!names.ok()) return names.status();
  names_ = std::move(*names);
  const std::string kubeconfig = base::JoinPath(stage_.directory(), "kubeconfig");
  TRANCHE_TRY(base::WriteFileAtomic(kubeconfig, names_->Kubeconfig()));
  const std::string config = base::JoinPath(stage_.directory(), "walls.yaml");
  TRANCHE_TRY(base::WriteFileAtomic(config, profile));
  const auto started = stage_.StartProgram(
      {.path = "/proc/self/exe",
       .arguments = {"tranche", "node", std::string("--node-name=") + kNode,
                     "--kubeconfig=" + kubeconfig, "--config-file=" + config,
                     "--driver-root=" + stage_.driver_root(), std::string("--listen=") + kListen,
                     "--page-listen=", "--interval=200ms",
                     std::string("--shim-cdi-dirs=") + kDemoSpecs},
       .env = {},
       .log = "walls.log"});
  if (!started.ok()) return started.status();
  node_ = *started;
  auto asker = top::Asker::New(stage_.loop(), kListen);
  if (!asker.ok()) return asker.status();
  asker_ = std::move(*asker);
  return Status::Ok();
}

Status WallsChapter::StartPod(std::size_t number, const std::string& name,
                              const std::string& workload) {
  // Sight's chapter has the same numbers from 1 on.
  auto group = groups_.Add(100 + number);
  if (!group.ok()) return group.status().Wrap("the control group of pod " + name);
  names_->Add({.uid = group->uid, .name = name, .container_id = group->container_id});
  auto container =
      WriteContainer({.id = group->container_id,
                      .folder = base::JoinPath(stage_.directory(), "bundle-" + name),
                      .library_path = tranche::sim::LibraryDirectory(stage_.driver_root())});
  if (!container.ok()) return container.status();
  TRANCHE_TRY(gpu_.Start({.name = name,
                          .workload = workload + " --for 10m --output json",
                          .before = group->enter,
                          .through = *container,
                          .output = Output(name)}));
  const auto pod = stage_.kubelet().FindPod(name);
  if (!pod || std::ranges::count(pod->given.cdi_devices, cdi::kShimName) != 1) {
    return NotAsTold("the agent gave pod " + name + " no " + cdi::kShimName);
  }
  return Status::Ok();
}

Status WallsChapter::MeetTheWall() {
  const auto total = static_cast<std::int64_t>(gpu_.State().memory_total);
  piece_ = std::max<std::int64_t>(1, total / 80 / kMiB) * kMiB;
  TRANCHE_TRY(
      StartPod(1, kGreedy, fmt::format("greedy --piece {} --period 20ms", Quantity(piece_))));
  if (!NodeSays([this](const Json& node) {
        granted_ = base::IntAt(Wall(node), "limitBytes").value_or(0);
        return base::IntAt(Wall(node), "refusals").value_or(0) > 0 && IsFull(granted_);
      })) {
    return NotAsTold(fmt::format("pod greedy has {:.1f} GiB, its limit is {:.1f}",
                                 InGib(Held(kGreedy)), InGib(granted_)));
  }
  const auto most = driver_.MostHeld(gpu_.pods().at(kGreedy));
  if (!most.ok()) return most.status();
  most_ = *most;
  if (most_ > granted_) {
    return NotAsTold(fmt::format("pod greedy had {} bytes, its limit is {}", most_, granted_));
  }
  TRANCHE_TRY(GoesOn(kGreedy));
  Bar(kGreedy, fmt::format("{:.1f} of {:.1f} GiB, then {}; it goes on", InGib(most_),
                           InGib(granted_), kRefusal));
  return Status::Ok();
}

Status WallsChapter::LeaveTheNeighbour() {
  const auto total = static_cast<std::int64_t>(gpu_.State().memory_total);
  const std::int64_t wanted = total / 10 / piece_ * piece_;
  TRANCHE_TRY(StartPod(2, kVictim, fmt::format("steady --memory {}", Quantity(wanted))));
  if (!stage_.Until([&] { return Held(kVictim) >= wanted; })) {
    return NotAsTold(
        fmt::format("pod victim has {:.1f} GiB, not {:.1f}", InGib(Held(kVictim)), InGib(wanted)));
  }
  TRANCHE_TRY(GoesOn(kVictim));
  Bar(kVictim, fmt::format("asked for {:.1f} GiB and has them, as process {}", InGib(wanted),
                           gpu_.pods().at(kVictim)));
  return Status::Ok();
}

Status WallsChapter::RaiseTheLimit() {
  const auto total = static_cast<std::int64_t>(gpu_.State().memory_total);
  raised_ = total * 3 / 8 / piece_ * piece_;
  teller_.say(
      fmt::format("$ kubectl annotate pod greedy {}={}   # while it runs; here the API "
                  "server is a stand-in",
                  kAnnotation, Quantity(raised_)));
  TRANCHE_TRY(names_->Annotate(kGreedy, kAnnotation, Quantity(raised_)));
  const auto more = [&](const Json& node) {
    const auto limit = base::IntAt(Wall(node), "limitBytes");
    return limit == raised_ && IsFull(raised_);
  };
  if (!NodeSays(more)) {
    return NotAsTold(fmt::format("pod greedy has {:.1f} GiB, after its limit was raised to {:.1f}",
                                 InGib(Held(kGreedy)), InGib(raised_)));
  }
  TRANCHE_TRY(GoesOn(kGreedy));
  Bar(kGreedy, fmt::format("{:.1f} of {:.1f} GiB, and it is still process {}", InGib(Held(kGreedy)),
                           InGib(raised_), gpu_.pods().at(kGreedy)));
  return GoesOn(kVictim);
}

// The driver's log says what each had and was refused; the programs, how they fared.
Status WallsChapter::Judge() {
  const auto most = driver_.MostHeld(gpu_.pods().at(kGreedy));
  if (!most.ok()) return most.status();
  if (*most > raised_) {
    return NotAsTold(fmt::format("pod greedy had {} bytes, its limit is {}", *most, raised_));
  }
  const auto refused = driver_.Refusals(gpu_.pods().at(kVictim));
  if (!refused.ok()) return refused.status();
  const auto greedy = EndAndRead(kGreedy);
  const auto victim = EndAndRead(kVictim);
  if (!greedy.ok()) return greedy.status();
  if (!victim.ok()) return victim.status();
  const std::int64_t errors = base::IntAt(*greedy, {"total", "errors", kRefusal}).value_or(0);
  if (errors <= 0 || base::MembersAt(*greedy, {"total", "errors"}).size() != 1) {
    return NotAsTold("pod greedy says of its errors: " + greedy->Dump());
  }
  if (*refused != 0 || !base::MembersAt(*victim, {"total", "errors"}).empty()) {
    return NotAsTold("pod victim was refused something: " + victim->Dump());
  }
  teller_.say(
      fmt::format("By the driver's log greedy never had more than {} of {} bytes, and then "
                  "{} of {}; victim was refused nothing.",
                  most_, granted_, *most, raised_));
  return Status::Ok();
}

bool WallsChapter::NodeSays(const std::function<bool(const Json&)>& condition) {
  return stage_.Until([&] {
    // An answer may come after this function's end.
    asker_->Ask([this](const Result<Json>& answer) {
      if (answer.ok()) said_ = *answer;
    });
    return condition(said_);
  });
}

const Json& WallsChapter::Wall(const Json& node) const {
  static const Json none;
  for (const Json& wall : base::ItemsAt(node, "memoryWalls")) {
    if (base::TextAt(wall, "pod") == kGreedy && base::TextAt(wall, "device") == gpu_.uuid()) {
      return wall;
    }
  }
  return none;
}

std::int64_t WallsChapter::Held(const std::string& name) const {
  const auto pod = gpu_.pods().find(name);
  if (pod == gpu_.pods().end()) return 0;
  const tranche::sim::GpuState gpu = gpu_.State();
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    if (gpu.processes[i].pid == static_cast<std::uint32_t>(pod->second)) {
      return static_cast<std::int64_t>(gpu.processes[i].memory_bytes);
    }
  }
  return 0;
}

// Another piece would be too much. (The wall may keep 2 MiB for what the driver rounds up.)
bool WallsChapter::IsFull(std::int64_t limit) const {
  return limit > 0 && Held(kGreedy) > limit - piece_ - 2 * kMiB;
}

Status WallsChapter::GoesOn(const std::string& name) {
  const auto computed = [&] {
    const auto all = driver_.Computed(gpu_.pods());
    return all.ok() && all->contains(name) ? all->at(name) : 0;
  };
  const double before = computed();
  if (stage_.Until([&] { return computed() > before; })) return Status::Ok();
  return NotAsTold("pod " + name + " does not compute");
}

std::string WallsChapter::Output(const std::string& name) const {
  return base::JoinPath(stage_.directory(), name + ".json");
}

Result<Json> WallsChapter::EndAndRead(const std::string& name) {
  kill(gpu_.pods().at(name), SIGTERM);
  const auto ended = [&] {
    const auto pod = stage_.kubelet().FindPod(name);
    return pod && pod->ended();
  };
  if (!stage_.Until(ended)) return NotAsTold("pod " + name + " does not end");
  const auto text = base::ReadFile(Output(name), kMaxText);
  return text.ok() ? Json::Parse(*text) : Result<Json>(text.status());
}

void WallsChapter::Bar(const std::string& name, const std::string& text) const {
  teller_.say(fmt::format("{:<7} {} {}", name,
                          top::BarOf(static_cast<double>(Held(name)),
                                     static_cast<double>(gpu_.State().memory_total), kBar),
                          text));
}

}  // namespace tranche::cli::node
