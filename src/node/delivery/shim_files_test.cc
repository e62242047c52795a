#include "node/delivery/shim_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace tranche::node::delivery {
namespace {

namespace fs = std::filesystem;
using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLibrary[] = "libcuda.tranche-12000.so.1";

class ShimFilesTest : public ::testing::Test {
 protected:
  ShimFilesTest() {
    for (const std::string& name : {std::string(kLibrary), std::string("tranche-hook"),
                                    std::string("tranche-check"), std::string("README")}) {
      Write(Source(name), "first " + name);
    }
  }
  static void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  static std::string Text(const std::string& path) {
    const auto text = base::ReadFile(path, 1U << 20U);
    return text.ok() ? *text : "";
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  [[nodiscard]] std::string Source(const std::string& name) const {
    return dir_ / ("image/" + name);
  }
  [[nodiscard]] std::string Target(const std::string& name) const { return target_ + "/" + name; }
  int Install() {
    const auto written = files_.Install();
    EXPECT_TRUE(written.ok()) << written.status().message();
    return written.ok() ? *written : -1;
  }
  base::Status Why() { return files_.Install().status(); }

  base::testing::TempDir dir_;
  const std::string target_ = dir_ / "host/shim";
  ShimFiles files_{dir_ / "image", target_};
};

TEST_F(ShimFilesTest, NamesOfThoseThatAreDelivered) {
  for (const char* name : {"tranche-hook", "tranche-check", "libcuda.tranche-11040.so.1",
                           "libcuda.tranche-11040-1.so.1", "libnvidia-ml.tranche-12.so.1"}) {
    EXPECT_TRUE(IsShimFile(name)) << name;
  }
  for (const char* name : {"tranche", "tranche-hook.tmp.1", "libcuda.so.1", "libcuda.tranche-.so.1",
                           "libcuda.tranche--.so.1", "libcuda.tranche-real.so.1",
                           "libcuda.tranche-1.so.1.tmp.2", ""}) {
    EXPECT_FALSE(IsShimFile(name)) << name;
  }
}

TEST_F(ShimFilesTest, EverybodyMayReadAndProgramsMayBeRun) {
  const mode_t mask = umask(0077);
  EXPECT_EQ(Install(), 3);
  umask(mask);
  EXPECT_EQ(Text(Target(kLibrary)), std::string("first ") + kLibrary);
  EXPECT_EQ(ModeOf(Target(kLibrary)), 0644U);
  EXPECT_EQ(ModeOf(Target("tranche-hook")), 0755U);
  EXPECT_EQ(ModeOf(Target("tranche-check")), 0755U);
  EXPECT_FALSE(base::Exists(Target("README")));
}

TEST_F(ShimFilesTest, WhatIsRightIsLeftAlone) {
  ASSERT_EQ(Install(), 3);
  const auto before = base::IdentityOf(Target(kLibrary));
  EXPECT_EQ(Install(), 0);
  // Another version of this program, which looks for the first time.
  ShimFiles other(dir_ / "image", target_);
  EXPECT_EQ(other.Install().value(), 0);
  EXPECT_EQ(base::IdentityOf(Target(kLibrary)), before);
}

// Who has the old file open, mapped or mounted keeps it.
TEST_F(ShimFilesTest, ANewVersionTakesTheNameAndLeavesTheOldFileAsItIs) {
  ASSERT_EQ(Install(), 3);
  std::ifstream old(Target(kLibrary));
  Write(Source(kLibrary), "second");
  EXPECT_EQ(Install(), 1);
  EXPECT_EQ(Text(Target(kLibrary)), "second");
  std::string text;
  std::getline(old, text);
  EXPECT_EQ(text, std::string("first ") + kLibrary);
}

TEST_F(ShimFilesTest, WhatThisVersionHasNoLongerStays) {
  Write(Source("libcuda.tranche-11040.so.1"), "oldest");
  ASSERT_EQ(Install(), 4);
  fs::remove(Source("libcuda.tranche-11040.so.1"));
  EXPECT_EQ(Install(), 0);
  EXPECT_EQ(Text(Target("libcuda.tranche-11040.so.1")), "oldest");
}

TEST_F(ShimFilesTest, MendsWhatIsDeletedDamagedOrForbidden) {
  ASSERT_EQ(Install(), 3);
  fs::remove(Target("tranche-hook"));
  Write(Target(kLibrary), "damaged");
  chmod(Target("tranche-check").c_str(), 0700);
  EXPECT_EQ(Install(), 3);
  EXPECT_EQ(Text(Target("tranche-hook")), "first tranche-hook");
  EXPECT_EQ(Text(Target(kLibrary)), std::string("first ") + kLibrary);
  EXPECT_EQ(ModeOf(Target("tranche-check")), 0755U);
  fs::remove_all(target_);
  EXPECT_EQ(Install(), 3);
  // A link would have the host run what it names.
  fs::remove(Target("tranche-hook"));
  fs::create_symlink("/bin/false", Target("tranche-hook"));
  EXPECT_EQ(Install(), 1);
  EXPECT_FALSE(fs::is_symlink(Target("tranche-hook")));
}

TEST_F(ShimFilesTest, AnInstallationWithoutThemIsSaid) {
  fs::remove(Source("tranche-hook"));
  EXPECT_EQ(Why().code(), Code::kNotFound);
  EXPECT_THAT(Why().message(), HasSubstr(dir_ / "image"));
  EXPECT_FALSE(base::Exists(target_)) << "nothing is begun that cannot be ended";
  Write(Source("tranche-hook"), "x");
  fs::remove(Source(kLibrary));
  EXPECT_EQ(Why().code(), Code::kNotFound);
}

TEST_F(ShimFilesTest, AFolderThatOthersMayWriteToIsRefused) {
  fs::create_directories(target_);
  for (const mode_t mode : {0775U, 0757U, 01777U}) {
    ASSERT_EQ(chmod(target_.c_str(), mode), 0);
    EXPECT_EQ(Why().code(), Code::kPermissionDenied) << mode;
  }
  ASSERT_EQ(chmod(target_.c_str(), 0755), 0);
  EXPECT_EQ(Install(), 3);
  fs::rename(target_, dir_ / "elsewhere");
  fs::create_directory_symlink(dir_ / "elsewhere", target_);
  EXPECT_EQ(Why().code(), Code::kPermissionDenied) << "a link";
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  fs::remove(target_);
  fs::create_directories(target_);
  ASSERT_EQ(chown(target_.c_str(), 12345, 0), 0);
  EXPECT_EQ(Why().code(), Code::kPermissionDenied) << "of another user";
}

TEST_F(ShimFilesTest, AFileSystemFromWhichNothingRunsIsSaid) {
  fs::create_directories(target_);
  if (mount("tmpfs", target_.c_str(), "tmpfs", MS_NOEXEC, "mode=0755") != 0) {
    GTEST_SKIP() << "nothing can be mounted here";
  }
  EXPECT_THAT(Why().message(), HasSubstr("noexec"));
  EXPECT_EQ(umount(target_.c_str()), 0);
  EXPECT_EQ(Install(), 3);
}

}  // namespace
}  // namespace tranche::node::delivery
