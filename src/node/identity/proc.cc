#include "node/identity/proc.h"

#include <charconv>
#include <utility>

#include "base/file.h"

namespace tranche::node::identity {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kMaxBytes = 64U << 10;
constexpr int kStartField = 22;  // counted from 1
constexpr int kFieldAfterName = 3;

class RealProc : public Proc {
 public:
  explicit RealProc(std::string root) : root_(std::move(root)) {}

  Result<std::string> Read(unsigned pid, std::string_view name) override {
    auto text =
        base::ReadFile(base::JoinPath(base::JoinPath(root_, std::to_string(pid)), name), kMaxBytes);
    // A process that ends while it is read answers "no such process" instead.
    if (!text.ok() && text.status().code() != Code::kPermissionDenied) {
      return Status(Code::kNotFound, text.status().message());
    }
    return text;
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
  const std::string root_;
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
