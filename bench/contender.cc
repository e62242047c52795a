#include "bench/contender.h"

#include <fmt/format.h>

#include <csignal>
#include <ctime>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/timer.h"
#include "rpc/client.h"

namespace tranche::bench {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr char kResource[] = "nvidia.com/gpu";
constexpr char kLog[] = "plugin.log";
// Far beyond all that is measured: a safety limit.
constexpr std::chrono::seconds kLimit{120};
constexpr int kMaxMessageBytes = 4 << 20;

double Milliseconds(base::Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double Microseconds(base::Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

// Adds up smaps_rollup (proc(5), in kB) of a process and what it has started.
void AddMemory(pid_t pid, Memory& memory) {
  const std::string directory = fmt::format("/proc/{}", pid);
  const auto rollup = base::ReadFile(directory + "/smaps_rollup", 1U << 16U);
  std::istringstream lines(rollup.ok() ? *rollup : std::string());
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    double kilobytes = 0;
    if (!(words >> key >> kilobytes)) continue;
    if (key == "Pss:") memory.pss += kilobytes / 1024;
    if (key == "Pss_Anon:") memory.anonymous += kilobytes / 1024;
  }
  const auto children =
      base::ReadFile(fmt::format("{}/task/{}/children", directory, pid), 1U << 16U);
  std::istringstream words(children.ok() ? *children : std::string());
  for (pid_t child = 0; words >> child;) AddMemory(child, memory);
}

double CpuMilliseconds(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

std::string ConfigFile(const sim::Stage& stage) {
  return base::JoinPath(stage.directory(), "config/config.yaml");
}

}  // namespace

bool RunUntil(sim::Stage& stage, const std::function<bool()>& condition) {
  base::EventLoop& loop = stage.loop();
  bool late = false;
  base::Timer limit(loop);
  limit.Start(kLimit, [&] {
    late = true;
    loop.Stop();
  });
  while (!late && !condition()) loop.Run();
  return condition();
}

Result<double> TimePreferred(sim::Stage& stage, sim::PluginClient& client,
                             const std::vector<std::string>& available, int size, bool checked) {
  std::optional<Result<std::vector<std::string>>> answer;
  const auto start = base::TimePoint::clock::now();
  base::TimePoint end;
  client.Preferred(available, {}, size, [&](Result<std::vector<std::string>> result) {
    end = base::TimePoint::clock::now();
    answer = std::move(result);
    stage.loop().Stop();
  });
  if (!RunUntil(stage, [&] { return answer.has_value(); })) {
    return Status(Code::kDeadlineExceeded, "no answer to preferred allocation");
  }
  if (!answer->ok()) return answer->status();
  if (checked && (*answer)->size() != static_cast<std::size_t>(size)) {
    return Status(Code::kInternal,
                  fmt::format("asked for {} ids, got {}", size, (*answer)->size()));
  }
  return Microseconds(end - start);
}

Result<std::unique_ptr<Contender>> Contender::Start(sim::Stage& stage, const Program& program,
                                                    int replicas) {
  std::unique_ptr<Contender> contender(new Contender(stage, program));
  contender->wanted_ = std::int64_t{program.gpus} * replicas;
  TRANCHE_TRY(stage.StartKubelet([raw = contender.get()](const sim::Event& event) {
    if (event.kind != "devices" || event.resource != kResource) return;
    raw->endpoint_ = event.endpoint;
    if (event.total != raw->wanted_ || event.healthy != raw->wanted_ || raw->reached_) return;
    raw->reached_ = event.at;
    raw->stage_.loop().Stop();
  }));
  TRANCHE_TRY(contender->Write(replicas));
  const auto start = base::TimePoint::clock::now();
  auto pid = stage.StartProgram({.path = program.path,
                                 .arguments = {"nvidia-device-plugin"},
                                 .env = {{"CONFIG_FILE", ConfigFile(stage)},
                                         {"DRIVER_ROOT_CTR_PATH", stage.driver_root()},
                                         {"GDRCOPY_ENABLED", "false"},
                                         {"GDS_ENABLED", "false"},
                                         {"MOFED_ENABLED", "false"},
                                         // Several benchmarks may run on one machine.
                                         {"TRANCHE_LISTEN", "127.0.0.1:0"}},
                                 .log = kLog});
  if (!pid.ok()) return pid.status();
  contender->pid_ = *pid;
  TRANCHE_TRY(contender->AwaitDevices(contender->wanted_));
  contender->start_cpu_milliseconds_ = CpuMilliseconds(contender->pid_);
  contender->start_milliseconds_ = Milliseconds(*contender->reached_ - start);
  contender->Connect();
  return contender;
}

Contender::~Contender() {
  client_.reset();
  // Not SIGTERM: on that ours waits for a successor.
  if (pid_ > 0) stage_.StopProgram(pid_, SIGINT);
  stage_.StopKubelet();
}

Status Contender::Failed(const std::string& what) const {
  std::string said;
  for (const std::string& line : stage_.LogTail(kLog, 12)) said += "\n  " + line;
  return {Code::kInternal, program_.path + ": " + what + said};
}

Status Contender::Write(int replicas) {
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(ConfigFile(stage_))));
  return base::WriteFileAtomic(ConfigFile(stage_),
                               fmt::format("version: v1\nsharing:\n  timeSlicing:\n    resources:\n"
                                           "    - name: {}\n      replicas: {}\n",
                                           kResource, replicas));
}

