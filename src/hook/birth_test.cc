#include "hook/birth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tranche::hook {
namespace {

using testing::ElementsAre;

std::vector<std::string> All(const Strings& strings) { return {strings.begin(), strings.end()}; }

TEST(ReadState, HasTheIdAndTheBundle) {
  std::string text =
      R"({"ociVersion":"1.2.0","id":"c1","status":"creating","pid":7,"bundle":"/b"})";
  Birth birth;
  EXPECT_TRUE(ReadState(text.data(), text.size(), &birth));
  EXPECT_EQ(birth.id, "c1");
  EXPECT_EQ(birth.bundle, "/b");
}

TEST(ReadState, RefusesWhatIsNoState) {
  for (std::string text : {"", "[]", "null", R"({"id":"c1")"}) {
    Birth birth;
    EXPECT_FALSE(ReadState(text.data(), text.size(), &birth)) << text;
  }
}

TEST(ReadConfig, HasWhatTheSearchNeeds) {
  std::string text = R"({
    "root": {"path": "rootfs", "readonly": true},
    "process": {"cwd": "/work", "args": ["LD_LIBRARY_PATH=/args"],
                "env": ["A=LD_LIBRARY_PATH=/a", "LD_LIBRARY_PATH=/old", "LD_LIBRARY_PATH=/x:/y", 7]},
    "mounts": [{"destination": "/proc", "type": "proc"}, {"type": "none"}, "no mount",
               {"options": ["ro"], "destination": "/usr/lib64/libcuda.so.550.1"}],
    "hooks": {"createRuntime": [{"args": ["--folder", "/not/these"]}],
              "createContainer": [
      {"path": "/h", "args": ["nvidia-cdi-hook", "create-symlinks", "--link",
                              "libcuda.so.550.1::/usr/lib64/libcuda.so.1", "--link=a::/b"]},
      {"args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib64", "--folder=/opt"]},
      {"path": "/no/arguments"}]}})";
  Birth birth;
  EXPECT_TRUE(ReadConfig(text.data(), text.size(), &birth));
  EXPECT_EQ(birth.root, "rootfs");
  EXPECT_EQ(birth.folder, "/work");
  EXPECT_EQ(birth.library_path, "/x:/y");
  EXPECT_THAT(All(birth.mounts), ElementsAre("/proc", "/usr/lib64/libcuda.so.550.1"));
  EXPECT_THAT(All(birth.links), ElementsAre("/usr/lib64/libcuda.so.1", "/b"));
  EXPECT_THAT(All(birth.cached), ElementsAre("/usr/lib64", "/opt"));
}

TEST(ReadConfig, PartsOfAnotherKindAreAsIfMissing) {
  std::string text = R"({"root":[],"process":null,"mounts":{},"hooks":{"createContainer":"x"}})";
  Birth birth;
  EXPECT_TRUE(ReadConfig(text.data(), text.size(), &birth));
  EXPECT_EQ(birth.root, "");
  EXPECT_EQ(birth.mounts.size(), 0U);
}

TEST(ReadConfig, MoreMountsThanAreKeptAreSaid) {
  std::string text = R"({"mounts":[)";
  for (int i = 0; i < 600; ++i) text += R"({"destination":"/m"},)";
  text.back() = ']';
  text += "}";
  Birth birth;
  EXPECT_TRUE(ReadConfig(text.data(), text.size(), &birth));
  EXPECT_EQ(birth.mounts.size(), 512U);
  EXPECT_FALSE(birth.mounts.whole());
}

}  // namespace
}  // namespace tranche::hook
