// tranche-hook, the program that a container runtime runs while it makes a container (OCI hook
// "createContainer"). See --help.
#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): without the C++ library
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers)
#include <unistd.h>

#include <new>
#include <string_view>

#include "hook/cover.h"
#include "hook/memory.h"
#include "hook/report.h"
#include "hook/text.h"

namespace tranche::hook {
namespace {

constexpr char kHelp[] =
    R"(usage: tranche-hook create-container [--walls FOLDER] [--births FOLDER] [--patience SECONDS]

Puts Tranche's shim in front of every libcuda and libnvidia-ml of a container that is being made, by mounts in the
container's own mount namespace. A container runtime runs it as an OCI hook "createContainer" and gives it the
container's state on standard input; `tranche node` writes the CDI file that says so (tranche.dev/shim).

The shims are those in the folder of this program. Its exit status is 0 whatever came of it, so that no container
fails to start because of it. What came of it is written to FOLDER/CONTAINER-ID, where the folder above is there.

  --walls FOLDER      the folder of the node program's socket: it and the folder of this program are mounted in the
                      container, read-only, as /run/tranche/walls and /run/tranche/shim (default: the runtime has)
  --births FOLDER     where that is written (default /run/tranche/births)
  --patience SECONDS  how long it takes at most, also where a file system does not answer (default 10)
  --help              this text

Example, as a runtime does it:
  echo '{"ociVersion":"1.0.2","id":"c1","status":"creating","bundle":"/run/bundle"}' | tranche-hook create-container
)";
constexpr int kUsageError = 2;
constexpr time_t kPatienceSeconds = 10;
constexpr time_t kMostSeconds = 600;

// The folder that this program lies in, in which the shims are too.
Descriptor OwnFolder() {
  char text[4096];
  const ssize_t length = readlink("/proc/self/exe", &text[0], sizeof text);
  if (length <= 0) return Descriptor();
  const Path path(FolderName({&text[0], static_cast<std::size_t>(length)}));
  return Descriptor(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Until the child ends, or for as long as is waited at most; false where it had to be ended.
bool WaitFor(pid_t child, const sigset_t& ended, time_t seconds, int* status) {
  timespec until = {};
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += seconds;
  for (;;) {
    if (waitpid(child, status, WNOHANG) == child) return true;
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    timespec left = {.tv_sec = until.tv_sec - now.tv_sec, .tv_nsec = until.tv_nsec - now.tv_nsec};
    if (left.tv_nsec < 0) {
      --left.tv_sec;
      left.tv_nsec += 1'000'000'000;
    }
    if (left.tv_sec < 0) break;
    sigtimedwait(&ended, nullptr, &left);
  }
  // It may be in a call that cannot be ended, on a file system that does not answer: nobody waits.
  kill(child, SIGKILL);
  return false;
}

struct Options {
  const char* walls = nullptr;
  const char* births = kBirthsFolder;
  time_t patience = kPatienceSeconds;
};

void CreateContainer(const Options& options) {
  umask(022);
  void* shared =
      mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return;
  auto* report = new (shared) Report();
  sigset_t ended = {};
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ended, nullptr);
  const pid_t child = fork();
  if (child == 0) {
    CoverLibraries(STDIN_FILENO, {.shims = OwnFolder(), .walls = options.walls}, report);
    _exit(0);
  }
  int status = 0;
  const bool done = child > 0 && WaitFor(child, ended, options.patience, &status);
  if (!done || !WIFEXITED(status)) {
    report->reason = Reason::kFailed;
    report->message.Clear();
    report->message.Add(done ? "The hook crashed." : "The hook did not end in time.");
  }
  Write(options.births, *report);
}

time_t Seconds(std::string_view text) {
  time_t seconds = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || seconds > kMostSeconds) return kPatienceSeconds;
    seconds = seconds * 10 + (digit - '0');
  }
  return text.empty() || seconds > kMostSeconds ? kPatienceSeconds : seconds;
}

int Run(int count, char** arguments) {
  const std::string_view command = count > 1 ? arguments[1] : "";
  if (command == "--help" || command == "-h") {
    Print(STDOUT_FILENO, kHelp);
    return 0;
  }
  if (command != "create-container") {
    Print(STDERR_FILENO, "tranche-hook: the one command is create-container (see --help)\n");
    return kUsageError;
  }
  Options options;
  // Another version's options are passed by: a container is to start in any case.
  for (int i = 2; i + 1 < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--walls") options.walls = arguments[++i];
    if (option == "--births") options.births = arguments[++i];
    if (option == "--patience") options.patience = Seconds(arguments[++i]);
  }
  CreateContainer(options);
  return 0;
}

}  // namespace
}  // namespace tranche::hook

int main(int count, char** arguments) { return tranche::hook::Run(count, arguments); }
