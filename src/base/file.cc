#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace tranche::base {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

Result<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  // O_NONBLOCK: a fifo in place of a file must not hang the loop.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "open " + path);
  std::string bytes;
  // Most files are small, and what is read into is filled with zeros before.
  constexpr std::size_t kFirstChunk = 4U << 10U;
  constexpr std::size_t kLongestChunk = 64U << 10U;
  max_bytes = std::min(max_bytes, bytes.max_size() - 1);
  for (;;) {
    const std::size_t have = bytes.size();
    const std::size_t chunk = std::clamp(have, kFirstChunk, kLongestChunk);
    bytes.resize(have + std::min(chunk, max_bytes + 1 - have));
    const ssize_t got = read(fd.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) {
      bytes.resize(have);
      continue;
    }
    if (got < 0) return ErrnoStatus(errno, "read " + path);
    bytes.resize(have + static_cast<std::size_t>(got));
    if (got == 0) return bytes;
    if (bytes.size() > max_bytes) {
      return Status(Code::kOutOfRange,
                    path + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

namespace {

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Status::Ok();
}

// Errors name `path`, for which `temporary` is made: another name each time would make each failure
// look like a new one.
Status WriteNew(const std::string& temporary, const std::string& path, std::string_view bytes,
                mode_t mode, Durability durability) {
  const UniqueFd fd(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) return ErrnoStatus(errno, "create " + path);
  TRANCHE_TRY(WriteAll(fd.get(), bytes, path));
  if (fchmod(fd.get(), mode) != 0) return ErrnoStatus(errno, "chmod " + path);
  if (durability == Durability::kSynced && fsync(fd.get()) != 0)
    return ErrnoStatus(errno, "fsync " + path);
  return Status::Ok();
}

// The new name is the directory's content, and flushed with it.
Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open " + path);
  if (fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync " + path);
  return Status::Ok();
}

}  // namespace

Status WriteFileAtomic(const std::string& path, std::string_view bytes, mode_t mode,
                       Durability durability) {
  TRANCHE_TRY(MakeDirectories(ParentDirectory(path)));
  // Two agents on one node must not write into each other's temporary file, and in containers both
  // may be pid 1.
  std::uint64_t token = 0;
  if (getrandom(&token, sizeof(token), 0) != static_cast<ssize_t>(sizeof(token))) {
    return ErrnoStatus(errno, "getrandom");
  }
  const std::string temporary = path + ".tmp." + std::to_string(token);
  Status status = WriteNew(temporary, path, bytes, mode, durability);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, "replace " + path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  if (durability == Durability::kSynced) return SyncDirectory(ParentDirectory(path));
  return Status::Ok();
}

Status MakeDirectories(const std::string& path, mode_t mode) {
  if (path.empty() || path == "/") return Status::Ok();
  if (mkdir(path.c_str(), mode) == 0) return Status::Ok();
  if (errno == ENOENT) {
    TRANCHE_TRY(MakeDirectories(ParentDirectory(path), mode));
    if (mkdir(path.c_str(), mode) == 0) return Status::Ok();
  }
  struct stat info {};
  const int error = errno;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Status::Ok();
  return ErrnoStatus(error, "create directory " + path);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return ErrnoStatus(errno, "open directory " + path);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  while (directory.size() > 1 && directory.ends_with('/')) directory.remove_suffix(1);
  while (name.starts_with('/')) name.remove_prefix(1);
  if (directory.empty()) return std::string(name);
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

std::string ParentDirectory(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string BaseName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

FileIdentity IdentityOf(const std::string& path) {
  struct statx info {};
  if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &info) !=
      0) {
    return {};
  }
  const bool has_birth = (info.stx_mask & STATX_BTIME) != 0;
  const statx_timestamp& time = has_birth ? info.stx_btime : info.stx_ctime;
  return {.device = (std::uint64_t{info.stx_dev_major} << 32U) | info.stx_dev_minor,
          .inode = info.stx_ino,
          .birth_time_ns = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

bool SameFile(int fd, const std::string& path) {
  struct stat open_file {};
  struct stat named {};
  return fstat(fd, &open_file) == 0 && lstat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

}  // namespace tranche::base
