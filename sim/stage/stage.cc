#include "sim/stage/stage.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/timer.h"
#include "sim/stage/namespace.h"

namespace tranche::sim {

namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr base::Duration kEndLimit = std::chrono::seconds(15);

// In the child: takes its streams, signals and program, or ends.
[[noreturn]] void Become(const ProgramSpec& spec, int log, pid_t stage) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != stage) _exit(127);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const auto& [name, value] : spec.env) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  argv.reserve(spec.arguments.size() + 1);
  for (const std::string& argument : spec.arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(spec.path.c_str(), argv.data());
  _exit(127);
}

}  // namespace

Result<std::unique_ptr<Stage>> Stage::Set(base::EventLoop& loop, const StageOptions& options) {
  if (!options.force && KubeletServesThisMachine()) {
    return Status(Code::kFailedPrecondition,
                  std::string("a kubelet serves this machine (") + kKubeletSocket +
                      "); nothing of it would be touched, but --force says you mean it");
  }
  std::unique_ptr<Stage> stage(new Stage(loop));
  TRANCHE_TRY(EnterStageNamespace().Wrap("a mount namespace of its own is needed"));
  std::string pattern = "/tmp/tranche-stage.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) return base::ErrnoStatus(errno, "mkdtemp");
  stage->directory_ = pattern;
  TRANCHE_TRY(base::MakeDirectories(stage->ProfilesDirectory()));
  if (!options.node.empty()) TRANCHE_TRY(stage->MakeNode(options.node));
  if (!options.driver.empty()) {
    TRANCHE_TRY(stage->StartDriver(options.driver, options.driver_flags));
  }
  return stage;
}

Status Stage::StartDriver(const std::string& program, const std::vector<std::string>& flags) {
  if (node_ == nullptr) return {Code::kFailedPrecondition, "there is no simulated node to serve"};
  std::vector<std::string> arguments{"tranche", "sim", "driver", "--root", driver_root_};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const auto pid = StartProgram({.path = program, .arguments = arguments, .log = "driver.log"});
  if (!pid.ok()) return pid.status();
  driver_ = *pid;
  // It says so once programs can connect.
  const auto serves = [&] {
    return node_->Read().header.driver_pid == static_cast<std::uint32_t>(driver_);
  };
  bool ended = false;
  Until([&] { return serves() || (ended = !Runs(driver_)); });
  if (serves()) return Status::Ok();
  std::string said;
  for (const std::string& line : LogTail("driver.log", 5)) said += "\n  " + line;
  return {Code::kUnavailable,
          (ended ? "tranche sim driver ended:" : "tranche sim driver does not serve:") + said};
}

Status Stage::MakeNode(const std::string& profile_name) {
  driver_root_ = base::JoinPath(directory_, "root");
  auto home = FindSimHome();
  if (!home.ok()) return home.status();
  auto profile = LoadProfile(home->profiles(), profile_name);
  if (!profile.ok()) return profile.status();
  auto created = CreateNode(*home, *profile, driver_root_);
  if (!created.ok()) return created.status();
  auto node = Node::Open(driver_root_);
  if (!node.ok()) return node.status();
  node_ = std::move(*node);
  return ShowKernelFiles(driver_root_);
}

Stage::~Stage() {
  if (kubelet_ != nullptr) {
    for (const Pod& pod : kubelet_->Pods()) {
      // Best effort: a stage is left in any state.
      [[maybe_unused]] const Status status = DeletePod(pod.spec.name);
    }
  }
  for (const pid_t pid : std::vector<pid_t>(programs_)) StopProgram(pid, SIGINT);
  kubelet_.reset();
  node_.reset();
  std::error_code error;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, error);
}

Status Stage::StartKubelet(std::function<void(const Event&)> on_event) {
  TRANCHE_TRY(base::MakeDirectories(kPluginDirectory));
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(kPodResourcesSocket)));
  auto kubelet = Kubelet::Start(loop_, {.plugin_directory = kPluginDirectory,
                                        .state_directory = base::JoinPath(directory_, "kubelet"),
                                        .pod_resources_socket = kPodResourcesSocket,
                                        .on_event = std::move(on_event),
                                        .pods = WhenKubeletEnds::kIsKilled});
  if (!kubelet.ok()) return kubelet.status();
  kubelet_ = std::move(*kubelet);
  return Status::Ok();
}

