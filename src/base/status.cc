#include "base/status.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tranche::base {

namespace {

Code CodeOfErrno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case EEXIST:
      return Code::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Code::kResourceExhausted;
    default:
      return Code::kUnavailable;
  }
}

}  // namespace

Status ErrnoStatus(int error_number, std::string_view context) {
  char buffer[128];
  // The GNU strerror_r: returns the text, which need not be in the buffer.
  const char* text = strerror_r(error_number, buffer, sizeof(buffer));
  return {CodeOfErrno(error_number), std::string(context) + ": " + text};
}

void Crash(const char* file, int line, std::string_view what) {
  const std::string text = std::string(file) + ":" + std::to_string(line) +
                           ": broken invariant: " + std::string(what) + "\n";
  // The process is about to end; a short write changes nothing, but one that waits for a reader
  // would keep it from ending.
  pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  }
  std::abort();
}

}  // namespace tranche::base
