#include "cli/node/demo.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "base/file.h"
#include "base/log.h"
#include "base/weak_runner.h"
#include "cli/common/table.h"
#include "cli/node/demo_harm.h"
#include "cli/node/demo_places.h"
#include "cli/node/demo_runtime.h"
#include "cli/node/demo_sight.h"
#include "cli/node/demo_walls.h"
#include "gpu/nvml/driver.h"
#include "sim/kubelet/control.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {

namespace {

using base::Status;

constexpr char kGpu[] = "nvidia.com/gpu";
// NVIDIA's XID catalogue: "GPU has fallen off the bus".
constexpr int kFallenOffTheBus = 79;

// A profile of so many replicas. One that shares lets no container ask for more than one of them.
std::string Profile(int replicas) {
  std::string text = "version: v1\nsharing:\n  timeSlicing:\n";
  if (replicas > 1) text += "    renameByDefault: false\n    failRequestsGreaterThanOne: true\n";
  return text +
         "    resources:\n    - name: nvidia.com/gpu\n      replicas: " + std::to_string(replicas) +
         "\n";
}

class Demo {
 public:
  Demo(tranche::sim::Stage& stage, gpu::Inventory inventory, const DemoOptions& options)
      : stage_(stage),
        inventory_(std::move(inventory)),
        color_(options.color),
        keep_(options.keep),
        runner_(stage.loop()) {}

  // Stands for the node's label.
  // Whether `tranche node` goes on, with the pods that it shows.
  [[nodiscard]] bool ShowsUse() const { return use_ != nullptr; }
  [[nodiscard]] std::string ProfileFile() const {
    return base::JoinPath(stage_.directory(), "profile");
  }

  // Lets `tranche sim pod …` and the like drive the kubelet; its socket.
  base::Result<std::string> TakeCommands() {
    const std::string path = base::JoinPath(stage_.directory(), "kubelet-control.sock");
    auto control = tranche::sim::ControlServer::Start(stage_.loop(), path);
    if (!control.ok()) return control.status();
    control_ = std::move(*control);
    control_->SetKubelet(stage_.kubelet());
    return path;
  }

