#include "base/directory_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"

namespace tranche::base {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::FakeLoop;
using testing::RealLoop;
using testing::TempDir;

class DirectoryWatchTest : public ::testing::Test {
 protected:
  // Polling is as good as off: what is seen was told by the kernel.
  void Watch(const std::string& path, Duration poll_every = std::chrono::hours(1)) {
    watch_ = WatchDirectory(
        *loop_, path, [this] { ++calls_; }, poll_every);
  }
  // Whether `act` is followed by a call; then lets everything it caused arrive.
  bool SeenAfter(const std::function<void()>& act) {
    loop_.RunFor(milliseconds(5));
    const int before = calls_;
    act();
    const bool seen = loop_.RunUntil([&] { return calls_ > before; }, std::chrono::seconds(5));
    loop_.RunFor(milliseconds(5));
    return seen;
  }
  void Put(const std::string& name, const std::string& bytes) const {
    std::ofstream(dir_ / name) << bytes;
  }

  TempDir dir_;
  RealLoop loop_;
  int calls_ = 0;
  std::unique_ptr<DirectoryWatch> watch_;
};

TEST_F(DirectoryWatchTest, SeesWhatHappensToFiles) {
  Watch(dir_.path());
  EXPECT_TRUE(SeenAfter([&] { Put("a", "1"); })) << "created";
  EXPECT_TRUE(SeenAfter([&] { Put("a", "2"); })) << "written";
  EXPECT_TRUE(SeenAfter([&] { fs::rename(dir_ / "a", dir_ / "b"); })) << "renamed";
  EXPECT_TRUE(SeenAfter([&] { ASSERT_TRUE(WriteFileAtomic(dir_ / "b", "3").ok()); })) << "replaced";
  EXPECT_TRUE(SeenAfter([&] { fs::remove(dir_ / "b"); })) << "removed";
}

TEST_F(DirectoryWatchTest, OfADeviceFolderOnlyTheNamesAreNews) {
  Put("node", "");
  FakeLoop loop;
  int calls = 0;
  const auto watch = WatchDirectory(
      loop, dir_.path(), [&] { ++calls; }, std::chrono::hours(1), DirectoryNews::kNames);
  std::ofstream(dir_ / "node", std::ios::app) << "a program wrote to it";
  loop.RunPosted();
  EXPECT_EQ(calls, 0);
  Put("another", "");
  loop.RunPosted();
  EXPECT_EQ(calls, 1);
}

// One whose file system hangs: the look at it comes back when the test says so.
TEST_F(DirectoryWatchTest, ADirectoryThatDoesNotAnswerIsWatchedOnceItDoes) {
  FakeLoop loop;
  int calls = 0;
  std::vector<std::function<void()>> hanging;
  const DirectoryLooks looks = [&](std::function<void()> look, std::function<void()> then) {
    hanging.emplace_back([look, then] {
      look();
      then();
    });
    return Status::Ok();
  };
  const auto watch = WatchDirectory(
      loop, dir_.path(), [&] { ++calls; }, std::chrono::seconds(30), DirectoryNews::kAll, looks);
  Put("a", "");
  loop.AdvanceBy(std::chrono::seconds(100));
  EXPECT_EQ(calls, 3) << "it is polled for its owner, who looks as well as it can";
  ASSERT_EQ(hanging.size(), 1U) << "one look, however long it takes";
  hanging.front()();
  EXPECT_EQ(calls, 4) << "something may have happened meanwhile";
  Put("b", "");
  loop.RunPosted();
  EXPECT_EQ(calls, 5);
}

TEST_F(DirectoryWatchTest, WhereNobodyCanLookItTriesAgain) {
  FakeLoop loop;
  int calls = 0;
  Status taken(Code::kResourceExhausted, "no thread");
  const DirectoryLooks looks = [&](const std::function<void()>& look,
                                   const std::function<void()>& then) {
    if (!taken.ok()) return taken;
    look();
    then();
    return taken;
  };
  const auto watch = WatchDirectory(
      loop, dir_.path(), [&] { ++calls; }, std::chrono::hours(1), DirectoryNews::kAll, looks);
  Put("a", "");
  loop.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(calls, 0);
  taken = Status::Ok();
  loop.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(calls, 1);
}

TEST_F(DirectoryWatchTest, WhatTheLoopHasNotComeToCanBeCaughtUpWith) {
  FakeLoop loop;
  int calls = 0;
  const auto watch = WatchDirectory(
      loop, dir_.path(), [&] { ++calls; }, std::chrono::hours(1));
  watch->CatchUp();
  EXPECT_EQ(calls, 0) << "nothing has happened";
  Put("a", "");
  watch->CatchUp();
  EXPECT_EQ(calls, 1);
  loop.RunPosted();
  EXPECT_EQ(calls, 1) << "it is no news any more";
}

TEST_F(DirectoryWatchTest, ManyEventsAreFewCalls) {
  Watch(dir_.path());
  loop_.RunFor(milliseconds(5));
  for (int i = 0; i < 500; ++i) Put("f" + std::to_string(i), "x");
  loop_.RunFor(milliseconds(20));
  EXPECT_GE(calls_, 1);
  EXPECT_LT(calls_, 50);
}

// What the kubelet does to a mounted ConfigMap: a new folder, a new link, renamed over `..data`.
TEST_F(DirectoryWatchTest, SeesAConfigMapSwap) {
  fs::create_directory(dir_ / "..v1");
  std::ofstream(dir_ / "..v1/default") << "1";
  fs::create_directory_symlink("..v1", dir_ / "..data");
  fs::create_symlink("..data/default", dir_ / "default");
  Watch(dir_.path());
  EXPECT_TRUE(SeenAfter([&] {
    fs::create_directory(dir_ / "..v2");
    std::ofstream(dir_ / "..v2/default") << "2";
    fs::create_directory_symlink("..v2", dir_ / "..data_tmp");
    fs::rename(dir_ / "..data_tmp", dir_ / "..data");
    fs::remove_all(dir_ / "..v1");
  }));
  EXPECT_EQ(*ReadFile(dir_ / "default", 10), "2");
}

TEST_F(DirectoryWatchTest, WaitsForADirectoryThatIsNotThereYet) {
  Watch(dir_ / "later/still");
  loop_.RunFor(milliseconds(5));
  EXPECT_EQ(calls_, 0);
  EXPECT_TRUE(SeenAfter([&] { fs::create_directories(dir_ / "later/still"); }));
  EXPECT_TRUE(SeenAfter([&] { Put("later/still/f", "x"); }));
}

TEST_F(DirectoryWatchTest, FollowsADirectoryThatIsRemovedAndMadeAgain) {
  fs::create_directory(dir_ / "d");
  Watch(dir_ / "d");
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(SeenAfter([&] { fs::remove_all(dir_ / "d"); }));
    EXPECT_TRUE(SeenAfter([&] { fs::create_directory(dir_ / "d"); }));
    EXPECT_TRUE(SeenAfter([&] { Put("d/f", "x"); }));
  }
}

