#include "sim/driver/watcher.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

#include "sim/driver/mirror.h"
#include "sim/node/state_writer.h"

namespace tranche::sim::driver {
namespace {

// In the child: waits for a byte (the driver ends as it should) or for the end of the driver.
[[noreturn]] void Watch(int pipe, const std::string& state_path, std::uint32_t driver) {
  prctl(PR_SET_NAME, "sim-driver-eye");
  setsid();  // what ends the driver's whole group had better leave this
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) signal(number, SIG_IGN);
  char told = 0;
  ssize_t got = 0;
  do {
    got = read(pipe, &told, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 0) {
    const auto state = StateWriter::Open(state_path);
    if (state.ok()) static_cast<void>(ShowDeath(**state, driver));
  }
  _exit(0);
}

}  // namespace

base::Result<std::unique_ptr<Watcher>> Watcher::Start(const std::string& state_path) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe2");
  const base::UniqueFd reading(ends[0]);
  base::UniqueFd writing(ends[1]);
  const auto driver = static_cast<std::uint32_t>(getpid());
  const pid_t child = fork();
  if (child < 0) return base::ErrnoStatus(errno, "fork");
  if (child == 0) {
    close(writing.release());
    Watch(reading.get(), state_path, driver);
  }
  return std::unique_ptr<Watcher>(new Watcher(std::move(writing), child));
}

Watcher::~Watcher() {
  const char told = 1;
  // A watcher that is gone already has nothing to be told.
  [[maybe_unused]] const ssize_t written = write(pipe_.get(), &told, 1);
  waitpid(pid_, nullptr, 0);
}

}  // namespace tranche::sim::driver
