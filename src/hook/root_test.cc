#include "hook/root.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/testing/temp_dir.h"

namespace tranche::hook {
namespace {

namespace fs = std::filesystem;

class RootTest : public testing::Test {
 protected:
  RootTest() {
    fs::create_directories(Inside("usr/lib"));
    std::ofstream(Inside("usr/lib/file")) << "inside";
    std::ofstream(outside_.path() + "/file") << "outside";
  }
  [[nodiscard]] std::string Inside(const std::string& name) const {
    return root_.path() + "/" + name;
  }
  void Link(const std::string& to, const std::string& name) const {
    fs::create_symlink(to, Inside(name));
  }
  // What a file's first bytes are, "" where there is no such file.
  [[nodiscard]] static std::string Read(const Descriptor& file) {
    char text[16] = {};
    return file.valid() && ReadAll(file.get(), &text[0], sizeof text) >= 0 ? &text[0] : "";
  }
  [[nodiscard]] Root MakeRoot() const { return Root(root_.path().c_str()); }

  base::testing::TempDir root_;
  base::testing::TempDir outside_;
};

TEST_F(RootTest, LinksAreFollowedInside) {
  Link("/usr/lib", "lib");
  Link("../../../../../../../usr/lib/file", "usr/up");
  const Root root = MakeRoot();
  for (const char* path :
       {"/usr/lib/file", "usr/lib/file", "/lib/file", "/usr/up", "//usr/./lib/../lib/file"}) {
    EXPECT_EQ(Read(root.OpenFile(path)), "inside") << path;
    EXPECT_EQ(root.NameOf(root.Find(path)).view(), "/usr/lib/file") << path;
  }
  EXPECT_EQ(root.NameOf(root.Find("/")).view(), "/");
}

TEST_F(RootTest, NothingLeadsOut) {
  Link(outside_.path() + "/file", "absolute");
  Link(std::string("../..") + outside_.path() + "/file", "relative");
  Link("/proc/self/root" + outside_.path(), "proc");
  Link("circle", "circle");
  const Root root = MakeRoot();
  for (const std::string path : {"absolute", "relative", "proc/file", "circle"}) {
    EXPECT_EQ(Read(root.OpenFile(path)), "") << path;
    EXPECT_FALSE(root.Find(path).valid()) << path;
  }
  EXPECT_EQ(Read(root.OpenFile(".." + outside_.path() + "/file")), "");
}

TEST_F(RootTest, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(mkfifo(Inside("fifo").c_str(), 0644), 0);
  const Root root = MakeRoot();
  EXPECT_TRUE(root.Find("fifo").valid());
  EXPECT_FALSE(root.OpenFile("fifo").valid());
  EXPECT_FALSE(root.OpenFile("usr").valid());
  EXPECT_FALSE(root.OpenFolder("fifo").valid());
}

TEST_F(RootTest, PathsThatAreTooLongOrHaveZerosAreRefused) {
  const Root root = MakeRoot();
  EXPECT_FALSE(root.Find(std::string(5000, 'x')).valid());
  EXPECT_FALSE(root.Find(std::string_view("usr\0/lib", 8)).valid());
}

TEST_F(RootTest, FoldersAreMadeInside) {
  Link(outside_.path(), "run");
  const Root root = MakeRoot();
  EXPECT_TRUE(root.MakeFolder("/var/tranche/real").valid());
  EXPECT_TRUE(fs::is_directory(Inside("var/tranche/real")));
  EXPECT_TRUE(root.MakeFolder("/var/tranche/real").valid());
  EXPECT_FALSE(root.MakeFolder("/run/tranche/real").valid());
  EXPECT_FALSE(root.MakeFolder("/usr/lib/file/below").valid());
  EXPECT_FALSE(fs::exists(outside_.path() + "/tranche"));
}

TEST_F(RootTest, AFolderIsListedUpToABound) {
  for (int i = 0; i < 300; ++i) std::ofstream(Inside("usr/lib/" + std::to_string(i)));
  const Root root = MakeRoot();
  const Descriptor folder = root.OpenFolder("/usr/lib");
  std::set<std::string> seen;
  std::string_view name;
  for (FolderNames names(folder, 5000); names.Next(&name);) seen.insert(std::string(name));
  EXPECT_EQ(seen.size(), 301U);
  EXPECT_TRUE(seen.contains("file"));
  const Descriptor again = root.OpenFolder("/usr/lib");
  std::size_t count = 0;
  for (FolderNames names(again, 10); names.Next(&name);) ++count;
  EXPECT_EQ(count, 10U);
  const Descriptor none;
  FolderNames names(none, 10);
  EXPECT_FALSE(names.Next(&name));
}

}  // namespace
}  // namespace tranche::hook
