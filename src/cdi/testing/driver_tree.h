// For tests: a driver root in a temporary directory, as a driver's packages leave one.
//
// Libraries are small but real ELF files with their SONAMEs. Device nodes are plain files, which
// `roots()` takes for nodes with the numbers of the real ones, so no privilege is needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/testing/temp_dir.h"
#include "cdi/spec.h"
#include "gpu/device.h"

namespace tranche::cdi::testing {

inline constexpr char kTestVersion[] = "570.172.08";

// A temporary directory and what is put into it, by paths within it.
class TestDirectory {
 public:
  [[nodiscard]] const std::string& path() const { return directory_.path(); }
  void Write(const std::string& path, std::string_view bytes = "", unsigned mode = 0644) const;
  void Link(const std::string& target, const std::string& path) const;
  // A socket that nobody listens on.
  void Socket(const std::string& path) const;
  void Remove(const std::string& path) const;

 private:
  base::testing::TempDir directory_;
};

// `libraries`: where in the root, "usr/lib64".
class TestDriverTree : public TestDirectory {
 public:
  explicit TestDriverTree(const std::string& libraries);
  // Its place on the host is `on_host`.
  [[nodiscard]] CdiRoots roots(const std::string& on_host) const;

 private:
  void AddLibraries(const std::string& directory) const;
  void AddFiles() const;
  void AddNodes() const;
};

// The smallest shared library with that SONAME; none for "".
std::string TestLibrary(const std::string& soname);

// An /etc/ld.so.cache.
struct TestCacheEntry {
  std::uint32_t flags = 0;
  std::string path;
};
inline constexpr std::uint32_t kTestLibraryFlags = 0x0303;  // ELF, x86-64
std::string TestLdCache(const std::vector<TestCacheEntry>& entries);

// Two GPUs, 0 and 1.
gpu::Inventory TestInventory();

}  // namespace tranche::cdi::testing
