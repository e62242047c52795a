#include "cli/top/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace tranche::cli::top {

namespace {

using base::Code;
using base::Result;
using base::Status;

// xterm's alternate screen (1049), without the cursor (25) and without lines that wrap (7).
constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H";
// The end of an update too, should it have been cut off, and no colour.
constexpr char kLeave[] = "\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// setlocale(3): the first of these that is set counts.
bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string locale = Variable(name);
    if (locale.empty()) continue;
    return strcasestr(locale.c_str(), "UTF-8") != nullptr ||
           strcasestr(locale.c_str(), "UTF8") != nullptr;
  }
  return false;
}

}  // namespace

bool CanDrawScreens() {
  const std::string kind = Variable("TERM");
  return !kind.empty() && kind != "dumb";
}

Looks LooksOfOutput() {
  return {.color = CanDrawScreens() ? common::ColorOfOutput() : common::Color::kOff,
          .unicode = isatty(STDOUT_FILENO) != 1 || LocaleIsUtf8()};
}

Result<std::unique_ptr<Terminal>> Terminal::Take() {
  termios before{};
  if (isatty(STDOUT_FILENO) != 1 || tcgetattr(STDIN_FILENO, &before) != 0) {
    return Status(Code::kFailedPrecondition, "standard input and output are not a terminal");
  }
  if (!CanDrawScreens()) {
    return Status(Code::kFailedPrecondition, "the terminal (TERM) is one without a cursor to move");
  }
  std::unique_ptr<Terminal> terminal(new Terminal(before));
  terminal->Enter();
  return terminal;
}

Terminal::~Terminal() { Leave(); }

void Terminal::Enter() {
  termios raw = before_;
  cfmakeraw(&raw);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  Write(kEnter);
}

void Terminal::Leave() {
  // One that takes nothing for so long has a line that is cut: nobody waits for that.
  constexpr int kPatienceMs = 1000;
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&output, 1, kPatienceMs) == 1) Write(kLeave);
  tcflush(STDIN_FILENO, TCIFLUSH);
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void Terminal::Stop() {
  Leave();
  raise(SIGSTOP);
  Enter();
}

TerminalSize Terminal::Size() {
  winsize size{};
  TerminalSize found;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return found;
  if (size.ws_col > 0) found.columns = size.ws_col;
  if (size.ws_row > 0) found.rows = size.ws_row;
  return found;
}

bool Terminal::TakesMore() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLOUT) != 0;
}

bool Terminal::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
      poll(&output, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

std::string Terminal::Read() {
  std::array<char, 256> bytes{};
  ssize_t count = 0;
  do {
    count = read(STDIN_FILENO, bytes.data(), bytes.size());
  } while (count < 0 && errno == EINTR);
  if (count > 0) return {bytes.data(), static_cast<std::size_t>(count)};
  return "";
}

}  // namespace tranche::cli::top
