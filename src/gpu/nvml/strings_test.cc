#include "gpu/nvml/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::gpu::nvml {
namespace {

using ::testing::SizeIs;

TEST(ParseProductNameTest, LeavesOutWhatIsNoPrintableAscii) {
  EXPECT_EQ(ParseProductName("NVIDIA A100-SXM4-80GB"), "NVIDIA A100-SXM4-80GB");
  EXPECT_EQ(ParseProductName("NVIDIA\x07 GeForce\xC2\xAE RTX\t5090\n\x7F\xFF"),
            "NVIDIA GeForce RTX5090");
  EXPECT_EQ(ParseProductName("\xE6\x98\xBE\xE5\x8D\xA1"), "");
}

TEST(BufferTextTest, StopsAtTheTerminatorOrTheEnd) {
  const char with[] = {'a', 'b', '\0', 'c'};
  EXPECT_EQ(BufferText(with, sizeof with), "ab");
  const char without[] = {'a', 'b'};
  EXPECT_EQ(BufferText(without, sizeof without), "ab");
  EXPECT_EQ(BufferText(with, 0), "");
}

TEST(ParseUuidTest, TakesWhatDriversWrite) {
  for (const std::string_view good :
       {"GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c", "MIG-a7d3ce5e-72f2-5c2a-9d0b-2f5a4f4d0f01",
        "MIG-GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c/1/0", "GPU-0"}) {
    EXPECT_EQ(ParseUuid(good), std::string(good));
  }
}

TEST(ParseUuidTest, RefusesWhatWouldBreakAnId) {
  for (const std::string_view bad :
       {"", "GPU-", "gpu-1", "4cf8db2d", "GPU-a::1", "GPU-a,b", "GPU-a b", "GPU-a\n",
        "GPU-\xc3\xa9", "GPU-../../etc", "GPU-a=b"}) {
    EXPECT_EQ(ParseUuid(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(ParseUuid("GPU-" + std::string(200, 'a')), std::nullopt);
}

TEST(ParseBusIdTest, BecomesTheNameUnderSys) {
  EXPECT_EQ(ParseBusId("00000000:07:00.0"), "0000:07:00.0");
  EXPECT_EQ(ParseBusId("0000:AB:1f.7"), "0000:ab:1f.7");
  EXPECT_EQ(ParseBusId("00010000:C1:00.0"), "10000:c1:00.0");  // five digits under /sys as well
  EXPECT_EQ(ParseBusId("0001:00:00.0"), "0001:00:00.0");
}

TEST(ParseBusIdTest, RefusesTheRest) {
  for (const std::string_view bad : {"", "07:00.0", "0000:07:00", "0000:07:00.0x", "0000:07:00.8",
                                     "0000:107:00.0", "0000:07:20.0", "100000000:07:00.0",
                                     "../../../etc/passwd", "0000:-7:00.0", "0000:07:00.0 "}) {
    EXPECT_EQ(ParseBusId(bad), std::nullopt) << bad;
  }
}

TEST(DisplayGpuTest, IsTheOneOfADgxStation) {
  EXPECT_TRUE(IsDisplayGpu("NVIDIA DGX Display"));
  EXPECT_TRUE(IsDisplayGpu("DGX Display"));
  EXPECT_FALSE(IsDisplayGpu("NVIDIA A100-SXM4-80GB"));
}

TEST(MigProfileTest, TextAndBack) {
  for (const std::string_view text : {"1g.10gb", "7g.80gb", "1c.2g.20gb", "1g.10gb+me", "1g.6gb-me",
                                      "1g.12gb+me.all", "2g.24gb+gfx"}) {
    const auto profile = ParseMigProfile(text);
    ASSERT_TRUE(profile) << text;
    EXPECT_EQ(FormatMigProfile(*profile), text);
  }
  const auto partial = ParseMigProfile("1c.2g.20gb+me");
  EXPECT_EQ(partial, (MigProfile{1, 2, 20, "+me"}));
  EXPECT_EQ(ParseMigProfile("2g.20gb")->compute_slices, 2U);
}

TEST(MigProfileTest, RefusesTheRest) {
  for (const std::string_view bad :
       {"", "1g", "1g.gb", "g.10gb", "1g.10gb+", "1g.10gb+ME", "1g.10gbme", "3c.2g.20gb", "0g.10gb",
        "0c.1g.10gb", "1g.10gb+me\n", "-1g.10gb", "1g.99999999999gb",
        "1g.10gb+aaaaaaaaaaaaaaaaaaaaa"}) {
    EXPECT_EQ(ParseMigProfile(bad), std::nullopt) << bad;
  }
}

TEST(MigProfileTest, InADevicesName) {
  EXPECT_EQ(ProfileInName("NVIDIA A100-SXM4-80GB MIG 1g.10gb+me"), (MigProfile{1, 1, 10, "+me"}));
  EXPECT_EQ(ProfileInName("MIG 1c.3g.40gb "), (MigProfile{1, 3, 40, ""}));
  EXPECT_EQ(ProfileInName("NVIDIA A100-SXM4-80GB"), std::nullopt);
  EXPECT_EQ(ProfileInName("NVIDIA OMIG 1g.10gb"), std::nullopt);
}

TEST(MigMemoryTest, RoundsAsNvidiaDoes) {
  constexpr std::uint64_t kMiB = 1U << 20U;
  // A100-SXM4-80GB: 81920 MiB; A100-SXM4-40GB: 40536 MiB (NVIDIA's MIG User Guide, tables of
  // profiles)
  EXPECT_EQ(MigMemoryGb(81920 * kMiB, 9728), 10U);
  EXPECT_EQ(MigMemoryGb(81920 * kMiB, 19968), 20U);
  EXPECT_EQ(MigMemoryGb(81920 * kMiB, 40192), 40U);
  EXPECT_EQ(MigMemoryGb(81920 * kMiB, 80896), 80U);
  EXPECT_EQ(MigMemoryGb(40536 * kMiB, 4864), 5U);
  EXPECT_EQ(MigMemoryGb(40536 * kMiB, 20096), 20U);
  EXPECT_EQ(MigMemoryGb(0, 9728), 0U);
  EXPECT_EQ(MigMemoryGb(81920 * kMiB, ~0ULL), 80U);
  EXPECT_EQ(MigMemoryGb(~0ULL, ~0ULL), 0U);
}

TEST(MigMinorsTest, ReadsInstancesAndSkipsTheRest) {
  const MigMinors minors = ParseMigMinors(
      "config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\r\n  gpu7/gi13/ci7/access 999 "
      "\n"
      "gpu1/gi/access 5\ngpu1/gi1/access\ngpu1/gi1/ci/access 5\ngpu1/gi1/access "
      "5x\ngpu-1/gi1/access 5\n"
      "gpu99999999999/gi1/access 5\ngpu2/gi1/access 17");
  EXPECT_THAT(minors.gpu_instances, SizeIs(2));
  EXPECT_THAT(minors.compute_instances, SizeIs(2));
  EXPECT_EQ(minors.gpu_instances.at({0, 0}), 3U);
  EXPECT_EQ(minors.gpu_instances.at({2, 1}), 17U);
  EXPECT_EQ(minors.compute_instances.at({0, 0, 0}), 4U);
  EXPECT_EQ(minors.compute_instances.at({7, 13, 7}), 999U);
}

TEST(MigMinorsTest, AnEndlessFileIsBounded) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "gpu" + std::to_string(i) + "/gi0/access 1\n";
  EXPECT_THAT(ParseMigMinors(text).gpu_instances, SizeIs(65536));
}

TEST(NumaNodeTest, NegativeAndNonsenseAreNone) {
  EXPECT_EQ(ParseNumaNode("1\n"), 1);
  EXPECT_EQ(ParseNumaNode("0"), 0);
  for (const std::string_view none : {"-1\n", "", "x", "1 2", "4096", "99999999999"}) {
    EXPECT_EQ(ParseNumaNode(none), std::nullopt) << none;
  }
}

TEST(PciClassTest, IsSixHexDigitsAtMost) {
  EXPECT_EQ(ParsePciClass("0x030200\n"), 0x030200U);
  EXPECT_EQ(ParsePciClass("0x030000"), 0x030000U);
  for (const std::string_view none : {"", "030200", "0x", "0xzz", "0x1000000", "0x0302 00"}) {
    EXPECT_EQ(ParsePciClass(none), std::nullopt) << none;
  }
}

TEST(FabricUuidTest, IsWrittenAsUuidsAreAndZerosAreNone) {
  unsigned char bytes[kFabricUuidSize] = {};
  EXPECT_EQ(FabricUuid(bytes), std::nullopt);
  for (unsigned i = 0; i < kFabricUuidSize; ++i) {
    bytes[i] = static_cast<unsigned char>(i * 16 + i);
  }
  EXPECT_EQ(FabricUuid(bytes), "00112233-4455-6677-8899-aabbccddeeff");
}

TEST(ReturnStatusTest, CodesThatCallersTellApart) {
  EXPECT_TRUE(ReturnStatus(nvml::kSuccess, "f").ok());
  EXPECT_EQ(ReturnStatus(nvml::kGpuIsLost, "f").code(), base::Code::kDataLoss);
  EXPECT_EQ(ReturnStatus(nvml::kNotSupported, "f").code(), base::Code::kUnimplemented);
  EXPECT_EQ(ReturnStatus(nvml::kGpuIsLost, "f").message(), "f: GPU is lost (15)");
  EXPECT_EQ(ReturnStatus(static_cast<Return>(777), "f").message(), "f: unknown error (777)");
}

}  // namespace
}  // namespace tranche::gpu::nvml
