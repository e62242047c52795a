// Devices that are gone or cut anew, and what containers are given of a node that changes.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "base/testing/places.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

constexpr char kSpec[] = "/var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json";
constexpr char kCdiFlag[] = "--device-list-strategy=cdi-cri";

std::string NodeProfile(const std::string& name) {
  return std::string(base::testing::kSourceDir) + "/tests/process/nodes/" + name;
}

std::string SharedMig(const std::string& strategy) {
  return Shared(2) + "flags: {migStrategy: " + strategy + "}\n";
}

std::string Spec() {
  const auto text = base::ReadFile(kSpec, 16U << 20U);
  return text.ok() ? *text : "";
}

int Messages(const Rig& rig, std::size_t since) {
  int count = 0;
  for (std::size_t i = since; i < rig.events().size(); ++i) {
    count += rig.events()[i].kind == "devices" ? 1 : 0;
  }
  return count;
}

TEST(GoneTest, AGpuThatIsCutAnewTakesItsIdsOutInOneMessage) {
  Rig rig(NodeProfile("a100x2-uniform.yaml"));
  rig.WriteConfig(SharedMig("single"));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(28, 28)) << rig.Counted();
  const std::size_t before = rig.events().size();
  ASSERT_TRUE(rig.node().SetMig(0, "3g.40gb*2").ok());
  ASSERT_TRUE(rig.CountBecomes(14, 28)) << rig.Counted();
  EXPECT_EQ(Messages(rig, before), 1);
  ASSERT_TRUE(rig.StatusHas("degraded", "GPU 0 is cut by MIG in another way now"));
  EXPECT_TRUE(rig.StatusIs("config.usable", "true"));
  // Every pod lands on what is there.
  for (int i = 0; i < 14; ++i) ASSERT_NE(rig.RunPod("a" + std::to_string(i)), 0);
  ASSERT_TRUE(rig.node().SetMig(0, "1g.10gb*7").ok());
  ASSERT_TRUE(rig.CountBecomes(28, 28)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
}

TEST(GoneTest, WithoutMigStrategyACutGpuHasNoCdiNameAndGetsNoPod) {
  Rig rig;
  ASSERT_TRUE(rig.node().SetMig(1, "1g.10gb*7").ok());
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {kCdiFlag}});
  ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
  EXPECT_TRUE(rig.StatusHas("degraded", "no CDI device names it as a whole"));
  EXPECT_EQ(Spec().find(rig.node().Read().gpus[1].uuid), std::string::npos);
  ASSERT_TRUE(rig.node().SetMig(1, "off").ok());
  ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted();
}

TEST(GoneTest, OneMissingDeviceNodeTakesOneGpuOut) {
  Rig rig;
  const std::string node = rig.stage().driver_root() + "/dev/nvidia1";
  struct stat info {};
  ASSERT_EQ(lstat(node.c_str(), &info), 0);
  if (!S_ISCHR(info.st_mode)) GTEST_SKIP() << "device nodes cannot be made here";
  std::filesystem::remove(node);
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {kCdiFlag}});
  ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
  EXPECT_TRUE(rig.StatusHas("degraded", "/dev/nvidia1 is no character device"));
  ASSERT_NE(rig.RunPod("a"), 0);
  ASSERT_EQ(mknod(node.c_str(), S_IFCHR | 0666, info.st_rdev), 0);
  ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted();
  EXPECT_TRUE(rig.StatusIs("degraded", "[]"));
}

TEST(GoneTest, NvidiaUvmComesLateAndComesBackWithAnotherNumber) {
  Rig rig;
  const std::string node = rig.stage().driver_root() + "/dev/nvidia-uvm";
  struct stat info {};
  ASSERT_EQ(lstat(node.c_str(), &info), 0);
  if (!S_ISCHR(info.st_mode)) GTEST_SKIP() << "device nodes cannot be made here";
  std::filesystem::remove(node);
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {kCdiFlag}});
  ASSERT_TRUE(rig.CountBecomes(8));
  EXPECT_TRUE(rig.StatusHas("degraded", "nvidia-uvm is missing"));
  EXPECT_NE(rig.Get("/metrics").body.find(R"(node_part_missing{part="nvidia-uvm"} 1)"),
            std::string::npos);
  ASSERT_EQ(mknod(node.c_str(), S_IFCHR | 0666, makedev(508, 0)), 0);
  ASSERT_TRUE(rig.StatusIs("degraded", "[]"));
  EXPECT_NE(Spec().find(R"("path":"/dev/nvidia-uvm")"), std::string::npos);
  // The kernel module was loaded again, and nothing but a pod's admission asks.
  std::filesystem::remove(node);
  ASSERT_EQ(mknod(node.c_str(), S_IFCHR | 0666, makedev(499, 0)), 0);
  ASSERT_NE(rig.RunPod("a"), 0);
  EXPECT_NE(Spec().find(R"("major":499)"), std::string::npos);
}

TEST(GoneTest, ASpecThatIsDeletedOrDamagedIsThereAgainWhenAPodNeedsIt) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {kCdiFlag}});
  ASSERT_TRUE(rig.CountBecomes(8));
  const std::string spec = Spec();
  if (spec.empty()) GTEST_SKIP() << "device nodes cannot be made here";
  std::filesystem::remove(kSpec);
  ASSERT_TRUE(rig.Until([&] { return Spec() == spec; }));
  for (int i = 0; i < 3; ++i) {
    std::ofstream(kSpec) << "{";
    ASSERT_NE(rig.RunPod("a" + std::to_string(i)), 0);
    EXPECT_EQ(Spec(), spec) << i;
  }
}

}  // namespace
}  // namespace tranche::process
