#include "cdi/shim.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace tranche::cdi {
namespace {

using base::Code;
using ::testing::HasSubstr;

const ShimPlaces kPlaces{.files = "/var/lib/tranche/shim", .walls = "/var/lib/tranche/walls"};

TEST(ShimTest, TheSpecIsWhatARuntimeTakes) {
  const CdiFile file = ShimSpec(kPlaces);
  EXPECT_EQ(file.name, "tranche.dev-shim.json");
  EXPECT_TRUE(CheckCdiSpec(file.spec).ok()) << CheckCdiSpec(file.spec).message();
  // One hook, and no mounts, of which runtimes would map the users; to be read again in a year by a
  // kubelet that has kept the name.
  EXPECT_EQ(
      file.spec.Dump(),
      R"({"cdiVersion":"0.3.0","kind":"tranche.dev/shim","devices":[{"name":"pod","containerEdits":{)"
      R"("hooks":[{"hookName":"createContainer","path":"/var/lib/tranche/shim/tranche-hook",)"
      R"("args":["tranche-hook","create-container","--walls","/var/lib/tranche/walls"]}]}}],)"
      R"("containerEdits":{}})");
}

class ShimConfirmedTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& folder) const {
    return dir_ / (folder + "/" + std::string(kShimFile));
  }
  void Publish(const std::string& folder, std::time_t when) {
    ASSERT_TRUE(WriteCdiSpec(dir_ / folder, kShimFile, ShimSpec(kPlaces).spec).ok());
    const timespec times[2] = {{.tv_sec = when, .tv_nsec = 0}, {.tv_sec = when, .tv_nsec = 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, Path(folder).c_str(), times, 0), 0);
  }
  base::Result<std::int64_t> At() const { return ShimConfirmedAt({dir_ / "etc", dir_ / "run"}); }

  base::testing::TempDir dir_;
};

TEST_F(ShimConfirmedTest, TheNewestOfTheFoldersCounts) {
  EXPECT_EQ(At().status().code(), Code::kNotFound);
  EXPECT_THAT(At().status().message(), HasSubstr(dir_ / "run"));
  Publish("etc", 1000);
  EXPECT_EQ(At().value(), 1000'000'000'000);
  Publish("run", 2000);
  EXPECT_EQ(At().value(), 2000'000'000'000);
  Publish("etc", 3000);
  EXPECT_EQ(At().value(), 3000'000'000'000);
}

TEST_F(ShimConfirmedTest, WhatDoesNotDefineTheDeviceCountsForNothing) {
  Publish("run", 1000);
  const auto text = base::ReadFile(Path("run"), 1U << 16U);
  ASSERT_TRUE(text.ok());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string other = *text;
    other.replace(other.find(from), from.size(), to);
    std::ofstream(Path("run")) << other;
    return At().ok();
  };
  EXPECT_TRUE(with("pod", "pod"));
  EXPECT_FALSE(with("\"name\":\"pod\"", "\"name\":\"top\""));
  EXPECT_FALSE(with("tranche.dev/shim", "tranche.dev/ship"));
  EXPECT_FALSE(with("{", "["));
  std::ofstream(Path("run")) << std::string(1U << 20U, ' ');
  EXPECT_FALSE(At().ok());
}

TEST(ShimAgeTest, IsSinceThenOrSinceTheMachineHasStarted) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  EXPECT_EQ(ShimAge(now + 3600'000'000'000), base::Duration::zero()) << "a clock that was put back";
  timespec up{};
  clock_gettime(CLOCK_BOOTTIME, &up);
  const auto uptime = std::chrono::seconds(up.tv_sec);
  EXPECT_GE(ShimAge(0), uptime);
  EXPECT_LT(ShimAge(0), uptime + std::chrono::minutes(2)) << "though 1970 is longer ago";
  const base::Duration second = ShimAge(now - 1'000'000'000);
  EXPECT_GE(second, std::min<base::Duration>(std::chrono::seconds(1), uptime));
  EXPECT_LT(second, std::chrono::minutes(2));
}

}  // namespace
}  // namespace tranche::cdi
