// What containers are given besides their GPUs, made from the node as it is now.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "agent/testing/agent_parts_case.h"

namespace tranche::agent {
namespace {

using gpu::testing::Cut;
using gpu::testing::Gpus;
using std::chrono::seconds;
using testing::AgentCdiTest;
using testing::AgentPartsTest;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// ---- one device takes itself out, and never its neighbours ----

TEST_F(AgentCdiTest, AGpuWithoutItsNodeTakesItselfOut) {
  tree_.Remove("dev/nvidia1");
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(4));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-1::")));
    EXPECT_THAT(Spec(), AllOf(HasSubstr("\"GPU-0\""), Not(HasSubstr("\"GPU-1\""))));
    EXPECT_THAT(agent.Snapshot().Degraded(),
                ElementsAre(AllOf(StartsWith("gpu GPU-1: unhealthy: "),
                                  HasSubstr("/dev/nvidia1 is no character device"))));
    EXPECT_THAT(kubelet_.Allocate(kGpu, {"GPU-1::0"}).status().message(),
                HasSubstr("cannot be given to a container"));
    const int lists = kubelet_.lists();
    tree_.Write("dev/nvidia1");
    Settle();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_EQ(kubelet_.lists(), lists + 1);
    EXPECT_THAT(Spec(), HasSubstr("\"GPU-1\""));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentCdiTest, ANodeThatVanishesIsToldInOneMessage) {
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    const int lists = kubelet_.lists();
    tree_.Remove("dev/nvidia1");
    Settle();
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(4));
    EXPECT_EQ(kubelet_.lists(), lists + 1);
    EXPECT_THAT(Reasons(agent), Contains("DeviceUnhealthy"));
  });
}

TEST_F(AgentCdiTest, AMigDeviceWithoutItsCapabilityNodesTakesItselfOut) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 0, {"1g.10gb", "1g.10gb"});
  inventory.gpus[0].mig_devices[0].device_paths = {"/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap12",
                                                   "/dev/nvidia-caps/nvidia-cap13"};
  driver_->SetInventory(inventory);
  Config("flags: {migStrategy: mixed}\n");
  constexpr char kSlice[] = "nvidia.com/mig-1g.10gb";
  Run([&](Agent&) {
    EXPECT_THAT(kubelet_.Healthy(kSlice), ElementsAre("MIG-0-0"));
    EXPECT_THAT(kubelet_.Unhealthy(kSlice), ElementsAre("MIG-0-1"));
    EXPECT_THAT(kubelet_.Healthy(kGpu), ElementsAre("GPU-1"));
    tree_.Remove("dev/nvidia-caps/nvidia-cap13");
    Settle();
    EXPECT_THAT(kubelet_.Healthy(kSlice), IsEmpty());
    EXPECT_THAT(kubelet_.Healthy(kGpu), ElementsAre("GPU-1"));
    tree_.Write("dev/nvidia-caps/nvidia-cap13");
    Settle();
    EXPECT_THAT(kubelet_.Healthy(kSlice), ElementsAre("MIG-0-0"));
  });
}

TEST_F(AgentCdiTest, WithoutMigStrategyAGpuThatIsCutHasNoNameAndIsNotOffered) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  driver_->SetInventory(inventory);
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-1::")));
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains("gpu GPU-1: unhealthy: it is cut by MIG, and no CDI device names it as a "
                         "whole"));
  });
}

// As upstream: the container runtime finds it by the environment.
TEST_F(AgentPartsTest, WithoutCdiAGpuThatIsCutIsOfferedWhole) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  driver_->SetInventory(inventory);
  Run([&](Agent&) { EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)); });
}

TEST_F(AgentPartsTest, ANodeThatWouldBeHandedOutByItsPathHasToBeThere) {
  Flags("pass-device-specs");
  tree_.Remove("dev/nvidia1");
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-1::")));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(HasSubstr("/dev/nvidia1 is missing")));
  });
}

// ---- what appears later ----

TEST_F(AgentCdiTest, NvidiaUvmThatComesLaterIsMissedUntilThenAndInTheSpecAfterwards) {
  tree_.Remove("dev/nvidia-uvm");
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)) << "what is missing can still come";
    EXPECT_THAT(agent.Snapshot().Degraded(),
                ElementsAre(HasSubstr("nvidia-uvm is missing: CUDA does not start")));
    EXPECT_THAT(agent.Snapshot().missing_parts, ElementsAre("nvidia-uvm"));
    EXPECT_THAT(Spec(), Not(HasSubstr("/dev/nvidia-uvm\"")));
    tree_.Write("dev/nvidia-uvm");
    Settle();
    EXPECT_THAT(Spec(), HasSubstr("/dev/nvidia-uvm\""));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentCdiTest, AnotherNumberOfNvidiaUvmIsInTheSpecAtOnce) {
  Run([&](Agent&) {
    EXPECT_THAT(Spec(), HasSubstr("\"major\":510"));
    uvm_major_ = 507;
    tree_.Remove("dev/nvidia-uvm");
    tree_.Write("dev/nvidia-uvm");
    EXPECT_THAT(CdiNames(), SizeIs(1)) << "asked before the loop has come to it";
    EXPECT_THAT(Spec(), HasSubstr("\"major\":507"));
  });
}

