#include "sim/kubelet/pod_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/timer.h"
#include "sim/kubelet/pod_mounts.h"

namespace tranche::sim {
namespace {

constexpr std::chrono::seconds kStartLimit{10};
constexpr std::size_t kMaxReport = 64U << 10U;

std::optional<std::uint64_t> StartTimeOf(pid_t pid) {
  const auto stat = base::ReadFile("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat.ok()) return std::nullopt;
  // "pid (name) state …": the name may hold anything, so count from its last parenthesis.
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat->substr(name_end + 1));
  std::string state;
  std::string field;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  for (int number = 4; number <= 22; ++number) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string FindProgram(const ProcessSpec& spec) {
  const std::string& name = spec.command.front();
  if (name.find('/') != std::string::npos) return name;
  const auto path = spec.env.find("PATH");
  std::istringstream folders(path == spec.env.end() ? "/usr/bin:/bin" : path->second);
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = base::JoinPath(folder, name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return name;
}

void WriteReport(int fd, const std::string& line) {
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
}

// In the child of a fork: becomes the container, or says on `report` why not.
[[noreturn]] void BecomeContainer(const ProcessSpec& spec, const std::string& program, char** argv,
                                  char** envp, int report, pid_t kubelet) {
  if (spec.when_kubelet_ends == WhenKubeletEnds::kIsKilled) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != kubelet) ::_exit(127);
  }
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  const std::string log = base::JoinPath(spec.directory, "output");
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input >= 0) ::dup2(input, STDIN_FILENO);
  if (output >= 0) {
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
  }
  for (const std::string& line : ApplyMounts(spec.mounts, spec.devices))
    WriteReport(report, line + "\n");
  if (::chdir(spec.directory.c_str()) != 0) {
    WriteReport(report, "!entering " + spec.directory + ": " + std::strerror(errno) + "\n");
  } else {
    ::execve(program.c_str(), argv, envp);
    WriteReport(report, "!starting " + program + ": " + std::strerror(errno) + "\n");
  }
  ::_exit(127);
}

// Until the other end closes (the exec did it), or the limit.
std::string ReadReport(int fd) {
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  while (text.size() < kMaxReport) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd readable{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0) break;
    char buffer[4096];
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

class PidfdWatch final : public ProcessWatch {
 public:
  PidfdWatch(base::EventLoop& loop, const ProcessId& id,
             std::function<void(std::optional<int>)> ended)
      : loop_(loop), id_(id), ended_(std::move(ended)), timer_(loop) {
    pidfd_ = base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0U)));
    // The pid may have been recycled before the descriptor pinned it; a zombie is still ours to
    // reap.
    const bool other =
        pidfd_.valid() && StartTimeOf(id.pid).value_or(id.start_time) != id.start_time;
    if (!pidfd_.valid() || other) {
      timer_.Start({}, [this] { std::exchange(ended_, nullptr)(std::nullopt); });
      return;
    }
    watch_ = loop_.WatchFd(pidfd_.get(), base::FdEvents::kRead, [this] { Ended(); });
  }
  ~PidfdWatch() override {
    if (watch_ != 0) loop_.UnwatchFd(watch_);
  }

 private:
  void Ended() {
    loop_.UnwatchFd(std::exchange(watch_, 0));
    int status = 0;
    const bool child = ::waitpid(id_.pid, &status, WNOHANG) == id_.pid;
    std::exchange(ended_, nullptr)(child ? std::optional<int>(status) : std::nullopt);
  }

  base::EventLoop& loop_;
  ProcessId id_;
  std::function<void(std::optional<int>)> ended_;
  base::UniqueFd pidfd_;
  base::EventLoop::WatchId watch_ = 0;
  base::Timer timer_;
};

}  // namespace

base::Result<StartedProcess> StartProcess(const ProcessSpec& spec) {
  if (spec.command.empty()) return base::Status(base::Code::kInvalidArgument, "no command");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "making a pipe");
  const base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  std::vector<std::string> arguments = spec.command;
  std::vector<std::string> environment;
  environment.reserve(spec.env.size());
  for (const auto& [name, value] : spec.env) {
    environment.push_back(name);
    environment.back().append("=").append(value);
  }
  const auto argv = Pointers(arguments);
  const auto envp = Pointers(environment);
  const std::string program = FindProgram(spec);

  // Other threads may hold locks at the fork; glibc makes malloc and stdio usable in the child.
  const pid_t self = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return base::ErrnoStatus(errno, "starting a process");
  if (pid == 0) {
    BecomeContainer(spec, program, const_cast<char**>(argv.data()), const_cast<char**>(envp.data()),
                    writer.get(), self);
  }
  writer = base::UniqueFd();
  StartedProcess started;
  started.id = {pid, StartTimeOf(pid).value_or(0)};
  std::istringstream report(ReadReport(reader.get()));
  for (std::string line; std::getline(report, line);) {
    if (!line.starts_with('!')) {
      started.not_applied.push_back(std::move(line));
      continue;
    }
    ::waitpid(pid, nullptr, 0);
    return base::Status(base::Code::kFailedPrecondition, line.substr(1));
  }
  return started;
}

bool IsAlive(const ProcessId& id) {
  return id.pid > 0 && StartTimeOf(id.pid) == std::optional<std::uint64_t>(id.start_time);
}

void SignalProcess(const ProcessId& id, int signal_number) {
  if (IsAlive(id)) ::kill(-id.pid, signal_number);
}

std::unique_ptr<ProcessWatch> WatchProcess(base::EventLoop& loop, const ProcessId& id,
                                           std::function<void(std::optional<int>)> ended) {
  return std::make_unique<PidfdWatch>(loop, id, std::move(ended));
}

}  // namespace tranche::sim
