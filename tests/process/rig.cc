#include "tests/process/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/testing/places.h"

namespace tranche::process {

namespace {

using base::Json;

// gRPC's own pools (timers, executor) come and go with the load, within a bound of their own.
constexpr int kPoolThreads = 4;

void Must(const base::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  TRANCHE_CHECK(status.ok());
}

int CountEntries(const std::string& directory) {
  std::error_code error;
  int count = 0;
  for (std::filesystem::directory_iterator it(directory, error), end; it != end;
       it.increment(error)) {
    ++count;
  }
  return count;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int FreePort() {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  TRANCHE_CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  TRANCHE_CHECK(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

std::string TextOf(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.as_string() : value.Dump();
}

}  // namespace

int Times(int full) {
  const char* text = std::getenv("TRANCHE_REPEAT");
  int percent = 10;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), percent);
  return std::max(1, full * percent / 100);
}

std::string Config(const std::string& rest) { return "version: v1\n" + rest; }

std::string Shared(int replicas) {
  return Config(
      "sharing:\n  timeSlicing:\n    resources:\n    - name: nvidia.com/gpu\n      replicas: " +
      std::to_string(replicas) + "\n");
}

Holding HoldingOf(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  Holding holding{.descriptors = CountEntries(folder + "/fd"),
                  .threads = CountEntries(folder + "/task")};
  std::ifstream rollup(folder + "/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Pss:")) holding.pss_kib = std::atol(line.c_str() + 4);
  }
  return holding;
}

void Curve::SampleAtRest(Rig& rig, pid_t pid) {
  Holding least;
  for (int i = 0; i < 10; ++i) {
    rig.Turn(std::chrono::milliseconds(50));
    const Holding now = HoldingOf(pid);
    least.descriptors = i == 0 ? now.descriptors : std::min(least.descriptors, now.descriptors);
    least.threads = i == 0 ? now.threads : std::min(least.threads, now.threads);
    least.pss_kib = i == 0 ? now.pss_kib : std::min(least.pss_kib, now.pss_kib);
  }
  samples_.push_back(least);
}

void Curve::Print(const std::string& title) const {
  std::printf("%s: %zu samples of descriptors / threads / PSS in KiB\n", title.c_str(),
              samples_.size());
  const std::size_t step = std::max<std::size_t>(1, samples_.size() / 20);
  for (std::size_t i = 0; i < samples_.size(); i += step) {
    const Holding& at = samples_[i];
    std::printf("  %5zu  %4d %4d %7ld\n", i, at.descriptors, at.threads, at.pss_kib);
  }
}

void Curve::ExpectLevel(long slack_kib) const {
  ASSERT_GE(samples_.size(), 3U);
  const auto settled = samples_.begin() + static_cast<std::ptrdiff_t>(samples_.size() / 3);
  Holding most;
  for (auto it = samples_.begin(); it != settled; ++it) {
    most.descriptors = std::max(most.descriptors, it->descriptors);
    most.threads = std::max(most.threads, it->threads);
    most.pss_kib = std::max(most.pss_kib, it->pss_kib);
  }
  // The last sample is taken at rest.
  const Holding& last = samples_.back();
  EXPECT_LE(last.descriptors, most.descriptors);
  EXPECT_LE(last.threads, most.threads + kPoolThreads);
  EXPECT_LE(last.pss_kib, most.pss_kib + slack_kib);
}

Rig::Rig(const std::string& node, bool kubelet) {
  // The parts of the simulated node lie beside the programs under test, not beside this one.
  setenv("TRANCHE_SIM_HOME", base::testing::kSimHome, 1);
  base::ConfigureLog(base::LogLevel::kError, base::LogFormat::kText);
  signal(SIGPIPE, SIG_IGN);
  loop_ = base::NewEpollLoop().value();
  auto stage = sim::Stage::Set(*loop_, {.node = node, .force = true});
  Must(stage.status());
  stage_ = std::move(*stage);
  port_ = FreePort();
  if (kubelet) StartKubelet();
}