TEST_F(AgentCdiTest, FurtherClassesAreNamedAsSoonAsTheyAreThere) {
  for (const char* flag : {"gdrcopy-enabled", "gds-enabled", "mofed-enabled"}) Flags(flag);
  for (const char* node : {"gdrdrv", "nvidia-fs0", "nvidia-fs1", "infiniband"}) {
    tree_.Remove(std::string("dev/") + node);
  }
  Run([&](Agent& agent) {
    EXPECT_THAT(agent.Snapshot().missing_parts, ElementsAre("gdrdrv", "nvidia-fs", "infiniband"));
    EXPECT_THAT(CdiNames(), SizeIs(1));
    tree_.Write("dev/gdrdrv");
    EXPECT_THAT(CdiNames(), Contains("k8s.device-plugin.nvidia.com/gdrcopy=all"));
    tree_.Write("dev/nvidia-fs0");
    EXPECT_THAT(CdiNames(), Contains("k8s.device-plugin.nvidia.com/gds=all"));
    tree_.Write("dev/infiniband/uverbs0");
    EXPECT_THAT(CdiNames(), Contains("k8s.device-plugin.nvidia.com/mofed=all"));
    tree_.Write("dev/infiniband/rdma_cm");
    Settle();
    EXPECT_THAT(Spec("mofed"), HasSubstr("rdma_cm"));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
    tree_.Remove("dev/gdrdrv");
    EXPECT_THAT(CdiNames(), SizeIs(3)) << "and no longer once they are gone";
  });
}

TEST_F(AgentPartsTest, ControlNodesAreHandedOutAsSoonAsTheyAreThere) {
  Flags("pass-device-specs");
  std::filesystem::remove(dir_ / "own/dev/nvidia-uvm");
  Run([&](Agent& agent) {
    EXPECT_THAT(DevicePaths(), ElementsAre("/dev/nvidiactl", "/dev/nvidia0"));
    EXPECT_THAT(agent.Snapshot().missing_parts, ElementsAre("nvidia-uvm"));
    Own("nvidia-uvm");
    EXPECT_THAT(DevicePaths(), ElementsAre("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0"));
    EXPECT_THAT(agent.Snapshot().missing_parts, IsEmpty());
  });
}

TEST_F(AgentPartsTest, AnImexChannelIsNamedAsSoonAsItIsThere) {
  options_.overrides.command_line.push_back(Flag("imex-channel-ids", "0"));
  tree_.Remove("dev/nvidia-caps-imex-channels");
  Run([&](Agent& agent) {
    const auto channels = [&] {
      const auto answer = kubelet_.Allocate(kGpu, {"GPU-0::0"});
      return answer.ok() && answer->env.contains("NVIDIA_IMEX_CHANNELS");
    };
    EXPECT_FALSE(channels());
    EXPECT_THAT(agent.Snapshot().Degraded(),
                ElementsAre(StartsWith("node: imex-channel0 is missing: ")));
    // A character device, made without rights.
    std::filesystem::create_directories(tree_.path() + "/dev/nvidia-caps-imex-channels");
    Settle();
    tree_.Link("/dev/null", "dev/nvidia-caps-imex-channels/channel0");
    EXPECT_TRUE(channels());
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentPartsTest, AChannelThatIsRequiredAndVanishesTakesEveryDeviceOut) {
  options_.overrides.command_line.push_back(Flag("imex-channel-ids", "0"));
  options_.overrides.command_line.push_back(Flag("imex-required", "true"));
  tree_.Remove("dev/nvidia-caps-imex-channels");
  tree_.Link("/dev/null", "dev/nvidia-caps-imex-channels/channel0");
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    tree_.Remove("dev/nvidia-caps-imex-channels/channel0");
    Settle();
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(8));
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains(HasSubstr("requested IMEX channel channel0 does not exist")));
    tree_.Link("/dev/null", "dev/nvidia-caps-imex-channels/channel0");
    Settle();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

TEST_F(AgentPartsTest, OtherNodesAreNoNewsAndNothingIsMissedThatNobodyIsGiven) {
  tree_.Remove("dev/nvidia-uvm");
  std::filesystem::remove(dir_ / "own/dev/nvidia-uvm");
  Run([&](Agent& agent) { EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty()); });
}

TEST_F(AgentCdiTest, ADriverRootWithoutNodesIsFollowedToWhereTheyAre) {
  tree_.Remove("dev");
  Run([&](Agent&) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty()) << "this machine's /dev has none";
    for (const char* node : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"}) {
      tree_.Write(std::string("dev/") + node);
    }
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    tree_.Remove("dev/nvidia1");
    Settle();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4)) << "and watched there";
  });
}

}  // namespace
}  // namespace tranche::agent
