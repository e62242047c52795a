#include "hook/cover.h"

#include <fcntl.h>

#include "hook/birth.h"
#include "hook/elf.h"
#include "hook/mounts.h"
#include "hook/root.h"
#include "hook/search.h"
#include "hook/shims.h"
#include "hook/text.h"

namespace tranche::hook {
namespace {

constexpr std::size_t kMostStateBytes = std::size_t{1} << 20;
constexpr std::size_t kMostConfigBytes = std::size_t{16} << 20;

void Say(Report* report, Reason reason, std::string_view message) {
  report->reason = reason;
  report->message.Clear();
  report->message.Add(message);
}

// The text in what is open; 0 bytes where it is larger than the memory, or cannot be read.
std::size_t ReadText(int descriptor, const Memory& to) {
  const ssize_t size = to.data() == nullptr ? -1 : ReadAll(descriptor, to.data(), to.size());
  return size < 0 || static_cast<std::size_t>(size) == to.size() ? 0
                                                                 : static_cast<std::size_t>(size);
}

bool Learn(int input, const Memory& state, const Memory& config, Birth* birth, Report* report) {
  if (!ReadState(state.data(), ReadText(input, state), birth)) {
    Say(report, Reason::kFailed, "The runtime's state is not what a hook is given.");
    return false;
  }
  report->id.Add(birth->id);
  const Path path = Path(birth->bundle).Add("/config.json");
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid() || !ReadConfig(config.data(), ReadText(file.get(), config), birth) ||
      birth->root.empty()) {
    Say(report, Reason::kFailed, "The bundle's config.json cannot be read, or names no root.");
    return false;
  }
  return true;
}

Path RootOf(const Birth& birth) {
  if (birth.root.front() == '/') return Path(birth.root);
  return Path(birth.bundle).Add("/").Add(birth.root);
}

// First of all, so that programs in the container find out why it has no wall. False where one of
// them is not there: a shim that cannot ask for its limit would hold nothing up.
bool BringFolders(const Root& root, const Shims& shims, const Folders& folders, Report* report) {
  if (folders.walls == nullptr) return true;
  const Mounts mounts(root, shims);
  const Descriptor walls(open(folders.walls, O_PATH | O_DIRECTORY | O_CLOEXEC));
  Failure failure = mounts.BringFolder(folders.shims, kShimsInside);
  if (failure.size() == 0) failure = mounts.BringFolder(walls, kWallsInside);
  if (failure.size() == 0) return true;
  Say(report, Reason::kFailed, failure.view());
  report->message.Add(".");
  return false;
}

class Cover {
 public:
  Cover(const Root& root, const Shims& shims, Report* report)
      : root_(root), shims_(shims), mounts_(root, shims), report_(report) {}

  void All(const Places& places) {
    for (const Place& place : places) {
      if (shims_.empty(place.kind)) continue;
      Report::Entry entry{.path = Line<255>(place.name.view()), .kind = place.kind};
      entry.state = One(place);
      report_->libraries.Add(entry);
      if (place.kind == LibraryKind::kCuda) Count(entry.state);
    }
  }

  void Conclude(bool whole) {
    if (failed_ || too_old_) return;  // said where it was found
    if (covered_ == 0) {
      return Say(report_, Reason::kNoLibcuda, "There is no libcuda in the container.");
    }
    if (!whole) {
      return Say(report_, Reason::kFailed,
                 "The image has more folders to look in for libcuda than are looked at.");
    }
    Say(report_, Reason::kNone, "");
  }

 private:
  State One(const Place& place) {
    const Descriptor found = root_.Find(place.name.view());
    if (shims_.Has(place.id)) return State::kCovered;
    if (place.replaced) return State::kReplaced;
    Library library;
    const Descriptor file = Reopen(found);
    if (!file.valid()) return Fail(place, "the file cannot be read");
    switch (library.Read(file.get())) {
      case FileKind::kOther:
      case FileKind::kOtherMachine:
        return State::kNoLibrary;
      case FileKind::kUnreadable:
        return Fail(place, "it is larger than libraries of its name are, or broken");
      case FileKind::kLibrary:
        break;
    }
    if (!library.NeededFrom(kRealFolder).empty()) {
      return Fail(place, "it is a copy of a shim, which belongs to no image");
    }
    const bool cuda = place.kind == LibraryKind::kCuda;
    if (!library.Exports(cuda ? "cuInit" : "nvmlInit_v2")) return State::kNoLibrary;
    const std::uint64_t version = shims_.VersionFor(place.kind, library);
    if (version == 0) return TooOld(place);
    const Failure failure = mounts_.Cover(place, found, version);
    return failure.size() == 0 ? State::kCovered : Fail(place, failure.view());
  }

  State Fail(const Place& place, std::string_view why) {
    if (place.kind == LibraryKind::kCuda && !failed_) {
      failed_ = true;
      Say(report_, Reason::kFailed, place.name.view());
      report_->message.Add(": ").Add(why).Add(".");
    }
    return State::kFailed;
  }

  State TooOld(const Place& place) {
    if (place.kind == LibraryKind::kCuda && !failed_) {
      too_old_ = true;
      Say(report_, Reason::kTooOld, place.name.view());
      report_->message.Add(" is older than every driver that there is a shim for.");
    }
    return State::kTooOld;
  }

  void Count(State state) {
    if (state == State::kCovered) ++covered_;
  }

  const Root& root_;
  const Shims& shims_;
  Mounts mounts_;
  Report* report_;
  int covered_ = 0;
  bool failed_ = false;
  bool too_old_ = false;
};

}  // namespace

void CoverLibraries(int input, const Folders& folders, Report* report) {
  // Large, and a program has one container.
  static Birth birth;
  static Places places;
  const Memory state(kMostStateBytes);
  const Memory config(kMostConfigBytes);
  if (!Learn(input, state, config, &birth, report)) return;
  if (!KernelCanMount()) {
    return Say(report, Reason::kKernel, "The node's kernel is older than Linux 5.12.");
  }
  const Path path = RootOf(birth);
  const Root root(path.c_str());
  if (!path.whole() || !root.valid()) {
    return Say(report, Reason::kFailed, "The container's root folder cannot be opened.");
  }
  const Shims shims(folders.shims);
  if (!BringFolders(root, shims, folders, report)) return;
  if (shims.empty(LibraryKind::kCuda)) {
    return Say(report, Reason::kArch, "There is no shim for this machine beside the hook.");
  }
  if (HasMuslAlone(root)) {
    return Say(report, Reason::kMusl, "The image has musl and no glibc, which libcuda needs.");
  }
  Search search(root, birth);
  search.Run(&places);
  Cover cover(root, shims, report);
  cover.All(places);
  cover.Conclude(search.whole());
}

}  // namespace tranche::hook