  // Each chapter says what it does, does it, and stops the story where it is not as told.
  bool RunStory(const std::string& node) {
    return Opening(node) && Advertise() && StartPods() && ChangeProfiles() && AskForTwo() &&
           BreakGpu() && HarmEachOther() && BuildWalls() && ShowUse();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void Title(const std::string& text) {
    fmt::print("\n{}\n", cli::common::Tinted(fmt::format("{}. {}", ++chapter_, text),
                                             cli::common::Tint::kBold, color_));
    std::fflush(stdout);
  }
  void Say(const std::string& text) {
    fmt::print("   {}\n", text);
    std::fflush(stdout);
  }
  bool Fail(const std::string& text) {
    Say(cli::common::Tinted("NOT AS TOLD: " + text, cli::common::Tint::kBad, color_));
    for (const std::string& line : stage_.LogTail("agent.log", 8))
      Say("agent: " + base::Printable(line, 300));
    return false;
  }
  static std::string Milliseconds(Clock::duration elapsed) {
    return fmt::format("{:.1f} ms", std::chrono::duration<double, std::milli>(elapsed).count());
  }
  [[nodiscard]] int Gpus() const { return static_cast<int>(inventory_.gpus.size()); }

  bool Opening(const std::string& node) {
    std::map<std::string, int> models;
    for (const gpu::Gpu& gpu : inventory_.gpus) ++models[gpu.name];
    std::string what;
    for (const auto& [name, count] : models) {
      what += fmt::format("{}{} x {}", what.empty() ? "" : ", ", count, base::Printable(name, 80));
    }
    fmt::print("{}\n",
               cli::common::Tinted(stage_.node() == nullptr
                                       ? fmt::format("Sharing this machine's GPUs: {}", what)
                                       : fmt::format("Sharing the GPUs of a simulated node, {}: {}",
                                                     node, what.empty() ? "none" : what),
                                   cli::common::Tint::kBold, color_));
    Say(stage_.node() == nullptr ? "The kubelet is a small one of ours; driver and GPUs are real."
                                 : "The driver library and the kubelet are ours; the agent is the "
                                   "one that runs on a node.");
    if (Gpus() == 0) return Fail("there is no GPU to share on this node");
    return true;
  }

  bool Advertise() {
    Title(
        "The profiles default (4 replicas), dev (8) and no-sharing (1); this node has none chosen");
    const auto start = Clock::now();
    if (Status written = WriteProfiles(Profile(4)); !written.ok()) return Fail(written.message());
    if (Status status = SelectProfile(""); !status.ok()) return Fail(status.message());
    // The stage outlives the demo, and tells of the pods that it ends.
    const Status kubelet =
        stage_.StartKubelet(runner_.Wrap([this](const tranche::sim::Event& event) {
          if (control_ != nullptr) control_->OnEvent(event);
        }));
    if (!kubelet.ok()) return Fail(kubelet.message());
    if (Status status = StartAgent(); !status.ok()) return Fail(status.message());
    if (!CountBecomes(4 * Gpus())) return Fail(Counted(4 * Gpus()));
    Say(fmt::format("{} physical -> {} advertised as {}, {} after the agent was started", Gpus(),
                    4 * Gpus(), kGpu, Milliseconds(Clock::now() - start)));
    return true;
  }

  Status WriteProfiles(const std::string& by_default) {
    return stage_.WriteProfiles(
        {{"default", by_default}, {"dev", Profile(8)}, {"no-sharing", Profile(1)}});
  }

  // With the paths of a node. The machine's own /etc/cdi is none of the stage's.
  Status StartAgent() {
    std::vector<std::string> arguments = {"tranche",
                                          "agent",
                                          "--listen=127.0.0.1:9435",
                                          "--profiles-dir=" + stage_.ProfilesDirectory(),
                                          "--profile-file=" + ProfileFile(),
                                          "--default-profile=default",
                                          "--driver-root-ctr-path=" + stage_.driver_root(),
                                          "--rescan-interval=1s",
                                          std::string("--shim-cdi-dirs=") + kDemoSpecs};
    auto started = stage_.StartProgram({.path = "/proc/self/exe",
                                        .arguments = std::move(arguments),
                                        .env = {},
                                        .log = "agent.log"});
    return started.status();
  }
  Status SelectProfile(const std::string& name) {
    return base::WriteFileAtomic(ProfileFile(), name);
  }
  base::Result<tranche::sim::Pod> RunPod(const std::string& name, int count) {
    tranche::sim::PodSpec spec;
    spec.name = name;
    spec.requests = {{kGpu, count}};
    return stage_.RunPod(spec);
  }

  bool CountBecomes(int count) {
    return stage_.Until([&] { return stage_.Count(kGpu).allocatable == count; });
  }
  std::string Counted(int wanted) {
    return fmt::format("the kubelet holds {} {}, not {}", stage_.Count(kGpu).allocatable, kGpu,
                       wanted);
  }

  PodsByGpu Places() { return FindPlaces(inventory_, stage_.kubelet().Pods()); }

  bool StartPods() {
    const int pods = std::min(8, 4 * Gpus());
    Title(fmt::format("{} pods, each asking for one {}", pods, kGpu));
    for (int i = 1; i <= pods; ++i) {
      const auto start = Clock::now();
      auto pod = RunPod("gpu-test-" + std::to_string(i), 1);
      if (!pod.ok()) return Fail(pod.status().message());
      if (pod->phase != tranche::sim::PodPhase::kRunning)
        return Fail(pod->spec.name + ": " + pod->message);
      const auto seen = pod->given.env.find("NVIDIA_VISIBLE_DEVICES");
      Say(fmt::format("{} Running, pid {}, sees {} ({})", pod->spec.name, pod->pid,
                      seen == pod->given.env.end() ? "nothing" : seen->second,
                      Milliseconds(Clock::now() - start)));
      pids_[pod->spec.name] = pod->pid;
      if (i == 4) {
        Say(PlacesText(inventory_, Places()));
        if (!AreEven(Places())) return Fail("four pods are not spread evenly");
      }
    }
    if (pods > 4) Say(PlacesText(inventory_, Places()));
    if (!AreEven(Places())) return Fail("the pods are not spread evenly");
    return true;
  }

  // Every pod that was started is the process it was.
  bool Untouched() {
    return std::all_of(pids_.begin(), pids_.end(), [&](const auto& pod) {
      const auto found = stage_.kubelet().FindPod(pod.first);
      return found && found->phase == tranche::sim::PodPhase::kRunning &&
             found->pid == pod.second && found->restarts == 0 &&
             kill(static_cast<pid_t>(pod.second), 0) == 0;
    });
  }

  bool ChangeProfile(const std::string& name, const std::string& label, int replicas) {
    const auto start = Clock::now();
    if (Status status = SelectProfile(label); !status.ok()) return Fail(status.message());
    if (!CountBecomes(replicas * Gpus())) return Fail(Counted(replicas * Gpus()));
    Say(fmt::format("{:<11}-> {:>2} {} in the kubelet's device manager after {}", name,
                    replicas * Gpus(), kGpu, Milliseconds(Clock::now() - start)));
    return Untouched() || Fail("a running pod was disturbed");
  }

  bool ChangeProfiles() {
    Title("Another profile for this node, live: no restart, no pod disturbed");
    if (!ChangeProfile("dev", "dev", 8) || !ChangeProfile("no-sharing", "no-sharing", 1) ||
        !ChangeProfile("default", "", 4)) {
      return false;
    }
    Say(fmt::format("all {} pods are the processes they were", pids_.size()));
    return true;
  }

  bool AskForTwo() {
    Title("A pod asks for two (failRequestsGreaterThanOne: true)");
    // Room for it, so that it is the plugin that refuses.
    for (int i = 0; i < 2; ++i) {
      const std::string name = pids_.rbegin()->first;
      if (Status status = stage_.DeletePod(name); !status.ok()) return Fail(status.message());
      pids_.erase(name);
    }
    auto pod = RunPod("greedy", 2);
    if (!pod.ok()) return Fail(pod.status().message());
    if (pod->phase != tranche::sim::PodPhase::kFailed ||
        pod->reason != "UnexpectedAdmissionError" ||
        pod->message.find("maximum request size for shared resources is 1; found 2") ==
            std::string::npos) {
      return Fail("the pod was not refused: " + pod->message);
    }
    Say(fmt::format("{}: {}", pod->reason, base::Printable(pod->message, 400)));
    return true;
  }

  bool BreakGpu() {
    Title(fmt::format("A GPU falls off the bus (XID {})", kFallenOffTheBus));
    if (stage_.node() == nullptr) {
      Say("left out: these GPUs are real");
      return true;
    }
    const int all = 4 * Gpus();
    auto start = Clock::now();
    if (Status status = stage_.node()->Lose(0); !status.ok()) return Fail(status.message());
    if (!CountBecomes(all - 4)) return Fail(Counted(all - 4));
    Say(fmt::format("its 4 replicas are unhealthy: {} of {} allocatable after {}; pods untouched",
                    all - 4, all, Milliseconds(Clock::now() - start)));
    if (!Untouched()) return Fail("a running pod was disturbed");
    // As long as a reset takes on a real node, or nobody would see that the GPU was away.
    const auto reset = Clock::now() + std::chrono::seconds(2);
    stage_.Until([&] { return Clock::now() >= reset; });
    start = Clock::now();
    if (Status status = stage_.node()->Return(0); !status.ok()) return Fail(status.message());
    if (!CountBecomes(all)) return Fail(Counted(all));
    Say(fmt::format("it was reset and is back: {} allocatable after {}", all,
                    Milliseconds(Clock::now() - start)));
    return Untouched() || Fail("a running pod was disturbed");
  }

  bool HarmEachOther() {
    Title("Two pods share a GPU, and nothing of it is theirs");
    if (stage_.node() == nullptr) {
      Say("left out: these GPUs are real");
      return true;
    }
    const Status shown =
        ShowHarm(stage_, kGpu, inventory_, [this](const std::string& text) { Say(text); });
    return shown.ok() || Fail(shown.message());
  }

  bool BuildWalls() {
    Title("One line in the profile: a wall around each pod's memory");
    const std::string uuid = SightChapter::GpuAmong(inventory_);
    std::string why_not = stage_.node() == nullptr ? "these GPUs are real" : WallsChapter::WhyNot();
    if (uuid.empty()) why_not = "each of these GPUs is cut by MIG, and a program needs a whole one";
    if (!why_not.empty()) {
      Say("left out: " + why_not);
      return true;
    }
    WallsChapter walls(
        stage_, kGpu, uuid,
        {.say = [this](const std::string& text) { Say(text); },
         .profile_with = [](const std::string& line) { return Profile(4) + line; },
         .put_in_force = [this](const std::string& text) { return WriteProfiles(text); }});
    const Status shown = walls.Show();
    return shown.ok() || Fail(shown.message());
  }

  bool ShowUse() {
    Title("Three pods share a GPU: who uses it, seen from outside by tranche node");
    const std::string uuid = SightChapter::GpuAmong(inventory_);
    const std::string why_not =
        stage_.node() == nullptr ? "these GPUs are real" : SightChapter::WhyNot(uuid);
    if (!why_not.empty()) {
      Say("left out: " + why_not);
      return true;
    }
    use_ = std::make_unique<SightChapter>(stage_, kGpu, uuid, top::Looks{.color = color_},
                                          [this](const std::string& text) { Say(text); });
    const Status shown = use_->Show();
    if (!keep_) use_.reset();
    return shown.ok() || Fail(shown.message());
  }

  tranche::sim::Stage& stage_;
  const gpu::Inventory inventory_;
  const cli::common::Color color_;
  const bool keep_;  // the pods of the last chapter go on
  int chapter_ = 0;
  std::unique_ptr<tranche::sim::ControlServer> control_;
  std::map<std::string, std::int64_t> pids_;
  std::unique_ptr<SightChapter> use_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

std::string ProgramPath() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

// The GPUs under `driver_root`, none where there is no driver.
gpu::Inventory FindGpus(const std::string& driver_root) {
  auto driver = gpu::nvml::NewNvmlDriver({.driver_root = driver_root, .sys_root = ""});
  if (!driver->Initialise().ok()) return {};
  auto found = driver->Enumerate();
  driver->Shutdown();
  return found.ok() ? std::move(*found) : gpu::Inventory{};
}

}  // namespace

int RunDemo(const DemoOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  base::ConfigureLog(base::LogLevel::kError, base::LogFormat::kText);
  auto loop = base::NewEpollLoop();
  TRANCHE_CHECK(loop.ok());
  const auto signals = base::WatchSignals(**loop, {SIGINT, SIGTERM}, [&](int) { (*loop)->Stop(); });

  const bool real = options.node.empty() && !FindGpus("/").gpus.empty();
  const std::string node = options.node.empty() ? "a100x2" : options.node;
  auto stage = tranche::sim::Stage::Set(
      **loop,
      {.node = real ? "" : node, .force = options.force, .driver = real ? "" : ProgramPath()});
  if (!stage.ok()) {
    fmt::print(stderr, "tranche demo: {}\n", stage.status().message());
    return 2;
  }
  Demo demo(**stage, FindGpus((*stage)->driver_root()), options);
  const bool told = demo.RunStory(node);
  fmt::print("\n{} in {:.1f} s\n", told ? "Everything as told," : "Not everything as told,",
             std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (options.keep && told) {
    const auto control = demo.TakeCommands();
    if (!control.ok()) {
      fmt::print(stderr, "tranche demo: {}\n", control.status().message());
      return 2;
    }
    fmt::print(
        "\nStill running; Ctrl-C ends it. To play with it from another terminal:\n"
        "  sudo nsenter --mount --target {} env TRANCHE_SIM_KUBELET_CONTROL={} PATH=$PATH:{} bash\n"
        "  tranche status\n"
        "  tranche sim node-status; tranche sim pod list\n"
        "  tranche sim pod run mine --request nvidia.com/gpu=1\n"
        "  echo dev > {}    # as the node's label would\n"
        "  tranche sim xid 0 79 --root {}\n"
        "{}"
        "  curl localhost:9435/metrics\n",
        getpid(), *control, base::ParentDirectory(ProgramPath()), demo.ProfileFile(),
        (*stage)->driver_root(),
        demo.ShowsUse() ? "  tranche top          # or the page: http://127.0.0.1:9437/\n"
                          "  curl localhost:9436/metrics\n"
                        : "");
    std::fflush(stdout);
    (*loop)->Run();
  }
  return told ? 0 : 1;
}

}  // namespace tranche::cli::node
