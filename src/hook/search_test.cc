#include "hook/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"

namespace tranche::hook {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class SearchTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text = "x") const {
    const fs::path path = root_.path() + name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void Link(const std::string& to, const std::string& name) const {
    const fs::path path = root_.path() + name;
    fs::create_directories(path.parent_path());
    fs::create_symlink(to, path);
  }
  // The places that are found; with a "-" those that a hook replaces.
  std::vector<std::string> Find() {
    const Root root(root_.path().c_str());
    auto places = std::make_unique<Places>();
    Search search(root, birth_);
    search.Run(places.get());
    whole_ = search.whole();
    std::vector<std::string> found;
    for (const Place& place : *places) {
      found.push_back((place.replaced ? "-" : "") + std::string(place.name.view()));
    }
    return found;
  }

  base::testing::TempDir root_;
  Birth birth_;
  bool whole_ = true;
};

TEST_F(SearchTest, WhatIsMountedComesFirst) {
  Write("/usr/lib64/libcuda.so.999");
  Write("/usr/lib64/libcuda.so.550.1");
  Write("/opt/driver/libnvidia-ml.so.550.1");
  birth_.mounts.Add("/proc");
  birth_.mounts.Add("/opt/driver/libnvidia-ml.so.550.1");
  birth_.mounts.Add("/usr/lib64/libcuda.so.550.1");
  EXPECT_THAT(Find(), ElementsAre("/opt/driver/libnvidia-ml.so.550.1",
                                  "/usr/lib64/libcuda.so.550.1", "/usr/lib64/libcuda.so.999"));
}

TEST_F(SearchTest, NamesThatArePartOfOthersAreNotTaken) {
  for (const char* name : {"libcuda.so", "libcuda.so.1"}) Write(std::string("/usr/lib/") + name);
  for (const char* name : {"libcudart.so.12", "libcuda.sox", "xlibcuda.so.1", "libcuda.a"}) {
    Write(std::string("/usr/lib/") + name);
  }
  EXPECT_THAT(Find(), UnorderedElementsAre("/usr/lib/libcuda.so", "/usr/lib/libcuda.so.1"));
}

TEST_F(SearchTest, EachPlaceIsFoundOnceWhateverLeadsToIt) {
  Write("/usr/lib/x86_64-linux-gnu/libcuda.so.550.1");
  Link("libcuda.so.550.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1");
  Link("libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so");
  Link("usr/lib", "/lib");
  Link("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/local/lib/libcuda.so");
  birth_.library_path = "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu/:relative";
  EXPECT_THAT(Find(), ElementsAre("/usr/lib/x86_64-linux-gnu/libcuda.so.550.1"));
}

TEST_F(SearchTest, ToolkitsHaveThemInCompatAndNotInStubs) {
  Write("/usr/local/cuda-12.4/compat/libcuda.so.550.1");
  Write("/usr/local/cuda-13.0/compat/lib.real/libcuda.so.580.1");
  Write("/usr/local/cuda-13.0/lib64/stubs/libcuda.so");
  Link("cuda-13.0", "/usr/local/cuda");
  birth_.library_path = "/usr/local/cuda/lib64/stubs";
  EXPECT_THAT(Find(),
              UnorderedElementsAre("/usr/local/cuda-12.4/compat/libcuda.so.550.1",
                                   "/usr/local/cuda-13.0/compat/lib.real/libcuda.so.580.1"));
}

TEST_F(SearchTest, TheConfigurationOfTheLinkerIsFollowed) {
  Write("/etc/ld.so.conf",
        "include /etc/ld.so.conf.d/*.conf\ninclude more/one\nhwcap 1 x\n  /a # text\n/b=libc6\n");
  Write("/etc/ld.so.conf.d/x.conf", "/c\n#/not\n");
  Write("/etc/ld.so.conf.d/x.txt", "/not\n");
  Write("/etc/more/one", "/d");
  for (const char* folder : {"/a", "/b", "/c", "/d", "/not"})
    Write(std::string(folder) + "/libcuda.so.1");
  EXPECT_THAT(Find(), UnorderedElementsAre("/a/libcuda.so.1", "/b/libcuda.so.1", "/c/libcuda.so.1",
                                           "/d/libcuda.so.1"));
}

TEST_F(SearchTest, RelativeFoldersAreTheProgramsOwn) {
  Write("/opt/app/lib/libcuda.so.1");
  Write("/opt/app/libcuda.so.2");
  birth_.folder = "/opt/app";
  birth_.library_path = "lib::/absent";
  EXPECT_THAT(Find(), UnorderedElementsAre("/opt/app/lib/libcuda.so.1", "/opt/app/libcuda.so.2"));
}

TEST_F(SearchTest, APlainFileOfWhichAHookMakesALinkIsSaidToBeReplaced) {
  Write("/usr/lib64/libcuda.so.1");
  Write("/usr/lib64/libcuda.so.550.1");
  Write("/opt/libcuda.so.1");
  Link("usr/lib64", "/lib64");
  birth_.library_path = "/opt";
  birth_.links.Add("/lib64/libcuda.so.1");
  birth_.links.Add("/lib64/libcuda.so.550.1");
  EXPECT_THAT(Find(), UnorderedElementsAre("-/usr/lib64/libcuda.so.1",
                                           "/usr/lib64/libcuda.so.550.1", "/opt/libcuda.so.1"));
}

TEST_F(SearchTest, WhatIsNoFileIsNoLibrary) {
  fs::create_directories(root_.path() + "/usr/lib/libcuda.so.1");
  fs::create_directories(root_.path() + "/usr/lib64");
  ASSERT_EQ(mkfifo((root_.path() + "/usr/lib64/libcuda.so.1").c_str(), 0644), 0);
  Link("nothing", "/usr/lib64/libcuda.so.2");
  Link("libcuda.so.3", "/usr/lib64/libcuda.so.3");
  EXPECT_THAT(Find(), IsEmpty());
  EXPECT_TRUE(whole_);
}

TEST_F(SearchTest, ConfigurationThatIncludesItselfEnds) {
  Write("/etc/ld.so.conf", "include /etc/ld.so.conf\n/a\n");
  Write("/a/libcuda.so.1");
  EXPECT_THAT(Find(), ElementsAre("/a/libcuda.so.1"));
}

TEST_F(SearchTest, WhatIsPastTheBoundIsSaid) {
  std::string lines;
  for (int i = 0; i < 60'000; ++i) lines += "/absent\n";
  Write("/etc/ld.so.conf", lines + "/a\n");
  Write("/a/libcuda.so.1");
  EXPECT_THAT(Find(), IsEmpty());
  EXPECT_FALSE(whole_);
}

}  // namespace
}  // namespace tranche::hook
