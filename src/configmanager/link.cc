#include "configmanager/link.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>

#include "base/file.h"

namespace tranche::configmanager {

std::optional<std::string> LinkTarget(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = readlink(path.c_str(), buffer.data(), buffer.size());
  if (length <= 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(length));
}

bool LeadToTheSameFile(const std::string& a, const std::string& b) {
  struct stat first {};
  struct stat second {};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

base::Status PointLink(const std::string& path, const std::string& target) {
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(path)));
  std::uint64_t token = 0;
  if (getrandom(&token, sizeof(token), 0) != static_cast<ssize_t>(sizeof(token))) {
    return base::ErrnoStatus(errno, "getrandom");
  }
  const std::string temporary = path + ".tmp." + std::to_string(token);
  if (symlink(target.c_str(), temporary.c_str()) != 0) {
    return base::ErrnoStatus(errno, "make the link " + path);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    base::Status status = base::ErrnoStatus(errno, "put the link to " + target + " at " + path);
    unlink(temporary.c_str());
    return status;
  }
  return base::Status::Ok();
}

}  // namespace tranche::configmanager
