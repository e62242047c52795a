// Search finds the files in a container that programs may load as libcuda or libnvidia-ml.
//
// It looks where the driver's files are mounted, in the folders of LD_LIBRARY_PATH, of
// /etc/ld.so.conf and of NVIDIA's hooks, in the usual ones, and in the compat folder of each CUDA
// toolkit. Each place is found once, whatever names lead to it. How much it reads in all is
// bounded, however the image is made; what is past the bound is not found, and whole() is false.
//
// Threading: a plain object; one thread at a time.
// Errors: none; what is not there is not found.
#pragma once

#include <cstddef>
#include <string_view>

#include "hook/birth.h"
#include "hook/root.h"
#include "hook/text.h"

namespace tranche::hook {

enum class LibraryKind { kCuda, kNvml };

std::string_view FileNameOf(LibraryKind kind);  // "libcuda.so"

struct Place {
  LibraryKind kind = LibraryKind::kCuda;
  Path name;  // in the container, links followed
  FileId id;
  bool replaced;  // a hook of NVIDIA's puts a link in its place
};

using Places = List<Place, 48>;

// Whether the image has musl, and nothing that glibc's programs could be loaded by: no program in
// it can load the driver then.
bool HasMuslAlone(const Root& root);

class Search {
 public:
  Search(const Root& root, const Birth& birth) : root_(root), birth_(birth) {}

  void Run(Places* places);
  [[nodiscard]] bool whole() const { return whole_ && left_ > 0; }

 private:
  struct Link {
    FileId folder;
    Line<63> name;
  };

  void LearnLinks();
  void LookAtMounted();
  void LookInUsualFolders();
  void LookInToolkits();
  void LookInCompat(std::string_view folder);
  void LookInConfigured(std::string_view file, int depth);
  void FollowInclude(std::string_view pattern, int depth);
  void LookInList(std::string_view list);
  void LookIn(std::string_view folder);
  void LookAt(const Path& folder, FileId folder_id, LibraryKind kind, std::string_view name);
  bool Spend(std::size_t amount);

  const Root& root_;
  const Birth& birth_;
  Places* places_ = nullptr;
  List<FileId, 512> folders_;
  List<FileId, 512> configurations_;
  List<Link, 64> links_;
  std::size_t left_ = 50'000;  // names and lines to be read
  bool whole_ = true;
};

}  // namespace tranche::hook
