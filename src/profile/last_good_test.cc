#include "profile/last_good.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "config/load.h"

namespace tranche::profile {
namespace {

using base::Code;

class LastGoodTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string Path() const { return directory_ / "last-good.json"; }
  void Write(const std::string& bytes) { ASSERT_TRUE(base::WriteFileAtomic(Path(), bytes).ok()); }
  [[nodiscard]] std::string Bytes() const { return base::ReadFile(Path(), 64U << 20U).value(); }
  [[nodiscard]] Code LoadCode() const { return LoadLastGood(directory_.path()).status().code(); }

  const base::testing::TempDir directory_;
  const LastGood good_{.profile = "dev", .source = "/configs/dev", .text = "version: v1\n"};
};

TEST_F(LastGoodTest, NoneYet) { EXPECT_EQ(LoadCode(), Code::kNotFound); }

TEST_F(LastGoodTest, ComesBackAsItWasWhateverTheBytes) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  for (const std::string& text :
       {std::string(), std::string("a: é \"\\\n"), every_byte,
        "# caf\xe9\nversion: v1\n" + good_.text, std::string(config::kMaxConfigBytes, '\x01'),
        std::string(100'000, '\xff')}) {
    const LastGood good{.profile = "p", .source = "s\xff", .text = text};
    ASSERT_TRUE(SaveLastGood(directory_.path(), good).ok());
    const auto loaded = LoadLastGood(directory_.path());
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_TRUE(*loaded == good);
  }
}

TEST_F(LastGoodTest, TheDirectoryIsMade) {
  ASSERT_TRUE(SaveLastGood(directory_ / "a/b", good_).ok());
  EXPECT_TRUE(LoadLastGood(directory_ / "a/b").ok());
}

TEST_F(LastGoodTest, TheSameAgainDoesNotTouchTheDisk) {
  ASSERT_TRUE(SaveLastGood(directory_.path(), good_).ok());
  const base::FileIdentity before = base::IdentityOf(Path());
  ASSERT_TRUE(SaveLastGood(directory_.path(), good_).ok());
  EXPECT_TRUE(base::IdentityOf(Path()) == before);
  LastGood other = good_;
  other.text += "# edited\n";
  ASSERT_TRUE(SaveLastGood(directory_.path(), other).ok());
  EXPECT_FALSE(base::IdentityOf(Path()) == before);
}

TEST_F(LastGoodTest, EveryTornFileIsDataLoss) {
  ASSERT_TRUE(SaveLastGood(directory_.path(), good_).ok());
  const std::string whole = Bytes();
  // Less only by the newline at the end is not torn.
  for (std::size_t length = 0; length + 2 <= whole.size(); ++length) {
    Write(whole.substr(0, length));
    EXPECT_EQ(LoadCode(), Code::kDataLoss) << length;
  }
}

TEST_F(LastGoodTest, EveryChangedLetterOfAValueIsDataLoss) {
  ASSERT_TRUE(SaveLastGood(directory_.path(), good_).ok());
  const std::string whole = Bytes();
  for (const std::string& value : {std::string("\"dev\""), std::string("/configs/dev"),
                                   std::string("version: v1"), std::string("crc32\": \"")}) {
    const std::size_t at = whole.find(value);
    ASSERT_NE(at, std::string::npos);
    std::string changed = whole;
    char& letter = changed[at + value.size() - 2 + (value.starts_with("crc32") ? 2 : 0)];
    letter = letter == 'x' ? 'y' : 'x';
    Write(changed);
    EXPECT_EQ(LoadCode(), Code::kDataLoss) << value;
  }
}

TEST_F(LastGoodTest, MovingBytesFromOneFieldToTheNextIsDataLoss) {
  ASSERT_TRUE(SaveLastGood(directory_.path(), {.profile = "ab", .source = "c", .text = "t"}).ok());
  std::string bytes = Bytes();
  const auto replace = [&](const std::string& from, const std::string& to) {
    const std::size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at, from.size(), to);
  };
  replace("\"ab\"", "\"a\"");
  replace("\"c\"", "\"bc\"");
  Write(bytes);
  EXPECT_EQ(LoadCode(), Code::kDataLoss);
}

TEST_F(LastGoodTest, ForeignAndHugeFilesAreDataLoss) {
  for (const std::string& bytes :
       {std::string("version: v1\n"), std::string("[]"), std::string("null"), std::string("{}"),
        std::string(1000, '['), std::string("\0\xff\x7f", 3),
        std::string(R"({"apiVersion": "tranche.dev/v9", "kind": "LastGoodConfig"})")}) {
    Write(bytes);
    EXPECT_EQ(LoadCode(), Code::kDataLoss) << bytes;
  }
  Write("{}");
  ASSERT_EQ(truncate(Path().c_str(), off_t{1} << 30U), 0);  // sparse
  EXPECT_EQ(LoadCode(), Code::kDataLoss);
}

TEST_F(LastGoodTest, DamageIsRepairedByTheNextSave) {
  Write("{");
  ASSERT_TRUE(SaveLastGood(directory_.path(), good_).ok());
  EXPECT_TRUE(*LoadLastGood(directory_.path()) == good_);
}

// A file that may not grow stands in for a full disk: write() fails half-way in both.
TEST_F(LastGoodTest, AFullDiskLeavesTheOldOne) {
  ASSERT_TRUE(SaveLastGood(directory_.path(), good_).ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    LastGood big = good_;
    big.text = std::string(100'000, 'x');
    const base::Status status = SaveLastGood(directory_.path(), big);
    _exit(!status.ok() && LoadLastGood(directory_.path()).ok() ? 0 : 1);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_TRUE(WIFEXITED(result));
  EXPECT_EQ(WEXITSTATUS(result), 0);
  EXPECT_TRUE(*LoadLastGood(directory_.path()) == good_);
  // Nothing half-written is left to fill the disk further.
  EXPECT_EQ(base::ListDirectory(directory_.path())->size(), 1U);
}

}  // namespace
}  // namespace tranche::profile
