#include "sim/driver/serve.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "sim/driver/clock.h"
#include "sim/driver/machine.h"
#include "sim/driver/mirror.h"
#include "sim/driver/record/log_file.h"
#include "sim/driver/server.h"
#include "sim/driver/status.h"
#include "sim/driver/watcher.h"
#include "sim/node/files.h"
#include "sim/node/state_reader.h"
#include "sim/node/state_writer.h"

namespace tranche::sim::driver {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr std::uint64_t kFollowNs = 10'000'000;  // how late a change of the node may be noticed
constexpr int kPriority = -10;
constexpr std::uint64_t kStalledNs = 100'000'000;   // a writer that takes so long has died
constexpr std::uint64_t kReportNs = 1'000'000'000;  // status.json
constexpr std::size_t kFewProcesses = 32;           // of more it is written less often

// Held as long as this process lives, whatever ends it.
Result<base::UniqueFd> LockNode(const std::string& root) {
  const std::string path = base::JoinPath(root, kLockFile);
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(path)));
  base::UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!lock.valid()) return base::ErrnoStatus(errno, path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::ErrnoStatus(errno, path);
    return Status(Code::kAlreadyExists, "a driver serves " + root + " already");
  }
  return lock;
}

Result<base::UniqueFd> TakeSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, number);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return base::ErrnoStatus(error, "blocking signals");
  }
  base::UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return base::ErrnoStatus(errno, "signalfd");
  return fd;
}

// The parts of a driver at work, and what they do in turns.
class Driver {
 public:
  explicit Driver(const ServeOptions& options) : options_(options) {}

  Status Begin();
  void Run();

 private:
  void OnSignal();
  void Follow(std::uint64_t now_ns);
  void TakeSamples();
  void Report(std::uint64_t now_ns);
  [[nodiscard]] Time NextSample() const;
  [[nodiscard]] std::optional<std::uint64_t> Deadline() const;
  [[nodiscard]] Json Describe() const;

  ServeOptions options_;
  base::UniqueFd lock_;
  base::UniqueFd signals_;
  std::unique_ptr<Watcher> watcher_;
  DriverClock clock_;
  std::unique_ptr<StateReader> reader_;
  std::unique_ptr<StateWriter> writer_;
  std::unique_ptr<LogFile> file_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<Server> server_;
  std::uint32_t seen_sequence_ = ~0U;
  std::uint64_t last_event_ = 0;
  std::uint64_t follow_ns_ = 0;
  std::uint64_t stalled_ns_ = 0;
  std::uint64_t report_ns_ = 0;
  Time sampled_until_ = 0;
  bool sampling_ = false;
  bool ended_ = false;
};

Status Driver::Begin() {
  prctl(PR_SET_TIMERSLACK, 1);
  // It stands for hardware, which no program can hold up; where that is not allowed it is as it is.
  setpriority(PRIO_PROCESS, 0, kPriority);
  auto signals = TakeSignals();
  if (!signals.ok()) return signals.status();
  signals_ = std::move(*signals);
  const auto state = StatePath(options_.root);
  if (!state.ok()) return state.status();
  auto watcher = Watcher::Start(*state);  // before there is a lock that it would hold as well
  if (!watcher.ok()) return watcher.status();
  watcher_ = std::move(*watcher);
  auto lock = LockNode(options_.root);
  if (!lock.ok()) return lock.status();
  lock_ = std::move(*lock);
  auto writer = StateWriter::Open(*state);
  if (!writer.ok()) return writer.status();
  writer_ = std::move(*writer);
  reader_ = StateReader::Open(*state);
  if (reader_ == nullptr) return {Code::kUnavailable, "reading " + *state};
  auto file = LogFile::Open(base::JoinPath(options_.root, kLogFile), options_.log_bytes);
  if (!file.ok()) return file.status();
  file_ = std::move(*file);
  log_ = std::make_unique<RunLog>(*file_);
  clock_ = {.epoch_ns = MonotonicNs(), .scale = options_.time_scale};
  const MachineOptions machine{.hardware = options_.hardware,
                               .epoch_ns = clock_.epoch_ns,
                               .time_scale = options_.time_scale};
  machine_ = std::make_unique<Machine>(machine, *log_);
  auto server = Server::Listen(base::JoinPath(options_.root, link::kSocket), *machine_, clock_);
  if (!server.ok()) return server.status();
  server_ = std::move(*server);
  TRANCHE_TRY(server_->Watch(signals_.get(), [this] { OnSignal(); }));
  mirror_ = std::make_unique<Mirror>(*writer_, *machine_);
  machine_->SetShowing([this](pid_t pid) { mirror_->Show(pid, MonotonicNs()); });
  NodeSnapshot node;
  reader_->Read(&node);
  last_event_ = node.header.last_event;  // what happened before is over
  Follow(clock_.epoch_ns);
  Json first = DriverJson(options_, clock_, 0);
  first.Set("file", 0);
  log_->Line(first.Dump());
  file_->SetBeginning([this, line = first, files = 0]() mutable {
    line.Set("ns", clock_.Now()).Set("file", ++files);
    return line.Dump() + '\n' + RunLog::LivingLines(machine_->accounts());
  });
  // Whoever reads that it serves can connect.
  return mirror_->Begin(static_cast<std::uint32_t>(getpid()), options_.time_scale);
}