Result<pid_t> Stage::StartProgram(const ProgramSpec& spec) {
  const std::string path = base::JoinPath(directory_, spec.log);
  const base::UniqueFd log(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid()) return base::ErrnoStatus(errno, "create " + path);
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) return base::ErrnoStatus(errno, "fork");
  if (child == 0) Become(spec, log.get(), self);
  programs_.push_back(child);
  return child;
}

bool Stage::Runs(pid_t pid) {
  if (std::find(programs_.begin(), programs_.end(), pid) == programs_.end()) return false;
  if (waitpid(pid, nullptr, WNOHANG) == 0) return true;
  std::erase(programs_, pid);
  return false;
}

int Stage::StopProgram(pid_t pid, int signal_number) {
  if (std::find(programs_.begin(), programs_.end(), pid) == programs_.end()) return 0;
  kill(pid, signal_number);
  int status = 0;
  const auto ended = [&] { return waitpid(pid, &status, WNOHANG) == pid; };
  if (!Until(ended, kEndLimit)) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
  }
  std::erase(programs_, pid);
  return status;
}

std::vector<std::string> Stage::LogTail(const std::string& log, std::size_t lines) const {
  const auto text = base::ReadFile(base::JoinPath(directory_, log), 64U << 20U);
  std::vector<std::string> all;
  std::istringstream stream(text.ok() ? *text : std::string());
  for (std::string line; std::getline(stream, line);) all.push_back(std::move(line));
  if (all.size() > lines) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(lines));
  return all;
}

std::string Stage::ProfilesDirectory() const { return base::JoinPath(directory_, "profiles"); }

// Files in a folder of their own, `..data` pointing at it (replaced by rename), a link for each
// key: what the kubelet's atomic writer does.
Status Stage::WriteProfiles(const std::map<std::string, std::string>& profiles) {
  const std::string root = ProfilesDirectory();
  const std::string previous = "..generation_" + std::to_string(generation_);
  const std::string now = "..generation_" + std::to_string(++generation_);
  TRANCHE_TRY(base::MakeDirectories(base::JoinPath(root, now)));
  const std::string folder_now = base::JoinPath(root, now);
  for (const auto& [name, text] : profiles) {
    TRANCHE_TRY(base::WriteFileAtomic(base::JoinPath(folder_now, name), text));
  }
  std::error_code error;
  const std::filesystem::path folder(root);
  std::filesystem::remove(folder / "..data_tmp", error);
  std::filesystem::create_directory_symlink(now, folder / "..data_tmp", error);
  if (error) return {Code::kUnavailable, "symlink ..data: " + error.message()};
  std::filesystem::rename(folder / "..data_tmp", folder / "..data", error);
  if (error) return {Code::kUnavailable, "rename ..data: " + error.message()};
  for (const auto& [name, text] : profiles) {
    if (!std::filesystem::is_symlink(folder / name)) {
      std::filesystem::create_symlink("..data/" + name, folder / name, error);
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("..") && !profiles.contains(name)) {
      std::filesystem::remove(entry.path(), error);
    }
  }
  std::filesystem::remove_all(folder / previous, error);
  return Status::Ok();
}

bool Stage::Until(const std::function<bool()>& condition, base::Duration limit) {
  const base::TimePoint end = loop_.Now() + limit;
  base::Timer turn(loop_);
  while (!condition()) {
    if (loop_.Now() >= end) return false;
    // Short turns instead of hooks into everything a condition may look at.
    turn.Start(std::chrono::milliseconds(1), [this] { loop_.Stop(); });
    loop_.Run();
  }
  return true;
}

Result<Pod> Stage::RunPod(const PodSpec& spec) {
  auto answer = std::make_shared<std::optional<Result<Pod>>>();
  kubelet_->RunPod(spec, [answer](Result<Pod> pod) { *answer = std::move(pod); });
  if (!Until([&] { return answer->has_value(); })) {
    return Status(Code::kDeadlineExceeded, "pod " + spec.name + " neither runs nor was refused");
  }
  return **answer;
}

Status Stage::DeletePod(const std::string& name) {
  auto answer = std::make_shared<std::optional<Status>>();
  kubelet_->DeletePod(name, [answer](const Status& status) { *answer = status; });
  if (!Until([&] { return answer->has_value(); })) {
    return {Code::kDeadlineExceeded, "pod " + name + " does not end"};
  }
  return **answer;
}

ResourceCount Stage::Count(const std::string& resource) {
  const auto node = kubelet_->Node();
  const auto it = node.find(resource);
  return it == node.end() ? ResourceCount{} : it->second;
}

}  // namespace tranche::sim
