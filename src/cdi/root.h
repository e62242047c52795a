// Roots finds the driver's files and device nodes under the roots where this process sees them.
//
// Search directories and their order are those of NVIDIA's nvcdi library. Results are paths as this
// process sees them; InDriverRoot gives the path that a container knows. A symbolic link is
// followed where that is noted; a target outside the root is left out, since the host has it
// elsewhere. Nothing is found that somebody other than root can name (cdi/trusted_tree.h): Refused
// has it.
//
// Threading: it only reads; one thread at a time.
// Errors: none; what is not found is an empty answer.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cdi/edits.h"
#include "cdi/spec.h"
#include "cdi/trusted_tree.h"

namespace tranche::cdi {

using NameMatch = std::function<bool(std::string_view name)>;
NameMatch EndsWith(std::string suffix);
NameMatch Glob(std::string pattern);  // fnmatch(3); of constant patterns only

enum class FileKind { kFile, kExecutable, kSocket, kDirectory };

class Roots {
 public:
  explicit Roots(CdiRoots roots);

  [[nodiscard]] const CdiRoots& raw() const { return roots_; }

  // `path` under each directory of the driver root, in order, where it is of that kind.
  [[nodiscard]] std::vector<std::string> Find(const std::vector<std::string>& directories,
                                              std::string_view path,
                                              FileKind kind = FileKind::kFile) const;
  // Files of one directory of the driver root by name, sorted.
  [[nodiscard]] std::vector<std::string> Matching(const std::string& directory,
                                                  const NameMatch& match) const;
  // Libraries of that name, links followed: in the usual directories, else as ld.so.cache has them.
  [[nodiscard]] std::vector<std::string> Libraries(const NameMatch& match) const;
  // As Matching, links followed, each file once.
  [[nodiscard]] std::vector<std::string> MatchingTargets(
      const std::vector<std::string>& directories, const NameMatch& match) const;

  // The character device at `path` of the dev root ("/dev/nvidia0"), if it is one.
  [[nodiscard]] std::vector<DeviceNode> Node(const std::string& path) const;
  // Those of the directory whose names match.
  [[nodiscard]] std::vector<DeviceNode> Nodes(const std::string& directory,
                                              const NameMatch& match) const;

  [[nodiscard]] std::string InDriverRoot(const std::string& here) const;

  // Whether the runtime may run the host's `program` as root. What cannot be seen from here is the
  // administrator's word.
  [[nodiscard]] bool MayRun(const std::string& program) const;

  // What was left out until now because somebody other than root could change what it names: its
  // path, and why.
  [[nodiscard]] const std::map<std::string, std::string>& Refused() const { return refused_; }

 private:
  // What is at `path` of a root, links followed; nothing where that cannot be trusted.
  [[nodiscard]] std::optional<TrustedTree::Found> Look(const TrustedTree& tree,
                                                       const std::string& path) const;
  [[nodiscard]] bool IsDriverFile(const std::string& path, FileKind kind) const;
  [[nodiscard]] std::vector<std::string> CachedLibraries(const NameMatch& match) const;
  void AddTargets(const std::vector<std::string>& paths, std::vector<std::string>& targets) const;

  CdiRoots roots_;
  std::optional<TrustedTree> driver_tree_;
  std::optional<TrustedTree> dev_tree_;
  mutable std::map<std::string, std::string> refused_;
};

// The names a path has on the way along its symbolic links: link, link's target, …
std::vector<std::string> LinkNames(const std::string& path);

// Where the host's own root is visible here and certainly has no such program. Anything unclear
// (another root on the host, an old kernel) counts as "may be there".
bool CertainlyMissingOnHost(const CdiRoots& roots, const std::string& program);

}  // namespace tranche::cdi
