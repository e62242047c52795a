#include "node/identity/proc.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/file.h"

namespace tranche::node::identity {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kMaxBytes = 64U << 10;
constexpr std::size_t kUsualBytes = 4096;  // more than most of these files have
constexpr int kStartField = 22;            // counted from 1
constexpr int kFieldAfterName = 3;

class RealProc : public Proc {
 public:
  explicit RealProc(std::string root) : root_(std::move(root)), directory_(OpenRoot()) {}

  Result<std::string> Read(unsigned pid, std::string_view name) override {
    std::string path = std::to_string(pid);
    path += '/';
    path += name;
    return ReadBelow(path);
  }

  Result<std::string> ReadDescriptor(int fd) override {
    return ReadBelow("self/fdinfo/" + std::to_string(fd));
  }

  bool AnyNamed(std::string_view comm) override {
    const auto names = base::ListDirectory(root_);
    if (!names.ok()) return false;
    for (const std::string& name : *names) {
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto text = base::ReadFile(root_ + "/" + name + "/comm", kMaxBytes);
      if (text.ok() && text->substr(0, text->find('\n')) == comm) return true;
    }
    return false;
  }

 private:
  [[nodiscard]] base::UniqueFd OpenRoot() const {
    return base::UniqueFd(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  // Programs that start wait for this: three system calls, and no memory but what is given back.
  Result<std::string> ReadBelow(const std::string& path) {
    if (!directory_.valid()) directory_ = OpenRoot();
    const base::UniqueFd fd(
        openat(directory_.get(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) return Failed(path);
    std::array<char, kUsualBytes> usual;
    ssize_t got = read(fd.get(), usual.data(), usual.size());
    if (got < 0) return Failed(path);
    std::string text(usual.data(), static_cast<std::size_t>(got));
    while (static_cast<std::size_t>(got) == usual.size()) {
      if (text.size() > kMaxBytes) {
        return Status(Code::kNotFound, path + " is larger than " + std::to_string(kMaxBytes));
      }
      got = read(fd.get(), usual.data(), usual.size());
      if (got < 0) return Failed(path);
      text.append(usual.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  // A process that ends while it is read answers "no such process" instead.
  [[nodiscard]] Status Failed(const std::string& path) const {
    Status failed = base::ErrnoStatus(errno, base::JoinPath(root_, path));
    if (failed.code() == Code::kPermissionDenied) return failed;
    return {Code::kNotFound, failed.message()};
  }

  const std::string root_;
  base::UniqueFd directory_;
};

}  // namespace

std::unique_ptr<Proc> NewProc(std::string root) {
  return std::make_unique<RealProc>(std::move(root));
}

Result<std::uint64_t> ReadStartTicks(std::string_view stat) {
  const Status bad{Code::kInvalidArgument, "no /proc/PID/stat"};
  const auto name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return bad;
  std::string_view rest = stat.substr(name_end + 1);
  for (int field = kFieldAfterName;; ++field) {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return bad;
    rest.remove_prefix(begin);
    if (field == kStartField) break;
    const auto end = rest.find(' ');
    if (end == std::string_view::npos) return bad;
    rest.remove_prefix(end);
  }
  std::uint64_t ticks = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), ticks);
  if (error != std::errc()) return bad;
  return ticks;
}

}  // namespace tranche::node::identity
