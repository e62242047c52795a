#include "labels/facts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace tranche::labels {
namespace {

// A configuration space with one vendor-specific capability at 0x40.
std::string Space(const std::string& capability) {
  std::string space(256, '\0');
  space[0x06] = 0x10;
  space[0x34] = 0x40;
  space[0x40] = 0x09;
  space[0x42] = static_cast<char>(3 + capability.size());
  space.replace(0x43, capability.size(), capability);
  return space;
}

std::string Fixed(std::string text) {
  text.resize(10);
  return text;
}

// Signature, a record of another kind, the host's driver.
std::string Guest() {
  return std::string("VF") + std::string("\x01\x04zz", 4) + std::string("\0\x16", 2) +
         Fixed("460.16") + Fixed("r460_00");
}

TEST(VgpuOfTest, FindsTheHostsDriver) {
  const auto host = VgpuOf(Space(Guest()));
  ASSERT_TRUE(host.ok());
  EXPECT_EQ(*host, (VgpuHost{.driver_version = "460.16", .driver_branch = "r460_00"}));
}

TEST(VgpuOfTest, APassedThroughGpuIsNone) {
  EXPECT_EQ(*VgpuOf(std::string(256, '\0')), std::nullopt);
  EXPECT_EQ(*VgpuOf(Space("XX")), std::nullopt);
  std::string none = Space(Guest());
  none[0x06] = 0;
  EXPECT_EQ(*VgpuOf(none), std::nullopt);
}

TEST(VgpuOfTest, AGuestThatTellsNothingIsOneStill) {
  EXPECT_EQ(*VgpuOf(Space("VF")), VgpuHost());
  EXPECT_EQ(*VgpuOf(Space(Guest().substr(0, 20))), VgpuHost());
}

TEST(VgpuOfTest, ChainsAndRecordsThatLoopEnd) {
  std::string loop(256, '\0');
  loop[0x06] = 0x10;
  loop[0x34] = 0x40;
  loop[0x41] = 0x40;
  EXPECT_EQ(*VgpuOf(loop), std::nullopt);
  EXPECT_EQ(*VgpuOf(Space("VF" + std::string(60, '\x01').replace(1, 1, 1, '\0'))), VgpuHost());
  for (int fill = 0; fill < 256; ++fill) {
    EXPECT_TRUE(VgpuOf(std::string(256, static_cast<char>(fill))).ok());
  }
}

TEST(VgpuOfTest, WhatAnUnprivilegedReaderGetsIsTooLittle) {
  EXPECT_EQ(VgpuOf(std::string(64, '\0')).status().code(), base::Code::kFailedPrecondition);
}

class ReadLabelFactsTest : public ::testing::Test {
 protected:
  void Device(const std::string& name, const std::string& vendor, const std::string& config) {
    const std::string directory = root_ / "sys/bus/pci/devices/" + name;
    EXPECT_TRUE(base::WriteFileAtomic(directory + "/vendor", vendor + "\n").ok());
    EXPECT_TRUE(base::WriteFileAtomic(directory + "/config", config).ok());
  }
  const base::testing::TempDir root_;
};

TEST_F(ReadLabelFactsTest, ReadsMachineAndGuest) {
  EXPECT_TRUE(base::WriteFileAtomic(root_ / "machine", " DGX H100\n").ok());
  Device("0000:00:01.0", "0x8086", "");
  Device("0000:00:02.0", "0x10de", std::string(256, '\0'));
  LabelFacts facts = ReadLabelFacts(root_ / "machine", root_.path());
  EXPECT_EQ(facts.machine, "DGX H100");
  EXPECT_TRUE(facts.vgpu_known);
  EXPECT_EQ(facts.vgpu, std::nullopt);
  Device("0000:00:03.0", "0x10de", Space(Guest()));
  facts = ReadLabelFacts("", root_.path());
  EXPECT_EQ(facts.machine, "unknown");
  ASSERT_TRUE(facts.vgpu.has_value());
  EXPECT_EQ(facts.vgpu->driver_version, "460.16");
}

TEST_F(ReadLabelFactsTest, WhatCannotBeReadIsNotKnown) {
  EXPECT_FALSE(ReadLabelFacts(root_ / "absent", root_.path()).vgpu_known);
  EXPECT_EQ(ReadLabelFacts(root_ / "absent", root_.path()).machine, "unknown");
  Device("0000:00:02.0", "0x10de", std::string(64, '\0'));
  EXPECT_FALSE(ReadLabelFacts("", root_.path()).vgpu_known);
}

}  // namespace
}  // namespace tranche::labels
