#include "base/log_output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace tranche::base {

namespace {

constexpr Duration kReportEvery = std::chrono::seconds(1);
constexpr std::size_t kMaxShown = 120;

std::size_t KindOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 0;
    case LogLevel::kInfo:
      return 1;
    case LogLevel::kWarning:
    case LogLevel::kError:
      return 2;
  }
  return 2;
}

}  // namespace

bool LogOutput::Admit(LogLevel level, std::string_view message, TimePoint now) {
  if (budgets_[KindOf(level)].Take(now)) return true;
  Remember(message);
  ++left_out_.over_budget;
  return false;
}

void LogOutput::Write(std::string_view line, std::string_view message) {
  if (Put(line)) return;
  Remember(message);
  ++left_out_.unread;
}

bool LogOutput::ReportIsDue(TimePoint now) const {
  return left_out_.over_budget + left_out_.unread > 0 && now - reported_ >= kReportEvery;
}

void LogOutput::WriteReport(std::string_view line, TimePoint now) {
  if (!Put(line)) return;
  left_out_ = {};
  reported_ = now;
}

bool LogOutput::Put(std::string_view line) {
  if (!WriteSome(rest_)) return false;
  rest_ = line;
  // A line that has begun is ended before the next one; one of which nothing is written is dropped.
  if (WriteSome(rest_) || rest_.size() < line.size()) return true;
  rest_.clear();
  return false;
}

// Writes what the descriptor takes at once, and removes that from `bytes`: true where that is all.
// It never waits: the descriptor is asked first, and a pipe that has room takes PIPE_BUF bytes
// whole (pipe(7)). That holds as long as no other process fills the same pipe in between; in a
// container none does.
bool LogOutput::WriteSome(std::string& bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) break;
    const std::size_t size = std::min<std::size_t>(bytes.size() - done, PIPE_BUF);
    const ssize_t written = write(fd_, bytes.data() + done, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  bytes.erase(0, done);
  return bytes.empty();
}

void LogOutput::Remember(std::string_view message) {
  if (left_out_.over_budget + left_out_.unread == 0)
    left_out_.first = Printable(message, kMaxShown);
}

}  // namespace tranche::base
