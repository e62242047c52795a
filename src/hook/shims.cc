#include "hook/shims.h"

#include <fcntl.h>

namespace tranche::hook {
namespace {

constexpr std::size_t kMostNames = 1024;
constexpr std::string_view kEnd = ".so.1";

std::string_view StartOf(LibraryKind kind) {
  return kind == LibraryKind::kCuda ? "libcuda.tranche-" : "libnvidia-ml.tranche-";
}

// Takes a number from the front of the text; false where there is none.
bool TakeNumber(std::string_view* text, std::uint64_t* number) {
  std::size_t digits = 0;
  *number = 0;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9' && digits < 9) {
    *number = *number * 10 + static_cast<std::uint64_t>(text->front() - '0');
    text->remove_prefix(1);
    ++digits;
  }
  return digits > 0;
}

bool ReadName(std::string_view name, LibraryKind kind, std::uint64_t* version,
              std::uint64_t* number) {
  if (!name.starts_with(StartOf(kind)) || !name.ends_with(kEnd)) return false;
  name.remove_prefix(StartOf(kind).size());
  *number = 0;
  if (!TakeNumber(&name, version) || *version == 0) return false;
  if (name.starts_with("-")) {
    name.remove_prefix(1);
    if (!TakeNumber(&name, number)) return false;
  }
  return name == kEnd;
}

Line<255> NameOf(LibraryKind kind, std::uint64_t version, std::size_t number) {
  Line<255> name(StartOf(kind));
  name.Add(version);
  if (number > 0) name.Add("-").Add(std::uint64_t{number});
  name.Add(kEnd);
  return name;
}

bool ExportsAllOf(const Library& library, const Library& shim) {
  std::size_t next = 0;
  for (std::string_view name = shim.Exported(&next); !name.empty(); name = shim.Exported(&next)) {
    if (!library.Exports(name)) return false;
  }
  return true;
}

}  // namespace

Shims::Shims(const Descriptor& folder) : folder_(folder) {
  std::string_view name;
  for (FolderNames names(folder, kMostNames); names.Next(&name);) {
    for (const LibraryKind kind : {LibraryKind::kCuda, LibraryKind::kNvml}) {
      Entry entry = {.kind = kind};
      struct stat status = {};
      const Line<255> plain(name);
      if (ReadName(name, kind, &entry.version, &entry.number) &&
          fstatat(folder.get(), plain.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISREG(status.st_mode)) {
        entry.id = IdOf(status);
        entries_.Add(entry);
      }
    }
  }
}

bool Shims::empty(LibraryKind kind) const {
  for (const Entry& entry : entries_) {
    if (entry.kind == kind) return false;
  }
  return true;
}

std::uint64_t Shims::VersionFor(LibraryKind kind, const Library& library) const {
  std::uint64_t newest = 0;
  for (const Entry& entry : entries_) {
    if (entry.kind != kind || entry.number != 0 || entry.version <= newest) continue;
    Library shim;
    const Descriptor file = Reopen(Find(kind, entry.version, 0));
    if (shim.Read(file.get()) == FileKind::kLibrary && ExportsAllOf(library, shim)) {
      newest = entry.version;
    }
  }
  return newest;
}

Descriptor Shims::Find(LibraryKind kind, std::uint64_t version, std::size_t number) const {
  return Descriptor(openat(folder_.get(), NameOf(kind, version, number).c_str(),
                           O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

bool Shims::Has(FileId id) const {
  for (const Entry& entry : entries_) {
    if (entry.id == id) return true;
  }
  return false;
}

}  // namespace tranche::hook
