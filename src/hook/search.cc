#include "hook/search.h"

#include <fnmatch.h>

namespace tranche::hook {
namespace {

constexpr LibraryKind kKinds[] = {LibraryKind::kCuda, LibraryKind::kNvml};
constexpr std::size_t kMostNames = 20'000;                      // of one folder
constexpr std::size_t kMostConfigBytes = std::size_t{1} << 20;  // of one file
constexpr int kMostIncludes = 4;                                // one in the other
constexpr std::string_view kUsualFolders[] = {
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib",
    "/lib/x86_64-linux-gnu",
    "/lib64",
    "/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib64/nvidia",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/run/nvidia/driver/usr/lib64",
    "/run/opengl-driver/lib",
};

bool IsNameOf(LibraryKind kind, std::string_view name) {
  if (!name.starts_with(FileNameOf(kind))) return false;
  name.remove_prefix(FileNameOf(kind).size());
  return name.empty() || name.front() == '.';
}

// What a package calls the library, or its link: later hooks may make a link of that name.
bool IsLinkName(LibraryKind kind, std::string_view name) {
  return name == FileNameOf(kind) ||
         (name.starts_with(FileNameOf(kind)) && name.ends_with(".so.1"));
}

std::string_view Trimmed(std::string_view line) {
  if (const std::size_t hash = line.find('#'); hash != std::string_view::npos) {
    line.remove_suffix(line.size() - hash);
  }
  constexpr std::string_view kSpace = " \t\r";
  while (!line.empty() && kSpace.find(line.front()) != std::string_view::npos) {
    line.remove_prefix(1);
  }
  while (!line.empty() && kSpace.find(line.back()) != std::string_view::npos) {
    line.remove_suffix(1);
  }
  return line;
}

// The text before the first of `separators`, which goes from `rest` together with it.
std::string_view TakeUntil(std::string_view separators, std::string_view* rest) {
  const std::size_t end = rest->find_first_of(separators);
  std::string_view taken = *rest;
  if (end == std::string_view::npos) {
    *rest = {};
    return taken;
  }
  taken.remove_suffix(taken.size() - end);
  rest->remove_prefix(end + 1);
  return taken;
}

}  // namespace

std::string_view FileNameOf(LibraryKind kind) {
  return kind == LibraryKind::kCuda ? "libcuda.so" : "libnvidia-ml.so";
}

bool HasMuslAlone(const Root& root) {
  for (const std::string_view loader :
       {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"}) {
    if (root.Find(loader).valid()) return false;
  }
  return root.Find("/lib/ld-musl-x86_64.so.1").valid() ||
         root.Find("/lib/ld-musl-aarch64.so.1").valid();
}

void Search::Run(Places* places) {
  places_ = places;
  LearnLinks();
  // First what is sure to be the driver's own: numbers are given in this order.
  LookAtMounted();
  for (const std::string_view folder : birth_.cached) LookIn(folder);
  LookInUsualFolders();
  LookInList(birth_.library_path);
  LookInToolkits();
  LookInConfigured("/etc/ld.so.conf", 0);
  FollowInclude("/etc/ld.so.conf.d/*.conf", 0);
  if (!birth_.mounts.whole() || !birth_.cached.whole()) whole_ = false;
}

bool Search::Spend(std::size_t amount) {
  if (left_ <= amount) {
    left_ = 0;
    return false;
  }
  left_ -= amount;
  return true;
}

void Search::LearnLinks() {
  for (const std::string_view link : birth_.links) {
    const std::string_view name = BaseName(link);
    if (!IsNameOf(LibraryKind::kCuda, name) && !IsNameOf(LibraryKind::kNvml, name)) continue;
    const Descriptor folder = root_.Find(FolderName(link));
    struct stat status = {};
    if (!folder.valid() || fstat(folder.get(), &status) != 0) continue;
    links_.Add({.folder = IdOf(status), .name = Line<63>(name)});
  }
}

void Search::LookAtMounted() {
  for (const std::string_view mounted : birth_.mounts) {
    for (const LibraryKind kind : kKinds) {
      if (IsNameOf(kind, BaseName(mounted)))
        LookAt(Path(FolderName(mounted)), {}, kind, BaseName(mounted));
    }
  }
  for (const std::string_view mounted : birth_.mounts) {
    for (const LibraryKind kind : kKinds) {
      if (IsNameOf(kind, BaseName(mounted))) LookIn(FolderName(mounted));
    }
  }
}

void Search::LookInUsualFolders() {
  for (const std::string_view folder : kUsualFolders) LookIn(folder);
}

void Search::LookInToolkits() {
  const Descriptor local = root_.OpenFolder("/usr/local");
  std::string_view name;
  for (FolderNames names(local, kMostNames); names.Next(&name);) {
    if (!Spend(1)) return;
    if (!name.starts_with("cuda")) continue;
    const Path toolkit = Path("/usr/local/").Add(name);
    LookInCompat(Path(toolkit.view()).Add("/compat").view());
    LookIn(Path(toolkit.view()).Add("/lib64").view());
  }
}

// NVIDIA's larger images have the libraries in a folder below, and a link to it that their start
// script makes.
void Search::LookInCompat(std::string_view folder) {
  LookIn(folder);
  const Descriptor open = root_.OpenFolder(folder);
  std::string_view name;
  for (FolderNames names(open, kMostNames); names.Next(&name);) {
    if (!Spend(1)) return;
    if (name.starts_with("lib") && name.find(".so") == std::string_view::npos) {
      LookIn(Path(folder).Add("/").Add(name).view());
    }
  }
}

void Search::LookInConfigured(std::string_view file, int depth) {
  const Descriptor open = root_.OpenFile(file);
  struct stat status = {};
  if (!open.valid() || fstat(open.get(), &status) != 0) return;
  for (const FileId& known : configurations_) {
    if (known == IdOf(status)) return;
  }
  if (!configurations_.Add(IdOf(status))) {
    whole_ = false;
    return;
  }
  const Memory text(kMostConfigBytes);
  const ssize_t size = text.data() == nullptr ? -1 : ReadAll(open.get(), text.data(), text.size());
  if (size < 0) return;
  if (static_cast<std::size_t>(size) == text.size()) whole_ = false;
  std::string_view rest(text.data(), static_cast<std::size_t>(size));
  while (!rest.empty()) {
    if (!Spend(1)) return;
    std::string_view line = Trimmed(TakeUntil("\n", &rest));
    constexpr std::string_view kInclude = "include";
    if (line.starts_with("/")) {
      LookIn(Trimmed(TakeUntil("=", &line)));
    } else if (line.starts_with(kInclude)) {
      line.remove_prefix(kInclude.size());
      FollowInclude(Trimmed(line), depth);
    }
  }
}

// The last part of the pattern may have wildcards.
void Search::FollowInclude(std::string_view pattern, int depth) {
  if (depth == kMostIncludes || pattern.empty()) return;
  const Path whole = pattern.front() == '/' ? Path(pattern) : Path("/etc/").Add(pattern);
  const Line<255> last(BaseName(whole.view()));
  const std::string_view folder = FolderName(whole.view());
  const Descriptor open = root_.OpenFolder(folder.empty() ? "/" : folder);
  std::string_view name;
  for (FolderNames names(open, kMostNames); names.Next(&name);) {
    if (!Spend(1)) return;
    const Line<255> plain(name);
    if (!last.whole() || fnmatch(last.c_str(), plain.c_str(), FNM_PERIOD) != 0) continue;
    LookInConfigured(Path(folder).Add("/").Add(name).view(), depth + 1);
  }
}

void Search::LookInList(std::string_view list) {
  while (!list.empty()) {
    if (!Spend(1)) return;
    const std::string_view folder = TakeUntil(":;", &list);
    if (folder.empty() || folder.front() != '/') {
      LookIn(Path(birth_.folder).Add("/").Add(folder).view());
    } else {
      LookIn(folder);
    }
  }
}

void Search::LookIn(std::string_view folder) {
  if (!Spend(1)) return;
  const Descriptor open = root_.OpenFolder(folder.empty() ? "/" : folder);
  struct stat status = {};
  if (!open.valid() || fstat(open.get(), &status) != 0) return;
  for (const FileId& known : folders_) {
    if (known == IdOf(status)) return;
  }
  if (!folders_.Add(IdOf(status))) {
    whole_ = false;
    return;
  }
  const Path path = root_.NameOf(open);
  // The libraries of a CUDA toolkit to link with: no program runs with them.
  if (BaseName(path.view()) == "stubs") return;
  std::string_view name;
  std::size_t seen = 0;
  for (FolderNames names(open, kMostNames); names.Next(&name); ++seen) {
    if (!Spend(1)) return;
    for (const LibraryKind kind : kKinds) {
      if (IsNameOf(kind, name)) LookAt(path, IdOf(status), kind, name);
    }
  }
  if (seen == kMostNames) whole_ = false;
}

void Search::LookAt(const Path& folder, FileId folder_id, LibraryKind kind, std::string_view name) {
  const Path path = Path(folder.view()).Add("/").Add(name);
  const Descriptor found = root_.Find(path.view());
  struct stat status = {};
  if (!found.valid() || fstat(found.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  Place place{.kind = kind, .name = root_.NameOf(found), .id = IdOf(status), .replaced = false};
  for (const Place& known : *places_) {
    if (known.name.view() == place.name.view()) return;
  }
  for (const Link& link : links_) {
    // Where the name is a link already, what it leads to is another place.
    if (link.folder == folder_id && link.name.view() == name && IsLinkName(kind, name) &&
        BaseName(place.name.view()) == name) {
      place.replaced = true;
    }
  }
  if (!places_->Add(place)) whole_ = false;
}

}  // namespace tranche::hook