TEST_F(DirectoryWatchTest, FollowsADirectoryThatAnotherIsMovedOver) {
  fs::create_directory(dir_ / "d");
  fs::create_directory(dir_ / "next");
  Watch(dir_ / "d");
  EXPECT_TRUE(SeenAfter([&] {
    fs::rename(dir_ / "d", dir_ / "old");
    fs::rename(dir_ / "next", dir_ / "d");
  }));
  EXPECT_TRUE(SeenAfter([&] { Put("d/f", "x"); }));
  // Quiet again: the end of the old watch must not be taken for the end of the new one.
  loop_.RunFor(milliseconds(20));
  const int before = calls_;
  loop_.RunFor(milliseconds(50));
  EXPECT_EQ(calls_, before);
  Put("old/f", "x");
  loop_.RunFor(milliseconds(50));
  EXPECT_EQ(calls_, before) << "the directory that was moved away is still watched";
}

TEST_F(DirectoryWatchTest, APollFindsADirectoryWhoseParentWasReplaced) {
  fs::create_directories(dir_ / "p/d");
  fs::create_directories(dir_ / "q/d");
  Watch(dir_ / "p/d", std::chrono::milliseconds(300));
  fs::rename(dir_ / "p", dir_ / "old");
  fs::rename(dir_ / "q", dir_ / "p");
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_ >= 1; })) << "the poll";
  // Between two polls only the kernel tells of anything.
  const int polls_only = calls_;
  Put("p/d/f", "x");
  loop_.RunFor(milliseconds(20));
  EXPECT_GT(calls_, polls_only);
}

TEST_F(DirectoryWatchTest, TheCallbackMayEndTheWatch) {
  watch_ = WatchDirectory(
      *loop_, dir_.path(),
      [this] {
        ++calls_;
        watch_.reset();
      },
      std::chrono::hours(1));
  EXPECT_TRUE(SeenAfter([&] { Put("a", "1"); }));
  Put("b", "1");
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(calls_, 1);
}

TEST_F(DirectoryWatchTest, EndsWithTheObjectAndLeaksNothing) {
  const int before = testing::OpenFiles();
  for (int i = 0; i < 50; ++i) {
    Watch(i % 2 == 0 ? dir_.path() : dir_ / "none");
    loop_.RunFor(milliseconds(1));
  }
  watch_.reset();
  EXPECT_EQ(testing::OpenFiles(), before);
  calls_ = 0;
  Put("a", "1");
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(calls_, 0);
}

TEST(DirectoryWatchPollTest, CallsEveryPeriodWhateverTheKernelSays) {
  const TempDir dir;
  FakeLoop loop;  // its descriptors never fire
  int calls = 0;
  auto watch = WatchDirectory(
      loop, dir.path(), [&] { ++calls; }, std::chrono::seconds(30));
  loop.AdvanceBy(std::chrono::seconds(29));
  EXPECT_EQ(calls, 0);
  loop.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(calls, 1);
  loop.AdvanceBy(std::chrono::seconds(300));
  EXPECT_EQ(calls, 11);
  watch.reset();
  EXPECT_EQ(loop.timer_count(), 0U);
}

TEST(DirectoryWatchPollTest, AMissingDirectoryIsLookedForAndFoundWithoutEvents) {
  const TempDir dir;
  FakeLoop loop;
  int calls = 0;
  auto watch = WatchDirectory(
      loop, dir / "d", [&] { ++calls; }, std::chrono::hours(1));
  loop.AdvanceBy(std::chrono::seconds(10));
  EXPECT_EQ(calls, 0);
  fs::create_directory(dir / "d");
  loop.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(calls, 1);
  watch.reset();
  EXPECT_EQ(loop.timer_count(), 0U);
}

}  // namespace
}  // namespace tranche::base
