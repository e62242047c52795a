#include "rpc/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tranche::rpc {
namespace {

base::Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return base::Status(base::Code::kInvalidArgument,
                        "a socket path has 1 to " + std::to_string(sizeof(address.sun_path) - 1) +
                            " bytes, not " + std::to_string(path.size()) + ": " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

base::Result<base::UniqueFd> NewSocket(const std::string& path) {
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return base::ErrnoStatus(errno, "making a socket for " + path);
  return fd;
}

}  // namespace

base::Result<base::UniqueFd> ListenOnUnixSocket(const std::string& path, int mode, int backlog) {
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  auto fd = NewSocket(path);
  if (!fd.ok()) return fd.status();

  struct stat existing {};
  if (::lstat(path.c_str(), &existing) == 0) {
    if (!S_ISSOCK(existing.st_mode)) {
      return base::Status(base::Code::kAlreadyExists, path + " exists and is not a socket");
    }
    ::unlink(path.c_str());
  }
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  if (::bind(fd->get(), generic, sizeof(sockaddr_un)) != 0) {
    return base::ErrnoStatus(errno, "binding " + path);
  }
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0 || ::listen(fd->get(), backlog) != 0) {
    const int error = errno;
    ::unlink(path.c_str());
    return base::ErrnoStatus(error, "listening on " + path);
  }
  return fd;
}

base::Result<base::UniqueFd> ConnectToUnixSocket(const std::string& path) {
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  auto fd = NewSocket(path);
  if (!fd.ok()) return fd.status();
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  // A unix socket connects at once or not at all (EAGAIN: the listener's queue is full).
  if (::connect(fd->get(), generic, sizeof(sockaddr_un)) != 0) {
    return base::ErrnoStatus(errno, "connecting to " + path);
  }
  return fd;
}

}  // namespace tranche::rpc