void Driver::OnSignal() {
  signalfd_siginfo info{};
  if (read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  if (info.ssi_signo != SIGUSR1) {
    base::LogInfo("ending", {base::Kv("signal", strsignal(static_cast<int>(info.ssi_signo))),
                             base::Kv("programs", std::uint64_t{server_->clients()})});
    ended_ = true;
    return;
  }
  report_ns_ = 0;
  machine_->SettleAt(clock_.Now());
  log_->Close();
  log_->Line(Describe().Set("event", "totals").Dump());
}

void Driver::Follow(std::uint64_t now_ns) {
  follow_ns_ = now_ns + kFollowNs;
  const std::uint32_t sequence = reader_->Sequence();
  if (sequence == seen_sequence_) return;
  if (sequence % 2 != 0) {  // a writer is at work: a later turn will do
    if (stalled_ns_ == 0) stalled_ns_ = now_ns + kStalledNs;
    if (now_ns < stalled_ns_) return;
  }
  stalled_ns_ = 0;
  seen_sequence_ = sequence;
  NodeSnapshot node;
  reader_->Read(&node);
  const Time now = clock_.At(now_ns);
  for (const EventState& event : reader_->EventsFrom(last_event_ + 1)) {
    last_event_ = event.number;
    machine_->OnXid(event, now);
  }
  machine_->Follow(node, now);
}

// Samples are taken while a program is there, and once more when the last has gone.
void Driver::TakeSamples() {
  const Time now = clock_.Now();
  const bool used = server_->clients() > 0;
  if (!sampling_) {
    const auto period = static_cast<Time>(kSamplePeriodNs);
    sampled_until_ = now / period * period;  // nobody has computed since then
  } else if (const Time next = NextSample(); now >= next) {
    machine_->SettleAt(next);
    // Later, where this turn came late.
    const Time until = std::max(machine_->engine().now(), next);
    mirror_->Sample(sampled_until_, until, clock_);
    sampled_until_ = until;
    sampling_ = used;
  }
  sampling_ = sampling_ || used;
}

Time Driver::NextSample() const {
  const auto period = static_cast<Time>(kSamplePeriodNs);
  return (sampled_until_ / period + 1) * period;
}

Json Driver::Describe() const { return StatusJson(options_, clock_, *machine_, *file_); }

void Driver::Report(std::uint64_t now_ns) {
  report_ns_ = now_ns + kReportNs * (1 + machine_->accounts().processes().size() / kFewProcesses);
  file_->Flush();
  const Status written =
      base::WriteFileAtomic(base::JoinPath(options_.root, kStatusFile), Describe().Dump(2) + "\n");
  if (!written.ok()) base::LogWarning("status.json", {base::Kv("error", written.message())});
}

std::optional<std::uint64_t> Driver::Deadline() const {
  std::optional<std::uint64_t> deadline;
  const auto at = [&](std::uint64_t when) { deadline = std::min(deadline.value_or(when), when); };
  if (const auto next = machine_->NextEvent()) at(clock_.MonotonicOf(*next));
  if (const auto due = mirror_->Due()) at(*due);
  if (sampling_) at(clock_.MonotonicOf(NextSample()));
  // Nothing of the node matters while nobody is there, and nothing new is to be told.
  if (server_->clients() > 0) at(std::min(follow_ns_, report_ns_));
  if (file_->pending() || report_ns_ == 0) at(report_ns_);
  return deadline;
}

void Driver::Run() {
  while (!ended_) {
    server_->Wait(Deadline());
    Follow(MonotonicNs());
    server_->Handle();
    TakeSamples();
    const std::uint64_t now_ns = MonotonicNs();
    mirror_->Turn(now_ns);
    const bool news = server_->clients() > 0 || file_->pending() || report_ns_ == 0;
    if (news && now_ns >= report_ns_) Report(now_ns);
  }
  server_->DisconnectAll();
  server_.reset();
  log_->Close();
  log_->Line(Describe().Set("event", "totals").Dump());
  Report(MonotonicNs());
  mirror_->End();
}

bool HasOpen(pid_t pid, const std::string& path) {
  struct stat wanted {};
  if (stat(path.c_str(), &wanted) != 0) return false;
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/" + std::to_string(pid) + "/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    struct stat about {};
    if (stat(entry->path().c_str(), &about) == 0 && about.st_dev == wanted.st_dev &&
        about.st_ino == wanted.st_ino) {
      return true;
    }
  }
  return false;
}

}  // namespace

Status Serve(const ServeOptions& options) {
  Driver driver(options);
  TRANCHE_TRY(driver.Begin());
  base::LogInfo("serving", {base::Kv("root", options.root),
                            base::Kv("socket", base::JoinPath(options.root, link::kSocket)),
                            base::Kv("timeScale", options.time_scale)});
  driver.Run();
  return Status::Ok();
}

bool IsServed(const std::string& root) {
  const std::string path = base::JoinPath(root, kLockFile);
  const base::UniqueFd lock(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return lock.valid() && flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int AskForStatus(const std::string& root) {
  const auto path = StatePath(root);
  const auto reader = path.ok() ? StateReader::Open(*path) : nullptr;
  if (reader == nullptr || !IsServed(root)) return 0;
  NodeHeader header{};
  reader->ReadHeader(&header);
  const auto pid = static_cast<pid_t>(header.driver_pid);
  if (pid <= 0) return 0;
  const base::UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  // The state may tell of one that has died: only who has the lock open is the driver.
  if (!process.valid() || !HasOpen(pid, base::JoinPath(root, kLockFile))) return 0;
  return syscall(SYS_pidfd_send_signal, process.get(), SIGUSR1, nullptr, 0) == 0 ? pid : 0;
}

}  // namespace tranche::sim::driver
