#include "configmanager/signal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>

#include "base/file.h"
#include "base/log.h"

namespace tranche::configmanager {

namespace {

// The last of the real-time signals: signal(7).
constexpr int kMaxSignal = 64;

std::optional<int> Number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Whether the NUL-ended argv[0] of the command line at `path` is `name`.
bool IsCalled(const std::string& path, const std::string& name) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return false;
  std::string start(name.size() + 1, '\xff');
  std::size_t got = 0;
  while (got < start.size()) {
    const ssize_t more = read(fd.get(), start.data() + got, start.size() - got);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) break;
    got += static_cast<std::size_t>(more);
  }
  // A program that rewrites its title may leave the NUL out at the very end.
  if (got == name.size()) return !name.empty() && start.compare(0, got, name) == 0;
  return got == start.size() && start.compare(0, name.size(), name) == 0 && start.back() == '\0';
}

}  // namespace

base::Result<int> ParseSignal(std::string_view text) {
  const base::Status wrong{base::Code::kInvalidArgument,
                           "'" + base::Printable(text, 64) + "' is no signal"};
  if (const auto number = Number(text)) {
    if (*number < 0 || *number > kMaxSignal) return wrong;
    return *number;
  }
  std::string name(text);
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
  });
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal <= kMaxSignal; ++signal) {
    const char* known = sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  return wrong;
}

std::vector<pid_t> FindProcesses(const std::string& proc_directory, const std::string& name) {
  std::vector<pid_t> found;
  const auto entries = base::ListDirectory(proc_directory);
  if (!entries.ok()) return found;
  for (const std::string& entry : *entries) {
    const auto pid = Number(entry);
    if (!pid || *pid <= 0 || *pid == getpid()) continue;
    if (IsCalled(base::JoinPath(base::JoinPath(proc_directory, entry), "cmdline"), name)) {
      found.push_back(*pid);
    }
  }
  std::ranges::sort(found);
  return found;
}

Signalled SignalProcesses(const std::string& proc_directory, const std::string& name, int signal) {
  Signalled out;
  for (const pid_t pid : FindProcesses(proc_directory, name)) {
    if (kill(pid, signal) == 0) {
      ++out.sent;
    } else if (errno != ESRCH) {  // it has ended meanwhile
      out.status = base::ErrnoStatus(errno, "signal process " + std::to_string(pid));
    }
  }
  return out;
}

}  // namespace tranche::configmanager
