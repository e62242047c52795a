#include "node/identity/maps.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace tranche::node::identity {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(MappingsInTest, FilesAreTold) {
  const auto mappings = MappingsIn(
      "55d0-55d1 r-xp 00000000 fd:1a 4242                       /usr/bin/a b\n"
      "7ffd-7ffe rw-p 00000000 00:00 0                          [stack]\n"
      "7f00-7f01 rw-p 00000000 00:00 0 \n"
      "7f10-7f20 rw-s 00000000 00:01 77    /memfd:tranche-counters (deleted)");
  ASSERT_THAT(mappings, SizeIs(2));
  EXPECT_EQ(mappings[0].range, "55d0-55d1");
  EXPECT_EQ(mappings[0].file, (MappedFile{.major = 0xFD, .minor = 0x1A, .inode = 4242}));
  EXPECT_EQ(mappings[0].path, "/usr/bin/a b");
  EXPECT_EQ(mappings[1].range, "7f10-7f20");
  EXPECT_EQ(mappings[1].path, "/memfd:tranche-counters (deleted)");
}

TEST(MappingsInTest, NonsenseIsLeftOut) {
  EXPECT_THAT(MappingsIn(""), IsEmpty());
  EXPECT_THAT(MappingsIn("\n\nnothing of it makes sense\n/\n1-2 r-xp 0 fd01 7 /usr/lib/x\n"),
              IsEmpty());
}

TEST(ReadMapsTest, AProcessThatCannotBeReadHasNoneThatAreKnown) {
  const auto own = ReadMaps("/proc", static_cast<unsigned>(getpid()));
  ASSERT_TRUE(own.ok());
  EXPECT_TRUE(std::ranges::any_of(MappingsIn(*own), [](const Mapping& mapping) {
    return mapping.path.ends_with("/node_identity_test");
  }));
  const base::testing::TempDir proc;
  EXPECT_EQ(ReadMaps(proc.path(), 7).status().code(), base::Code::kNotFound);
  std::filesystem::create_directories(proc.path() + "/7");
  ASSERT_TRUE(base::WriteFileAtomic(proc.path() + "/7/maps", "").ok());
  EXPECT_EQ(ReadMaps(proc.path(), 7).status().code(), base::Code::kUnavailable);
}

}  // namespace
}  // namespace tranche::node::identity
