#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utime.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "base/testing/real_loop.h"

namespace tranche::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

void Put(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(ReadFileTest, ReadsTheWholeFile) {
  const TempDir dir;
  std::string bytes(300'000, 'x');
  bytes[7] = '\0';
  Put(dir / "f", bytes);
  EXPECT_EQ(*ReadFile(dir / "f", 300'000), bytes);
  EXPECT_EQ(*ReadFile(dir / "f", std::numeric_limits<std::size_t>::max()), bytes);
  Put(dir / "empty", "");
  EXPECT_EQ(*ReadFile(dir / "empty", 0), "");
}

TEST(ReadFileTest, RefusesWhatIsTooLong) {
  const TempDir dir;
  Put(dir / "f", "12345");
  EXPECT_EQ(*ReadFile(dir / "f", 5), "12345");
  const auto result = ReadFile(dir / "f", 4);
  EXPECT_EQ(result.status().code(), Code::kOutOfRange);
  EXPECT_THAT(result.status().message(), HasSubstr(dir / "f"));
  EXPECT_EQ(ReadFile(dir / "f", 0).status().code(), Code::kOutOfRange);
}

TEST(ReadFileTest, AnEndlessFileCostsTheBound) {
  EXPECT_EQ(ReadFile("/dev/zero", 1U << 20U).status().code(), Code::kOutOfRange);
}

TEST(ReadFileTest, ErrorsCarryThePath) {
  const TempDir dir;
  const auto missing = ReadFile(dir / "none", 10);
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr(dir / "none"));
  EXPECT_THAT(ReadFile(dir.path(), 10).status().message(), HasSubstr("Is a directory"));
  ASSERT_EQ(symlink("loop", (dir / "loop").c_str()), 0);
  EXPECT_FALSE(ReadFile(dir / "loop", 10).ok());
}

TEST(ReadFileTest, AFifoDoesNotHang) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(*ReadFile(dir / "fifo", 10), "");  // nobody writes: at its end
  const UniqueFd writer(open((dir / "fifo").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(writer.valid());
  EXPECT_FALSE(ReadFile(dir / "fifo", 10).ok());  // somebody might
}

TEST(WriteFileAtomicTest, WritesReplacesAndSetsTheMode) {
  const TempDir dir;
  const std::string path = dir / "a/b/c/file";
  ASSERT_TRUE(WriteFileAtomic(path, "one", 0600).ok());
  EXPECT_EQ(*ReadFile(path, 100), "one");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ASSERT_TRUE(WriteFileAtomic(path, std::string(1'000'000, '2'), 0644, Durability::kSynced).ok());
  EXPECT_EQ(ReadFile(path, 2'000'000)->size(), 1'000'000U);
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0644U);
  EXPECT_THAT(*ListDirectory(dir / "a/b/c"), ElementsAre("file"));
}

TEST(WriteFileAtomicTest, ReplacesASymbolicLinkAndNotItsTarget) {
  const TempDir dir;
  Put(dir / "target", "keep");
  ASSERT_EQ(symlink("target", (dir / "link").c_str()), 0);
  ASSERT_TRUE(WriteFileAtomic(dir / "link", "new").ok());
  EXPECT_EQ(*ReadFile(dir / "target", 10), "keep");
  EXPECT_EQ(*ReadFile(dir / "link", 10), "new");
}

// A file size limit stands in for a full disk: write(2) fails half way either way.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    rlimit limit = old_limit_;
    limit.rlim_cur = bytes;
    TRANCHE_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(WriteFileAtomicTest, AFullDiskLeavesTheOldFileAndNoLitter) {
  const TempDir dir;
  const std::string path = dir / "file";
  ASSERT_TRUE(WriteFileAtomic(path, "old").ok());
  Status status;
  {
    const FullDisk full(1000);
    status = WriteFileAtomic(path, std::string(100'000, 'x'));
  }
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(path));
  EXPECT_EQ(*ReadFile(path, 100), "old");
  EXPECT_THAT(*ListDirectory(dir.path()), ElementsAre("file"));
}

TEST(WriteFileAtomicTest, AFullDeviceSaysSo) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  // The kernel's own ENOSPC, through the same code as every write.
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_LT(write(full.get(), "x", 1), 0);
  EXPECT_EQ(ErrnoStatus(errno, "write").code(), Code::kResourceExhausted);
}

TEST(WriteFileAtomicTest, ADirectoryInTheWayIsAnErrorWithoutLitter) {
  const TempDir dir;
  ASSERT_TRUE(MakeDirectories(dir / "file/inside").ok());
  EXPECT_FALSE(WriteFileAtomic(dir / "file", "x").ok());
  EXPECT_THAT(*ListDirectory(dir.path()), ElementsAre("file"));
  Put(dir / "plain", "");
  EXPECT_FALSE(WriteFileAtomic(dir / "plain/below", "x").ok());
}

// Whoever tells a failure once knows it again by its text.
TEST(WriteFileAtomicTest, TheSameFailureReadsTheSameEachTime) {
  const testing::TempDir dir;
  const std::string path = dir / "file";
  ASSERT_TRUE(MakeDirectories(path).ok());
  const Status status = WriteFileAtomic(path, "x");
  EXPECT_EQ(status.message(), "replace " + path + ": Is a directory");
  EXPECT_EQ(WriteFileAtomic(path, "x"), status);
}

TEST(WriteFileAtomicTest, AReaderSeesOldOrNewAndNothingBetween) {
  const TempDir dir;
  const std::string path = dir / "file";
  const std::string a(100'000, 'a');
  const std::string b(50'000, 'b');
  ASSERT_TRUE(WriteFileAtomic(path, a).ok());
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(WriteFileAtomic(path, i % 2 == 0 ? b : a).ok());
  });
  for (int i = 0; i < 200; ++i) {
    const auto seen = ReadFile(path, 200'000);
    ASSERT_TRUE(seen.ok()) << seen.status().message();
    EXPECT_TRUE(*seen == a || *seen == b);
  }
  writer.join();
}

TEST(WriteFileAtomicTest, TwoWritersDoNotMeet) {
  const TempDir dir;
  const std::string path = dir / "file";
  std::vector<std::thread> writers;
  for (char c : {'a', 'b', 'c'}) {
    writers.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(WriteFileAtomic(path, std::string(20'000, c)).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string bytes = *ReadFile(path, 100'000);
  EXPECT_EQ(bytes, std::string(20'000, bytes[0]));
  EXPECT_THAT(*ListDirectory(dir.path()), ElementsAre("file"));
}

TEST(MakeDirectoriesTest, MakesParentsAndAcceptsWhatIsThere) {
  const TempDir dir;
  EXPECT_TRUE(MakeDirectories(dir / "a//b/c/").ok());
  EXPECT_TRUE(MakeDirectories(dir / "a/b/c").ok());
  EXPECT_TRUE(std::filesystem::is_directory(dir / "a/b/c"));
  EXPECT_TRUE(MakeDirectories("/").ok());
  EXPECT_TRUE(MakeDirectories("").ok());
  EXPECT_TRUE(MakeDirectories(".").ok());
}

TEST(MakeDirectoriesTest, AFileOrADanglingLinkInTheWayIsAnError) {
  const TempDir dir;
  Put(dir / "file", "");
  EXPECT_EQ(MakeDirectories(dir / "file").code(), Code::kAlreadyExists);
  EXPECT_EQ(MakeDirectories(dir / "file/below").code(), Code::kNotFound);
  ASSERT_EQ(symlink("nowhere", (dir / "dangling").c_str()), 0);
  EXPECT_FALSE(MakeDirectories(dir / "dangling").ok());
  EXPECT_FALSE(MakeDirectories(dir / "dangling/below").ok());
}

TEST(PathTest, Join) {
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
  EXPECT_EQ(JoinPath("/a/", "/b"), "/a/b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(JoinPath("//", "//b/c"), "/b/c");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

TEST(PathTest, ParentAndBase) {
  EXPECT_EQ(ParentDirectory("/a/b"), "/a");
  EXPECT_EQ(ParentDirectory("/a/b/"), "/a");
  EXPECT_EQ(ParentDirectory("/a"), "/");
  EXPECT_EQ(ParentDirectory("/"), "/");
  EXPECT_EQ(ParentDirectory("a"), ".");
  EXPECT_EQ(ParentDirectory(""), ".");
  EXPECT_EQ(BaseName("/a/b.sock"), "b.sock");
  EXPECT_EQ(BaseName("b"), "b");
}

TEST(ListDirectoryTest, NamesAreSortedAndWithoutDots) {
  const TempDir dir;
  for (const char* name : {"b", "a", "..data", ".hidden"}) Put(dir / name, "");
  EXPECT_THAT(*ListDirectory(dir.path()), ElementsAre("..data", ".hidden", "a", "b"));
  EXPECT_EQ(ListDirectory(dir / "none").status().code(), Code::kNotFound);
  EXPECT_FALSE(ListDirectory(dir / "a").ok());
}

TEST(ExistsTest, FollowsLinks) {
  const TempDir dir;
  ASSERT_EQ(symlink("nowhere", (dir / "dangling").c_str()), 0);
  EXPECT_FALSE(Exists(dir / "dangling"));
  EXPECT_TRUE(Exists(dir.path()));
}

// ---- identity ----

bool HasBirthTimes(const std::string& path) {
  struct statx info {};
  return statx(AT_FDCWD, path.c_str(), 0, STATX_BTIME, &info) == 0 &&
         (info.stx_mask & STATX_BTIME) != 0;
}

UniqueFd ListenAt(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  TRANCHE_CHECK(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

TEST(IdentityTest, WhatIsNotThereHasNone) {
  const TempDir dir;
  EXPECT_FALSE(IdentityOf(dir / "none").exists());
  EXPECT_EQ(IdentityOf(dir / "none"), FileIdentity{});
}

TEST(IdentityTest, TouchingAndWritingChangesNothing) {
  const TempDir dir;
  const std::string path = dir / "kubelet.sock";
  if (!HasBirthTimes(dir.path())) GTEST_SKIP() << "a file system without birth times";
  const UniqueFd fd = ListenAt(path);
  const FileIdentity before = IdentityOf(path);
  EXPECT_TRUE(before.exists());
  ASSERT_EQ(utime(path.c_str(), nullptr), 0);
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(IdentityOf(path), before);
  ASSERT_EQ(rename(path.c_str(), (dir / "moved").c_str()), 0);
  EXPECT_EQ(IdentityOf(dir / "moved"), before);
}

TEST(IdentityTest, ASocketMadeAnewIsAnother) {
  const TempDir dir;
  const std::string path = dir / "kubelet.sock";
  FileIdentity last;
  for (int i = 0; i < 20; ++i) {  // inodes are used again at once on some file systems
    const UniqueFd fd = ListenAt(path);
    const FileIdentity now = IdentityOf(path);
    EXPECT_FALSE(now == last);
    last = now;
    ASSERT_EQ(unlink(path.c_str()), 0);
  }
}

TEST(IdentityTest, ALinkIsItself) {
  const TempDir dir;
  Put(dir / "f", "");
  ASSERT_EQ(symlink("f", (dir / "link").c_str()), 0);
  EXPECT_FALSE(IdentityOf(dir / "link") == IdentityOf(dir / "f"));
}

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  const int before = testing::OpenFiles();
  {
    UniqueFd one(open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd two(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = two.get();
    one = std::move(two);
    EXPECT_EQ(one.get(), number);
    UniqueFd& self = one;
    one = std::move(self);
    EXPECT_TRUE(one.valid());
    const UniqueFd three(one.release());
    EXPECT_FALSE(one.valid());
  }
  EXPECT_EQ(testing::OpenFiles(), before);
}

}  // namespace
}  // namespace tranche::base
