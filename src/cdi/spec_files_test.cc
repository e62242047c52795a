// The readers of foreign files: ELF and ld.so.cache, whole, cut short and hostile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "cdi/elf.h"
#include "cdi/ldcache.h"
#include "cdi/libraries.h"
#include "cdi/testing/driver_tree.h"

namespace tranche::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CdiElf, ReadsTheSoname) {
  const cdi::testing::TestDirectory directory;
  directory.Write("a", cdi::testing::TestLibrary("liba.so.1"));
  directory.Write("none", cdi::testing::TestLibrary(""));
  EXPECT_EQ(*ReadSoname(directory.path() + "/a"), "liba.so.1");
  EXPECT_EQ(*ReadSoname(directory.path() + "/none"), "");
}

TEST(CdiElf, ReadsARealFile) {
  // A program, which has no SONAME.
  const base::Result<std::string> soname = ReadSoname("/proc/self/exe");
  ASSERT_TRUE(soname.ok()) << soname.status().message();
  EXPECT_EQ(*soname, "");
}

TEST(CdiElf, RefusesWhatIsNoLibrary) {
  const cdi::testing::TestDirectory directory;
  directory.Write("text", "#!/bin/sh\n");
  EXPECT_EQ(ReadSoname(directory.path() + "/text").status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(ReadSoname(directory.path() + "/absent").status().code(), base::Code::kNotFound);
  EXPECT_FALSE(ReadSoname(directory.path()).ok());
}

TEST(CdiElf, RefusesEveryTornFile) {
  const cdi::testing::TestDirectory directory;
  const std::string whole = cdi::testing::TestLibrary("liba.so.1");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    directory.Write("a", std::string_view(whole).substr(0, size));
    EXPECT_FALSE(ReadSoname(directory.path() + "/a").ok()) << size;
  }
}

TEST(CdiElf, SurvivesEveryChangedByte) {
  const cdi::testing::TestDirectory directory;
  const std::string whole = cdi::testing::TestLibrary("liba.so.1");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = '\xff';
    directory.Write("a", changed);
    const base::Result<std::string> soname = ReadSoname(directory.path() + "/a");
    if (soname.ok()) {
      EXPECT_LE(soname->size(), whole.size()) << at;
    }
  }
}

TEST(CdiElf, RefusesANameThatIsAPath) {
  const cdi::testing::TestDirectory directory;
  directory.Write("a", cdi::testing::TestLibrary("../../etc/passwd"));
  EXPECT_FALSE(ReadSoname(directory.path() + "/a").ok());
}

constexpr std::uint32_t kI386 = 0x0003;
constexpr std::uint32_t kAarch64 = 0x0a03;
constexpr std::uint32_t kX8664 = cdi::testing::kTestLibraryFlags;

TEST(CdiLdCache, ListsLibrariesOf64Bits) {
  const std::string bytes = cdi::testing::TestLdCache({{kX8664, "/opt/liba.so.1"},
                                                       {kI386, "/opt32/liba.so.1"},
                                                       {kX8664, "/opt/liba.so.1"},
                                                       {kAarch64, "/arm/liba.so.1"},
                                                       {kX8664, "relative"}});
  EXPECT_THAT(*ParseLdCache(bytes), ElementsAre("/opt/liba.so.1", "/arm/liba.so.1"));
}

TEST(CdiLdCache, SkipsTheOldPart) {
  std::string bytes = "ld.so-1.7.0";
  bytes.resize(12);
  bytes += std::string("\x03\0\0\0", 4);  // three entries of 12 bytes
  bytes.resize(16 + 3 * 12);
  bytes.resize((bytes.size() + 7) / 8 * 8);
  EXPECT_THAT(*ParseLdCache(bytes + cdi::testing::TestLdCache({{kX8664, "/a/b"}})),
              ElementsAre("/a/b"));
}

TEST(CdiLdCache, RefusesOrOutlivesDamage) {
  EXPECT_FALSE(ParseLdCache("").ok());
  EXPECT_FALSE(ParseLdCache("ld.so-1.7.0").ok());
  const std::string whole = cdi::testing::TestLdCache({{kX8664, "/a/b"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto paths = ParseLdCache(std::string_view(whole).substr(0, size));
    if (paths.ok()) {
      EXPECT_THAT(*paths, IsEmpty()) << size;
    }
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = '\xff';
    const auto paths = ParseLdCache(changed);
    if (paths.ok()) {
      EXPECT_LE(paths->size(), 1U) << at;
    }
  }
}

TEST(CdiLibraries, KnowsLibraryNames) {
  for (const char* name : {"libcuda.so", "libcuda.so.1", "libc.so.so.2"}) {
    EXPECT_TRUE(IsLibraryName(name)) << name;
  }
  for (const char* name : {"nvidia_drv.so", "lib.so", "libcuda.so1", "libcuda.so.conf.so-x", ""}) {
    EXPECT_FALSE(IsLibraryName(name)) << name;
  }
}

}  // namespace
}  // namespace tranche::cdi
