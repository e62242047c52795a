#include "agent/device_folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::agent {
namespace {

using std::chrono::milliseconds;

class DeviceFoldersTest : public ::testing::Test {
 protected:
  DeviceFoldersTest() {
    Put("dev/nvidia0");
    folders_.Watch({dir_.path()});
  }
  void Put(const std::string& path) { EXPECT_TRUE(base::WriteFileAtomic(dir_ / path, "").ok()); }
  void Settle() { loop_.AdvanceBy(milliseconds(100)); }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  int changes_ = 0;
  base::disk::testing::FakeWorker worker_{loop_};
  DeviceFolders folders_{loop_, worker_, [this] { ++changes_; }};
};

TEST_F(DeviceFoldersTest, ManyNodesAtOnceAreOneChange) {
  for (const char* name : {"nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-fs0", "gdrdrv"}) {
    Put(std::string("dev/") + name);
  }
  loop_.RunPosted();
  EXPECT_EQ(changes_, 0) << "more may come";
  Settle();
  EXPECT_EQ(changes_, 1);
  std::filesystem::remove(dir_ / "dev/gdrdrv");
  Settle();
  EXPECT_EQ(changes_, 2);
}

TEST_F(DeviceFoldersTest, ANodeMadeAnewOrWithOtherRightsIsAChange) {
  Put("dev/nvidia0");
  Settle();
  EXPECT_EQ(changes_, 1);
  ASSERT_EQ(chmod((dir_ / "dev/nvidia0").c_str(), 0600), 0);
  Settle();
  EXPECT_EQ(changes_, 2);
}

TEST_F(DeviceFoldersTest, DisksAndTerminalsAreNone) {
  Put("dev/sda");
  Put("dev/pts/0");
  Settle();
  EXPECT_EQ(changes_, 0);
  std::ofstream(dir_ / "dev/nvidia0") << "a program has used it";
  Settle();
  EXPECT_EQ(changes_, 0);
}

TEST_F(DeviceFoldersTest, FoldersOfNodesAreFollowedAsTheyComeAndGo) {
  for (const char* folder : {"nvidia-caps", "nvidia-caps-imex-channels", "infiniband", "dri"}) {
    const std::string path = std::string("dev/") + folder;
    std::filesystem::create_directories(dir_ / path);
    Settle();
    changes_ = 0;
    Put(path + "/one");
    Settle();
    EXPECT_EQ(changes_, 1) << folder;
    std::filesystem::remove_all(dir_ / path);
    Settle();
    EXPECT_GE(changes_, 2) << folder;
    Put(path + "/one");
    Settle();
    const int before = changes_;
    Put(path + "/two");
    Settle();
    EXPECT_EQ(changes_, before + 1) << folder;
  }
}

TEST_F(DeviceFoldersTest, CatchingUpDoesNotWaitForTheLoop) {
  folders_.CatchUp();
  EXPECT_EQ(changes_, 0);
  Put("dev/nvidia-uvm");
  folders_.CatchUp();
  EXPECT_EQ(changes_, 1);
  Settle();
  EXPECT_EQ(changes_, 1);
}

TEST_F(DeviceFoldersTest, OtherRootsAreWatchedInPlaceOfThese) {
  const base::testing::TempDir other;
  folders_.Watch({other.path(), other.path()});
  Put("dev/nvidia1");
  Settle();
  EXPECT_EQ(changes_, 0);
  EXPECT_TRUE(base::WriteFileAtomic(other / "dev/nvidia1", "").ok());
  loop_.AdvanceBy(milliseconds(500));
  EXPECT_EQ(changes_, 1) << "a folder that was not there";
}

}  // namespace
}  // namespace tranche::agent