Status Contender::AwaitDevices(std::int64_t count) {
  if (!RunUntil(stage_, [&] { return reached_.has_value(); })) {
    return Failed(fmt::format("the kubelet never had {} devices", count));
  }
  return Status::Ok();
}

void Contender::Connect() {
  client_ = std::make_unique<sim::PluginClient>(stage_.loop(), kResource,
                                                base::JoinPath(sim::kPluginDirectory, endpoint_));
}

std::vector<std::string> Contender::Ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, healthy] : stage_.kubelet().DeviceHealth(kResource)) ids.push_back(id);
  return ids;
}

Result<double> Contender::Edit(int replicas) {
  wanted_ = std::int64_t{program_.gpus} * replicas;
  reached_.reset();
  const auto start = base::TimePoint::clock::now();
  TRANCHE_TRY(Write(replicas));
  if (program_.needs_signal) kill(pid_, SIGHUP);
  TRANCHE_TRY(AwaitDevices(wanted_));
  const double milliseconds = Milliseconds(*reached_ - start);
  Connect();
  return milliseconds;
}

Result<double> Contender::TimeAllocate(const std::string& id) {
  std::optional<Result<sim::AllocateAnswer>> answer;
  const auto start = base::TimePoint::clock::now();
  base::TimePoint end;
  client_->Allocate({id}, [&](Result<sim::AllocateAnswer> result) {
    end = base::TimePoint::clock::now();
    answer = std::move(result);
    stage_.loop().Stop();
  });
  if (!RunUntil(stage_, [&] { return answer.has_value(); })) return Failed("no answer to Allocate");
  if (!answer->ok()) return Failed("Allocate: " + answer->status().message());
  if (!(*answer)->read.env.contains("NVIDIA_VISIBLE_DEVICES")) return Failed("an empty allocation");
  return Microseconds(end - start);
}

Result<ListSent> Contender::TimeList() {
  const std::string socket = base::JoinPath(sim::kPluginDirectory, endpoint_);
  auto channel = rpc::Channel::Connect(stage_.loop(), socket, kMaxMessageBytes);
  if (!channel.ok()) return channel.status();
  ListSent sent;
  bool ended = false;
  const auto start = base::TimePoint::clock::now();
  (*channel)->Stream(
      "/v1beta1.DevicePlugin/ListAndWatch", "",
      [&](const std::string& message) {
        sent.milliseconds = Milliseconds(base::TimePoint::clock::now() - start);
        sent.bytes = static_cast<double>(message.size());
        stage_.loop().Stop();
      },
      [&](const Status&) {
        ended = true;
        stage_.loop().Stop();
      });
  if (!RunUntil(stage_, [&] { return ended || sent.bytes > 0; }) || ended) {
    return Failed("no device list");
  }
  return sent;
}

Result<Memory> Contender::MeasureMemory() {
  bool rested = false;
  stage_.loop().RunAfter(std::chrono::seconds(1), [&] {
    rested = true;
    stage_.loop().Stop();
  });
  RunUntil(stage_, [&] { return rested; });
  Memory memory;
  AddMemory(pid_, memory);
  if (memory.pss <= 0) return Failed("its memory cannot be read");
  return memory;
}

}  // namespace tranche::bench
