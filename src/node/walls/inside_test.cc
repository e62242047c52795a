// What is seen of a program that has not attached, and what is made of it.
#include "node/walls/inside.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utime.h>

#include <ctime>
#include <string>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace tranche::node::walls {
namespace {

const std::string kId(64, 'b');
constexpr char kMaps[] =
    "55d0 r--p 00000000 fd:01 1311 /usr/bin/python3.11\n"
    "7f10-7f20 rw-p 00000000 00:00 0 \n"
    "7f20-7f30 r-xp 00001000 fd:01 4242                       /usr/lib/libcuda.so.550.54.14\n"
    "7ffd-7ffe rw-p 00000000 00:00 0                          [stack]\n";

TEST(ReadLoadedTest, TheShimIsKnownByItsFileOrItsName) {
  EXPECT_EQ(ReadLoaded(kMaps, {}), Loaded::kOther);
  EXPECT_EQ(ReadLoaded(kMaps, {{.major = 0xFD, .minor = 1, .inode = 4242}}), Loaded::kShim);
  EXPECT_EQ(ReadLoaded(kMaps, {{.major = 0xFD, .minor = 2, .inode = 4242}}), Loaded::kOther);
  EXPECT_EQ(ReadLoaded("1-2 r-xp 0 fd:01 7 /run/tranche/shim/libcuda.tranche-13000.so.1\n", {}),
            Loaded::kShim);
  EXPECT_EQ(ReadLoaded("1-2 r-xp 0 fd:01 7 /usr/lib/libc.so.6\n", {}), Loaded::kNothing);
  EXPECT_EQ(ReadLoaded("", {}), Loaded::kNothing);
}

TEST(ReadLoadedTest, AHostileNameIsNoOtherFile) {
  EXPECT_EQ(ReadLoaded("1-2 r-xp 0 fd:01 7 /tmp/x\\012libcuda.tranche\n", {}), Loaded::kNothing);
  EXPECT_EQ(ReadLoaded("nothing of it makes sense\n/\n: : : : / \n", {}), Loaded::kNothing);
  EXPECT_EQ(ReadLoaded("1-2 r-xp 0 fd01 7 /usr/lib/libcuda.so.1\n", {}), Loaded::kNothing);
}

TEST(ReadBirthTest, OnlyYesAndNoAreTaken) {
  const auto birth = ReadBirth(R"({"walls": "no", "reason": "musl", "message": "a\u001b[2J"})");
  ASSERT_TRUE(birth);
  EXPECT_FALSE(birth->walled);
  EXPECT_EQ(birth->word, "musl");
  EXPECT_EQ(birth->message.find('\x1b'), std::string::npos);
  EXPECT_TRUE(ReadBirth(R"({"walls": "yes"})")->walled);
  for (const char* text : {"", "{}", R"({"walls": "perhaps"})", R"({"walls": true})", "[1"}) {
    EXPECT_FALSE(ReadBirth(text)) << text;
  }
}

TEST(WhyNoWallTest, WhatIsKnownBestIsSaid) {
  const Birth no{.walled = false, .word = "musl", .message = ""};
  const Birth yes{.walled = true, .word = "", .message = ""};
  const auto word = [](const Inside& inside, Births births = Births::kTold) {
    return WhyNoWall(inside, births).word;
  };
  EXPECT_EQ(word({.loaded = Loaded::kOther, .birth = no}), "musl");
  EXPECT_EQ(word({.loaded = Loaded::kShim, .birth = yes}), "not-attached");
  EXPECT_EQ(word({.loaded = Loaded::kOther, .birth = yes}), "not-loaded");
  EXPECT_EQ(word({.loaded = Loaded::kOther, .birth = {}}), "no-shim");
  EXPECT_EQ(word({.loaded = Loaded::kNotKnown, .birth = {}}), "no-shim") << "nobody put it there";
  EXPECT_EQ(word({.loaded = Loaded::kNotKnown, .birth = {}}, Births::kNotTold), "not-known");
  EXPECT_EQ(word({.loaded = Loaded::kOther, .birth = {}}, Births::kNotTold), "no-shim");
}

TEST(ReasonTest, AWordThatIsNotInTheTableIsOther) {
  EXPECT_EQ(ReasonOf("musl").word, "musl");
  EXPECT_FALSE(ReasonOf("musl").text.empty());
  const Reason other = ReasonOf("x\n\x1b[2J", "");
  EXPECT_EQ(other.word, "other");
  EXPECT_EQ(other.text.find('\x1b'), std::string::npos);
  EXPECT_LT(ReasonOf("failed", std::string(10'000, 'x')).text.size(), 400U);
}

TEST(LookInsideTest, ReadsWhatTheKernelAndTheBirthSay) {
  const base::testing::TempDir dir;
  const InsidePaths paths{
      .proc = "/proc", .shims = dir.path() + "/shims", .births = dir.path() + "/births"};
  ASSERT_TRUE(base::MakeDirectories(paths.births).ok());
  ASSERT_TRUE(base::WriteFileAtomic(base::JoinPath(paths.births, kId),
                                    R"({"walls": "no", "reason": "too-old"})")
                  .ok());
  const auto self = static_cast<unsigned>(getpid());
  const Inside inside = LookInside(paths, self, kId);
  EXPECT_EQ(inside.loaded, Loaded::kNothing);
  ASSERT_TRUE(inside.birth);
  EXPECT_EQ(inside.birth->word, "too-old");
  EXPECT_FALSE(LookInside(paths, self, "../births/" + kId).birth) << "no id is a path";
  EXPECT_FALSE(LookInside(paths, self, "").birth);
  // The longest that tranche-hook writes.
  std::string longest = R"({"walls": "no", "reason": "musl", "libraries": [")";
  longest += std::string(8191 - longest.size() - 3, 'x') + "\"]}";
  ASSERT_TRUE(base::WriteFileAtomic(base::JoinPath(paths.births, kId), longest).ok());
  ASSERT_TRUE(LookInside(paths, self, kId).birth);
  const Inside gone = LookInside(paths, 0, kId);
  EXPECT_EQ(gone.loaded, Loaded::kNotKnown);
}

TEST(ForgetBirthsTest, OldOnesOfContainersThatAreGone) {
  const base::testing::TempDir dir;
  const auto put = [&](const char* name, int age) {
    const std::string path = base::JoinPath(dir.path(), name);
    ASSERT_TRUE(base::WriteFileAtomic(path, "{}").ok());
    const utimbuf times{.actime = time(nullptr) - age, .modtime = time(nullptr) - age};
    ASSERT_EQ(utime(path.c_str(), &times), 0);
  };
  put("gone", 7200);
  put("kept", 7200);
  put("young", 60);
  ForgetBirths(dir.path(), {"kept"});
  EXPECT_FALSE(base::Exists(base::JoinPath(dir.path(), "gone")));
  EXPECT_TRUE(base::Exists(base::JoinPath(dir.path(), "kept")));
  EXPECT_TRUE(base::Exists(base::JoinPath(dir.path(), "young")));
}

}  // namespace
}  // namespace tranche::node::walls
