#include "daemon/life.h"

#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/log.h"
#include "base/log_output.h"
#include "base/timer.h"

namespace tranche::daemon {

namespace {

using base::Kv;

constexpr base::Duration kTellLeftOut = std::chrono::seconds(5);

void TellLeftOutFromNowOn(base::Timer& timer) {
  timer.Start(kTellLeftOut, [&timer] {
    base::ReportLeftOutLines();
    TellLeftOutFromNowOn(timer);
  });
}

}  // namespace

int Life::Run(const std::string& version, std::function<void()> begin) {
  base::LogInfo("starting", {Kv("version", version), Kv("pid", getpid())});
  loop_.Post(std::move(begin));
  loop_.Run();
  return exit_status_;
}

void Life::End(int exit_status) {
  if (std::exchange(ending_, true)) return;
  exit_status_ = exit_status;
  loop_.Stop();
}

int RunOnLoop(
    const std::function<int(base::EventLoop& loop, std::function<void(int)>& on_signal)>& use) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) {
    base::LogError("cannot start", {Kv("error", loop.status().message())});
    return 1;
  }
  std::function<void(int)> on_signal = [](int) {};
  const auto signals = base::WatchSignals(**loop, {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1},
                                          [&](int number) { on_signal(number); });
  if (!signals.ok()) {
    base::LogError("cannot start", {Kv("error", signals.status().message())});
    return 1;
  }
  base::Timer log_timer(**loop);
  TellLeftOutFromNowOn(log_timer);
  return use(**loop, on_signal);
}

}  // namespace tranche::daemon