Rig::~Rig() {
  for (const sim::Event& event : events_) {
    EXPECT_EQ(event.detail.find("already connected"), std::string::npos)
        << event.kind << " " << event.resource << " " << event.endpoint << ": " << event.detail;
  }
  if (::testing::Test::HasFailure()) {
    std::printf("---- last lines of agent.log\n");
    for (const std::string& line : stage_->LogTail("agent.log", 40)) {
      std::printf("%s\n", base::Printable(line, 400).c_str());
    }
    std::printf("---- status\n%s\n", Status().Dump(1).c_str());
  }
}

void Rig::StartKubelet() {
  Must(stage_->StartKubelet([this](const sim::Event& event) { Saw(event); }));
}

void Rig::RestartKubelet(base::Duration down) {
  std::optional<base::Status> done;
  kubelet().Restart(down, [&](const base::Status& status) { done = status; });
  ASSERT_TRUE(Until([&] { return done.has_value(); }));
  ASSERT_TRUE(done->ok()) << done->message();
}

void Rig::Saw(const sim::Event& event) {
  events_.push_back(event);
  if (event.kind == "devices" && event.resource == kGpu) least_ = std::min(least_, event.healthy);
}

void Rig::ForgetLeast() {
  least_ = stage_->Count(kGpu).allocatable;
  tracing_ = true;
}

std::vector<std::string> Rig::OwnFlags() const {
  return {"--listen=127.0.0.1:" + std::to_string(port_),
          "--driver-root-ctr-path=" + stage_->driver_root(), "--rescan-interval=200ms"};
}

pid_t Rig::Start(const AgentSpec& spec) {
  const std::string program = base::JoinPath(base::testing::kProgramDir, spec.program);
  std::vector<std::string> arguments = spec.through;
  arguments.push_back(spec.through.empty() ? "tranche" : program);
  arguments.emplace_back("agent");
  std::map<std::string, std::string> env = spec.env;
  for (const std::string& flag : OwnFlags()) arguments.push_back(flag);
  if (spec.config_file) arguments.push_back("--config-file=" + config_path());
  arguments.insert(arguments.end(), spec.flags.begin(), spec.flags.end());
  const std::string path = spec.through.empty() ? program : spec.through.front();
  auto pid = stage_->StartProgram(
      {.path = path, .arguments = std::move(arguments), .env = std::move(env), .log = spec.log});
  Must(pid.status());
  return agent_ = *pid;
}

int Rig::Run(std::vector<std::string> words, const std::string& log) {
  const std::string path = base::JoinPath(base::testing::kProgramDir, words.at(0));
  auto pid =
      stage_->StartProgram({.path = path, .arguments = std::move(words), .env = {}, .log = log});
  Must(pid.status());
  return WaitForEnd(*pid);
}

int Rig::Stop(int signal_number, pid_t pid) {
  return stage_->StopProgram(pid == 0 ? agent_ : pid, signal_number);
}

int Rig::WaitForEnd(pid_t pid) {
  int status = -1;
  siginfo_t info{};
  // Left for Stage to reap, which keeps the list.
  EXPECT_TRUE(Until([&] {
    info.si_pid = 0;
    return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
  })) << "it does not end";
  if (info.si_pid == pid) status = info.si_code == CLD_EXITED ? info.si_status : 128;
  EXPECT_FALSE(stage_->Runs(pid));
  return status;
}

