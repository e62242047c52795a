// A folder of its own for a test, removed with all that is in it.
//
// Threading: a plain value; one thread at a time.
// Errors: crashes where the folder cannot be made.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/status.h"

namespace tranche::base::testing {

class TempDir {
 public:
  TempDir() {
    // Short: the path of a Unix socket in it may have 107 bytes.
    std::string name = (std::filesystem::temp_directory_path() / "trXXXXXX").string();
    TRANCHE_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = std::filesystem::canonical(name);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const { return path_; }  // without symbolic links
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace tranche::base::testing
