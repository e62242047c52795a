#include "hook/report.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>

#include "hook/root.h"

namespace tranche::hook {
namespace {

// Where nobody clears the folder away, it is not filled without end.
constexpr std::size_t kMostFiles = 8192;
using Text = Line<8191>;

Text TextOf(const Report& report) {
  Text text(R"({"walls":")");
  text.Add(report.reason == Reason::kNone ? "yes" : "no");
  text.Add(R"(","reason":")").Add(WordOf(report.reason));
  text.Add(R"(","message":")").AddEscaped(report.message.view());
  text.Add(R"(","libraries":[)");
  for (std::size_t i = 0; i < report.libraries.size(); ++i) {
    const Report::Entry& entry = report.libraries[i];
    // The last of many are left out: what stands there is whole.
    if (text.size() + 6 * entry.path.size() + 64 > 8000) break;
    text.Add(i == 0 ? R"({"path":")" : R"(,{"path":")").AddEscaped(entry.path.view());
    text.Add(R"(","state":")").Add(WordOf(entry.state)).Add("\"}");
  }
  return text.Add("]}\n");
}

bool HasRoom(const Descriptor& folder) {
  std::size_t files = 0;
  std::string_view name;
  for (FolderNames names(folder, kMostFiles); names.Next(&name);) ++files;
  return files < kMostFiles;
}

// The folder itself is made only where its parent is.
Descriptor OpenFolder(const char* path) {
  if (mkdir(path, 0700) == 0) chmod(path, 0700);
  return Descriptor(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

std::string_view WordOf(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "";
    case Reason::kMusl:
      return "musl";
    case Reason::kArch:
      return "arch";
    case Reason::kNoLibcuda:
      return "no-libcuda";
    case Reason::kTooOld:
      return "too-old";
    case Reason::kKernel:
      return "kernel";
    case Reason::kFailed:
      break;
  }
  return "failed";
}

std::string_view WordOf(State state) {
  switch (state) {
    case State::kCovered:
      return "covered";
    case State::kReplaced:
      return "replaced";
    case State::kNoLibrary:
      return "no-library";
    case State::kTooOld:
      return "too-old";
    case State::kFailed:
      break;
  }
  return "failed";
}

bool IsPlainId(std::string_view id) {
  if (id.empty() || id.size() > 128 || id.front() == '.') return false;
  for (const char byte : id) {
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                       (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '_' || byte == '.';
    if (!plain) return false;
  }
  return true;
}

bool Write(const char* folder, const Report& report) {
  if (!IsPlainId(report.id.view())) return false;
  const Descriptor open_folder = OpenFolder(folder);
  if (!open_folder.valid() || !HasRoom(open_folder)) return false;
  const Text text = TextOf(report);
  const Line<160> beside = Line<160>(".").Add(report.id.view()).Add(".new");
  unlinkat(open_folder.get(), beside.c_str(), 0);
  const Descriptor file(openat(open_folder.get(), beside.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return false;
  const bool written =
      write(file.get(), text.c_str(), text.size()) == static_cast<ssize_t>(text.size());
  if (written &&
      renameat(open_folder.get(), beside.c_str(), open_folder.get(), report.id.c_str()) == 0) {
    return true;
  }
  unlinkat(open_folder.get(), beside.c_str(), 0);
  return false;
}

}  // namespace tranche::hook