bool Rig::Logged(const std::string& text, const std::string& log) const {
  for (const std::string& line : stage_->LogTail(log, 100000)) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

std::string Rig::config_path() const {
  return base::JoinPath(stage_->directory(), "config/config.yaml");
}

void Rig::RemoveConfig() {
  std::error_code error;
  std::filesystem::remove_all(config_path(), error);
}

void Rig::WriteConfig(const std::string& text) {
  struct stat now {};
  // Over a folder no file can be renamed.
  if (lstat(config_path().c_str(), &now) == 0 && !S_ISREG(now.st_mode)) RemoveConfig();
  Must(base::WriteFileAtomic(config_path(), text));
}

Json Rig::Status() const {
  const auto text = base::ReadFile("/run/tranche/status.json", 64U << 20U);
  if (!text.ok()) return {};
  auto json = Json::Parse(*text);
  return json.ok() ? std::move(*json) : Json();
}

std::string Rig::StatusOf(const std::string& path) const {
  const Json status = Status();
  const Json* at = &status;
  std::istringstream parts(path);
  for (std::string part; at != nullptr && std::getline(parts, part, '.');) {
    if (at->is_array()) {
      const auto index = static_cast<std::size_t>(std::atoi(part.c_str()));
      at = index < at->as_array().size() ? &at->as_array()[index] : nullptr;
    } else {
      at = at->Find(part);
    }
  }
  return at == nullptr ? "" : TextOf(*at);
}

bool Rig::StatusBecomes(const std::string& path,
                        const std::function<bool(const std::string&)>& holds) {
  return Until([&] { return holds(StatusOf(path)); });
}

bool Rig::StatusIs(const std::string& path, const std::string& wanted) {
  return StatusBecomes(path, [&](const std::string& value) { return value == wanted; });
}

bool Rig::StatusHas(const std::string& path, const std::string& part) {
  return StatusBecomes(
      path, [&](const std::string& value) { return value.find(part) != std::string::npos; });
}

HttpReply Rig::Get(const std::string& path) const {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  const sockaddr_in address = Loopback(port_);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return {};
  }
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (write(fd.get(), request.data(), request.size()) < 0) return {};
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  HttpReply reply;
  if (answer.starts_with("HTTP/1.1 ")) reply.status = std::atoi(answer.c_str() + 9);
  const auto body = answer.find("\r\n\r\n");
  if (body != std::string::npos) reply.body = answer.substr(body + 4);
  return reply;
}

bool Rig::Until(const std::function<bool()>& condition, base::Duration limit) {
  return stage_->Until(
      [&] {
        if (tracing_) least_ = std::min(least_, stage_->Count(kGpu).allocatable);
        return condition();
      },
      limit);
}

void Rig::Turn(base::Duration time) {
  const base::TimePoint end = loop_->Now() + time;
  EXPECT_TRUE(Until([&] { return loop_->Now() >= end; }, time + kHangGuard));
}

bool Rig::InTime(base::TimePoint begin, base::Duration limit) const {
  const bool in_time = loop_->Now() - begin <= limit;
  if (!in_time) std::printf("this machine was too slow for this round: it is not judged\n");
  return in_time;
}

bool Rig::CountBecomes(std::int64_t allocatable, std::int64_t capacity,
                       const std::string& resource) {
  return Until([&] {
    const sim::ResourceCount count = stage_->Count(resource);
    return count.allocatable == allocatable && (capacity < 0 || count.capacity == capacity);
  });
}

std::string Rig::Counted(const std::string& resource) {
  const sim::ResourceCount count = stage_->Count(resource);
  return "the kubelet holds " + std::to_string(count.allocatable) + " of " +
         std::to_string(count.capacity);
}

pid_t Rig::RunPod(const std::string& name, const std::string& resource) {
  auto pod = stage_->RunPod({.name = name, .requests = {{resource, 1}}});
  EXPECT_TRUE(pod.ok()) << pod.status().message();
  if (!pod.ok()) return 0;
  EXPECT_EQ(pod->phase, sim::PodPhase::kRunning) << name << ": " << pod->message;
  return pod->phase == sim::PodPhase::kRunning ? static_cast<pid_t>(pod->pid) : 0;
}

void Rig::DeletePod(const std::string& name) {
  const base::Status status = stage_->DeletePod(name);
  EXPECT_TRUE(status.ok()) << status.message();
}

bool Rig::Untouched(const std::string& name, pid_t pid) {
  const auto pod = kubelet().FindPod(name);
  return pod && pod->phase == sim::PodPhase::kRunning && pod->pid == pid && pod->restarts == 0 &&
         kill(pid, 0) == 0;
}

std::string Rig::DeviceOf(const std::string& name) {
  const auto pod = kubelet().FindPod(name);
  return pod && !pod->devices.empty() ? pod->devices.front().id : "";
}

int Rig::CountEvents(const std::string& kind) const {
  return static_cast<int>(std::count_if(events_.begin(), events_.end(), [&](const auto& event) {
    return event.kind == kind && (event.resource.empty() || event.resource == kGpu);
  }));
}

}  // namespace tranche::process
