// Nothing that somebody other than root can name is in a CDI spec. These tests change owners, so
// they need root.
#include "cdi/trusted_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "cdi/testing/driver_tree.h"

namespace tranche::cdi {
namespace {

using base::Json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using testing::TestDirectory;
using testing::TestDriverTree;

constexpr uid_t kNobody = 65534;
constexpr char kLibraries[] = "usr/lib/x86_64-linux-gnu";
constexpr char kSocket[] = "/run/nvidia-persistenced/socket";

void Give(const TestDirectory& tree, const std::string& path) {
  ASSERT_EQ(lchown((tree.path() + "/" + path).c_str(), kNobody, kNobody), 0) << "needs root";
}

void TakeBack(const TestDirectory& tree, const std::string& path) {
  ASSERT_EQ(lchown((tree.path() + "/" + path).c_str(), geteuid(), getegid()), 0);
}

void SetMode(const std::string& path, mode_t mode) {
  ASSERT_EQ(chmod(path.c_str(), mode), 0) << path;
}

// ---- a path ----

base::Code CodeOf(const TestDirectory& tree, const std::string& path,
                  const std::string& on_host = "/") {
  return TrustedTree(tree.path(), on_host).Look(tree.path() + path).status().code();
}

TEST(TrustedTreeTest, EveryDirectoryOnTheWayIsRootsAlone) {
  const TestDirectory tree;
  tree.Write("a/b/c");
  EXPECT_EQ(CodeOf(tree, "/a/b/c"), base::Code::kOk);
  EXPECT_EQ(CodeOf(tree, "/a/b"), base::Code::kOk);
  EXPECT_EQ(CodeOf(tree, "/a/b/d"), base::Code::kNotFound);
  for (const std::string directory : {"", "/a", "/a/b"}) {
    for (const mode_t mode : {0777U, 01777U, 0775U, 0757U}) {
      SetMode(tree.path() + directory, mode);
      EXPECT_EQ(CodeOf(tree, "/a/b/c"), base::Code::kPermissionDenied) << directory << mode;
      EXPECT_EQ(CodeOf(tree, "/a/b"), base::Code::kPermissionDenied) << directory << mode;
    }
    SetMode(tree.path() + directory, 0755);
    EXPECT_EQ(CodeOf(tree, "/a/b/c"), base::Code::kOk) << directory;
  }
}

// As /nix/store, in which a group may make new names and replace none of root's.
TEST(TrustedTreeTest, AGroupMayMakeNamesWhereItCannotReplaceThose) {
  const TestDirectory tree;
  tree.Write("a/b/c");
  SetMode(tree.path() + "/a/b", 01775);
  EXPECT_EQ(CodeOf(tree, "/a/b/c"), base::Code::kOk);
  EXPECT_EQ(CodeOf(tree, "/a/b"), base::Code::kPermissionDenied) << "all that is in it";
  Give(tree, "a/b/c");
  EXPECT_EQ(CodeOf(tree, "/a/b/c"), base::Code::kPermissionDenied) << "a name of its own";
  TakeBack(tree, "a/b/c");
  for (const mode_t mode : {0775U, 01777U, 01757U}) {
    SetMode(tree.path() + "/a/b", mode);
    EXPECT_EQ(CodeOf(tree, "/a/b/c"), base::Code::kPermissionDenied) << mode;
  }
}

// Where the host has the root at the same place: elsewhere they cannot be seen.
TEST(TrustedTreeTest, DirectoriesAboveTheRootCountToo) {
  const TestDirectory tree;  // in /tmp, where everybody may make names
  tree.Write("a/root/file");
  const std::string root = tree.path() + "/a/root";
  const auto denied = TrustedTree(root, root).Look(root + "/file").status();
  EXPECT_EQ(denied.code(), base::Code::kPermissionDenied);
  EXPECT_THAT(denied.message(), HasSubstr("/tmp can be written by others"));
  EXPECT_TRUE(TrustedTree(root, "/run/nvidia/driver").Look(root + "/file").ok());
  EXPECT_TRUE(TrustedTree("/usr", "/usr").Look("/usr/bin").ok()) << "the control";
}

TEST(TrustedTreeTest, AFileThatOthersCanWriteIsNot) {
  const TestDirectory tree;
  tree.Write("a/hook");
  for (const mode_t mode : {0777U, 0757U, 0775U}) {
    SetMode(tree.path() + "/a/hook", mode);
    EXPECT_EQ(CodeOf(tree, "/a/hook"), base::Code::kPermissionDenied) << mode;
  }
  SetMode(tree.path() + "/a/hook", 0755);
  EXPECT_EQ(CodeOf(tree, "/a/hook"), base::Code::kOk);
}

TEST(TrustedTreeTest, OwnersAreRootAndWhoThisProcessRunsAs) {
  for (const std::string path : {"a", "a/b", "a/b/c"}) {
    const TestDirectory tree;
    tree.Write("a/b/c");
    Give(tree, path);
    const auto found = TrustedTree(tree.path(), "/").Look(tree.path() + "/a/b/c");
    EXPECT_EQ(found.status().code(), base::Code::kPermissionDenied) << path;
    EXPECT_THAT(found.status().message(), HasSubstr(tree.path() + "/" + path));
    EXPECT_THAT(found.status().message(), HasSubstr("user 65534"));
  }
}

TEST(TrustedTreeTest, LinksAreFollowedInRootsHandsOnly) {
  const TestDirectory tree;
  tree.Write("usr/lib/c");
  tree.Link("usr/lib", "lib");
  tree.Link("/usr/lib/c", "etc/absolute");
  tree.Link("../../../../../../../../usr/lib/c", "etc/above");
  tree.Link("loop", "loop");
  const TrustedTree host(tree.path(), "/");
  for (const std::string path : {"/lib/c", "/etc/absolute", "/etc/above"}) {
    const auto found = host.Look(tree.path() + path);
    ASSERT_TRUE(found.ok()) << path << found.status().message();
    EXPECT_EQ(found->path, tree.path() + "/usr/lib/c");
    EXPECT_TRUE(S_ISREG(found->info.st_mode));
  }
  EXPECT_EQ(CodeOf(tree, "/loop"), base::Code::kPermissionDenied);
  // Where the root is elsewhere on the host, what an absolute link names cannot be seen from here.
  EXPECT_EQ(CodeOf(tree, "/lib/c", "/run/nvidia/driver"), base::Code::kOk);
  EXPECT_EQ(CodeOf(tree, "/etc/absolute", "/run/nvidia/driver"), base::Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(tree, "/etc/above", "/run/nvidia/driver"), base::Code::kPermissionDenied);
  Give(tree, "lib");
  EXPECT_EQ(CodeOf(tree, "/lib/c"), base::Code::kPermissionDenied);
  Give(tree, "usr/lib");
  EXPECT_EQ(CodeOf(tree, "/etc/absolute"), base::Code::kPermissionDenied);
}

// ---- the spec ----

base::Result<std::vector<CdiFile>> Build(const TestDriverTree& tree) {
  config::Config config;
  config.flags.gdrcopy_enabled = config.flags.gds_enabled = config.flags.mofed_enabled = true;
  config.imex.channel_ids = {0};
  auto made = BuildCdiFiles(config, testing::TestInventory(), tree.roots("/"));
  if (!made.ok()) return made.status();
  return std::move(made->files);
}

// Every path of the host that a spec names, as seen here.
std::set<std::string> HostPaths(const TestDriverTree& tree, const std::vector<CdiFile>& files) {
  std::set<std::string> paths;
  const auto add = [&](const Json& edits) {
    for (const char* key : {"mounts", "deviceNodes"}) {
      const Json* list = edits.Find(key);
      if (list == nullptr) continue;
      for (const Json& item : list->as_array()) {
        const Json* path = item.Find("hostPath");
        paths.insert(tree.path() + (path == nullptr ? item.Find("path") : path)->as_string());
      }
    }
  };
  for (const CdiFile& file : files) {
    add(*file.spec.Find("containerEdits"));
    for (const Json& device : file.spec.Find("devices")->as_array()) {
      add(*device.Find("containerEdits"));
    }
  }
  paths.erase(tree.path() + "/dev/null");  // the host's own
  return paths;
}

TEST(CdiTrustTest, WhatOthersCanChangeIsInNoEntry) {
  const TestDriverTree tree(kLibraries);
  const auto whole = Build(tree);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  const std::set<std::string> all = HostPaths(tree, *whole);
  EXPECT_GT(all.size(), 40U);
  std::set<std::string> directories;
  for (const std::string& path : all) directories.insert(base::ParentDirectory(path));
  for (const std::string& directory : directories) {
    SetMode(directory, 01777);
    const auto built = Build(tree);
    // What a spec cannot do without takes it away whole.
    if (built.ok()) {
      for (const std::string& path : HostPaths(tree, *built)) {
        EXPECT_NE(base::ParentDirectory(path), directory) << path;
      }
    } else {
      EXPECT_THAT(built.status().message(), HasSubstr("can be written by others than root"));
    }
    SetMode(directory, 0755);
  }
  EXPECT_EQ(HostPaths(tree, *Build(tree)), all);  // with nothing of the kind, nothing is left out
}

TEST(CdiTrustTest, NothingOfSomebodyElseIsMounted) {
  const TestDriverTree tree(kLibraries);
  const std::set<std::string> all = HostPaths(tree, *Build(tree));
  for (const std::string& path : all) {
    const std::string inside = path.substr(tree.path().size() + 1);
    if (inside.starts_with("dev/")) continue;  // a node is what its numbers say
    Give(tree, inside);
    const auto built = Build(tree);
    if (built.ok()) {
      EXPECT_THAT(HostPaths(tree, *built), Not(Contains(path)));
    } else {
      EXPECT_THAT(built.status().message(), HasSubstr("libcuda.so.570.172.08"));
    }
    TakeBack(tree, inside);
  }
}

TEST(CdiTrustTest, TmpIsNoPlaceForASocket) {
  const TestDriverTree tree(kLibraries);
  tree.Socket("run/containerd/containerd.sock");
  tree.Link("../run/containerd/containerd.sock", "tmp/nvidia-mps");
  Give(tree, "tmp/nvidia-mps");
  SetMode(tree.path() + "/tmp", 01777);
  for (const std::string& path : HostPaths(tree, *Build(tree))) {
    EXPECT_THAT(path, Not(HasSubstr("nvidia-mps")));
  }
}

TEST(CdiTrustTest, ASocketIsASocketInRootsFolder) {
  const auto has_socket = [](const TestDriverTree& tree) {
    return HostPaths(tree, *Build(tree)).contains(tree.path() + kSocket);
  };
  const TestDriverTree tree(kLibraries);
  EXPECT_TRUE(has_socket(tree));
  Give(tree, "run/nvidia-persistenced");  // a daemon that runs as a user of its own
  EXPECT_FALSE(has_socket(tree));
  const TestDriverTree linked(kLibraries);
  linked.Remove(kSocket);
  linked.Socket("run/containerd/containerd.sock");
  linked.Link("../containerd/containerd.sock", "run/nvidia-persistenced/socket");
  EXPECT_TRUE(has_socket(linked));  // a link that root made
  Give(linked, "run/nvidia-persistenced/socket");
  EXPECT_FALSE(has_socket(linked));
  const TestDriverTree plain(kLibraries);
  plain.Remove(kSocket);
  plain.Write("run/nvidia-persistenced/socket");
  EXPECT_FALSE(has_socket(plain));
}

TEST(CdiTrustTest, AHookProgramThatOthersCanChangeIsNotRun) {
  const TestDriverTree tree(kLibraries);
  const auto has_hooks = [&tree] {
    return Build(tree)->front().spec.Find("containerEdits")->Find("hooks") != nullptr;
  };
  tree.Write("usr/local/toolkit/nvidia-ctk", "", 0755);
  tree.Link("/usr/local/toolkit/nvidia-ctk", "usr/bin/nvidia-ctk");
  EXPECT_TRUE(has_hooks());
  SetMode(tree.path() + "/usr/local/toolkit", 0777);
  EXPECT_FALSE(has_hooks());
}

TEST(CdiTrustTest, WhatIsLeftOutIsLogged) {
  const TestDriverTree tree(kLibraries);
  Give(tree, "usr/bin/nvidia-debugdump");
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(Build(tree).ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("usr/bin/nvidia-debugdump belongs to user 65534, not to root"));
}

}  // namespace
}  // namespace tranche::cdi
