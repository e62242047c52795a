#include "check/libraries.h"

#include <fcntl.h>
#include <unistd.h>

#include "check/cache.h"
#include "hook/birth.h"
#include "hook/elf.h"
#include "hook/search.h"
#include "hook/shims.h"

namespace tranche::check {
namespace {

constexpr std::string_view kShimFolder = "/run/tranche/shim";
constexpr std::string_view kDefaultFolders[] = {"/lib/x86_64-linux-gnu",
                                                "/usr/lib/x86_64-linux-gnu",
                                                "/lib/aarch64-linux-gnu",
                                                "/usr/lib/aarch64-linux-gnu",
                                                "/lib64",
                                                "/usr/lib64",
                                                "/lib",
                                                "/usr/lib"};

constexpr std::string_view kNothing = "There is no such library.";
constexpr std::string_view kNoLibrary = "It is no library that programs of this machine can load.";
constexpr std::string_view kMusl = "The image has musl and no glibc, which libcuda needs.";
constexpr std::string_view kNotDelivered =
    "Tranche gave this container no shim: /run/tranche/shim is not there.";
constexpr std::string_view kTooOld = "It is older than every driver that there is a shim for.";
constexpr std::string_view kUncovered =
    "Nothing covers it: it came after the container was made, or could not be covered. On the "
    "node, "
    "/run/tranche/births/CONTAINER-ID has the reason.";
constexpr std::string_view kRealMissing =
    "A shim stands there, and the library behind it is missing: programs cannot load it.";

// The first of a list of folders that has a file of that name.
hook::Path FindInFolders(const hook::Root& root, std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t end = list.find_first_of(":;");
    std::string_view folder = list;
    folder.remove_suffix(end == std::string_view::npos ? 0 : list.size() - end);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    hook::Path path(folder.empty() ? "." : folder);
    path.Add("/").Add(name);
    if (root.OpenFile(path.view()).valid()) return path;
  }
  return {};
}

// As the dynamic linker looks for a name without a slash.
hook::Path FindByName(const hook::Root& root, std::string_view library_path,
                      std::string_view name) {
  hook::Path path = FindInFolders(root, library_path, name);
  if (path.size() == 0) path = FindInCache(root, name);
  for (const std::string_view folder : kDefaultFolders) {
    if (path.size() == 0) path = FindInFolders(root, folder, name);
  }
  return path;
}

class Judge {
 public:
  explicit Judge(const hook::Root& root)
      : root_(root),
        musl_(hook::HasMuslAlone(root)),
        folder_(root.OpenFolder(kShimFolder)),
        shims_(folder_) {}

  void Fill(std::string_view path, Found* found) const {
    if (path.empty()) {
      found->why = kNothing;
      return;
    }
    const hook::Descriptor open = root_.Find(path);
    hook::Library library;
    if (!open.valid()) {
      found->why = kNothing;
      return;
    }
    found->file = root_.NameOf(open);
    const hook::Descriptor file = hook::Reopen(open);
    if (!file.valid() || library.Read(file.get()) != hook::FileKind::kLibrary) {
      found->why = kNoLibrary;
      return;
    }
    const std::string_view real = library.NeededFrom(hook::kRealFolder);
    if (real.empty()) {
      found->why = WhyUncovered(library);
      return;
    }
    found->real = hook::Path(real);
    found->shim = IsLibrary(real);
    if (!found->shim) found->why = kRealMissing;
  }

 private:
  [[nodiscard]] bool IsLibrary(std::string_view path) const {
    hook::Library library;
    const hook::Descriptor file = root_.OpenFile(path);
    return file.valid() && library.Read(file.get()) == hook::FileKind::kLibrary;
  }

  [[nodiscard]] std::string_view WhyUncovered(const hook::Library& library) const {
    if (musl_) return kMusl;
    if (!folder_.valid()) return kNotDelivered;
    if (shims_.VersionFor(hook::LibraryKind::kCuda, library) == 0) return kTooOld;
    return kUncovered;
  }

  const hook::Root& root_;
  bool musl_;
  hook::Descriptor folder_;
  hook::Shims shims_;
};

}  // namespace

void FindLibraries(const hook::Root& root, std::string_view library_path, Libraries* libraries) {
  static hook::Birth birth;
  static hook::Places places;
  char here[4096];
  birth.folder = getcwd(&here[0], sizeof here) == nullptr ? "/" : &here[0];
  birth.library_path = library_path;
  const Judge judge(root);
  for (const std::string_view name : {"libcuda.so.1", "libcuda.so"}) {
    Found found{.name = hook::Line<255>(name)};
    judge.Fill(FindByName(root, library_path, name).view(), &found);
    libraries->Add(found);
  }
  hook::Search search(root, birth);
  search.Run(&places);
  for (const hook::Place& place : places) {
    if (place.kind != hook::LibraryKind::kCuda) continue;
    Found found{.name = hook::Line<255>(place.name.view())};
    judge.Fill(place.name.view(), &found);
    libraries->Add(found);
  }
}

}  // namespace tranche::check
