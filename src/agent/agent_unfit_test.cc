// Devices that are gone, or are no longer what they were advertised as, while the plan in force
// stays because the node as it is now allows none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "agent/testing/agent_test_case.h"

namespace tranche::agent {
namespace {

using gpu::testing::Cut;
using gpu::testing::Gpus;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

const std::vector<std::string> kSeven(7, "1g.10gb");

class AgentUnfitTest : public testing::AgentTest {
 protected:
  AgentUnfitTest() { MigStrategy("single"); }
  void MigStrategy(const std::string& strategy) {
    Config("flags: {migStrategy: " + strategy + ", gfd: {outputFile: " + (dir_ / "labels") +
           "}}\n" + config::testing::Shared(2));
  }
  void See(const gpu::Inventory& inventory) {
    driver_->SetInventory(inventory);
    loop_.AdvanceBy(seconds(10));
  }
  static gpu::Inventory Uniform() {
    gpu::Inventory inventory = Gpus(2);
    Cut(inventory, 0, kSeven);
    Cut(inventory, 1, kSeven);
    return inventory;
  }
  std::string Labels() const {
    const auto text = base::ReadFile(dir_ / "labels", 1U << 20U);
    return text.ok() ? *text : "";
  }
  static std::vector<std::string> Told(const Agent& agent, const std::string& reason) {
    std::vector<std::string> messages;
    for (const daemon::Event& event : agent.Snapshot().events) {
      if (event.reason == reason) messages.push_back(event.message);
    }
    return messages;
  }
};

TEST_F(AgentUnfitTest, AGpuThatIsCutAnewTakesItsDevicesOutInOneMessageAndNoOthers) {
  driver_->SetInventory(Uniform());
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(28));
    const int lists = kubelet_.lists();
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {"3g.40gb", "3g.40gb"});  // two of the UUIDs are there again
    See(recut);
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(14));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("MIG-0-")));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(14)) << "those of the other GPU";
    EXPECT_EQ(kubelet_.lists(), lists + 1);
    EXPECT_TRUE(agent.Snapshot().Ready());
    EXPECT_TRUE(agent.Snapshot().config.usable) << "the config stays";
    EXPECT_THAT(agent.Snapshot().Degraded(),
                AllOf(Contains("gpu MIG-0-0: unhealthy: it is a 3g.40gb now, and was advertised "
                               "as a 1g.10gb"),
                      Contains("gpu MIG-0-6: unhealthy: GPU 0 is cut by MIG in another way now")));
    EXPECT_THAT(Told(agent, "DeviceUnhealthy"), SizeIs(2)) << "one event for a reason";
    loop_.AdvanceBy(seconds(60));
    EXPECT_EQ(kubelet_.lists(), lists + 1) << "nothing new is told";
  });
}

TEST_F(AgentUnfitTest, APodCannotBeGivenWhatIsGone) {
  driver_->SetInventory(Uniform());
  Run([&](Agent&) {
    EXPECT_TRUE(kubelet_.Allocate(kGpu, {"MIG-0-6::1"}).ok());
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {"3g.40gb", "3g.40gb"});
    See(recut);
    EXPECT_THAT(kubelet_.Allocate(kGpu, {"MIG-0-6::1"}).status().message(),
                HasSubstr("device MIG-0-6 cannot be given to a container: GPU 0 is cut"));
    EXPECT_TRUE(kubelet_.Allocate(kGpu, {"MIG-1-6::1"}).ok());
  });
}

TEST_F(AgentUnfitTest, TheSameLayoutAgainHealsThem) {
  driver_->SetInventory(Uniform());
  Run([&](Agent& agent) {
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {});  // as it is in the middle of being cut
    See(recut);
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(14));
    See(Uniform());
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(28));
    EXPECT_THAT(Told(agent, "DeviceRecovered"), SizeIs(1));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentUnfitTest, AnotherLayoutThatIsPossibleIsServed) {
  driver_->SetInventory(Uniform());
  Run([&](Agent& agent) {
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {"3g.40gb", "3g.40gb"});
    See(recut);
    Cut(recut, 1, {"3g.40gb", "3g.40gb"});
    See(recut);
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), IsEmpty());
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentUnfitTest, OneGpuOfTwoThatIsCutIsNotOfferedWhole) {
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    gpu::Inventory one_cut = Gpus(2);
    Cut(one_cut, 1, kSeven);
    See(one_cut);
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(2));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-1::")));
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains("gpu GPU-1: unhealthy: it is cut by MIG now, and was advertised whole"));
    EXPECT_FALSE(agent.Snapshot().gpus[1].healthy);
  });
}

TEST_F(AgentUnfitTest, ABadConfigChangesNothingOfThat) {
  driver_->SetInventory(Uniform());
  Run([&](Agent& agent) {
    Config("sharing: [");
    loop_.AdvanceBy(seconds(1));
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {"3g.40gb", "3g.40gb"});
    See(recut);
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(14));
    EXPECT_THAT(Told(agent, "ConfigNotReapplied"), SizeIs(1));
  });
}

TEST_F(AgentUnfitTest, AGpuThatIsForgottenAfterAWhileStaysOutOfAPlanThatStays) {
  driver_->SetInventory(Uniform());
  Run([&](Agent&) {
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {"3g.40gb", "3g.40gb"});
    See(recut);
    recut.gpus.erase(recut.gpus.begin() + 1);
    See(recut);
    EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty());
    loop_.AdvanceBy(minutes(6));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4)) << "what is left is uniform";
  });
}

// By index a container would be given the neighbour.
TEST_F(AgentUnfitTest, WhereDevicesAreNamedByIndexAnotherIndexIsAnotherDevice) {
  options_.overrides.command_line.push_back(Flag("device-id-strategy", "index"));
  Run([&](Agent& agent) {
    gpu::Inventory turned = Gpus(2);
    Cut(turned, 1, kSeven);
    std::swap(turned.gpus[0], turned.gpus[1]);
    turned.gpus[0].index = 0;
    turned.gpus[1].index = 1;
    See(turned);
    EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty());
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains(HasSubstr("gpu GPU-0: unhealthy: its index is 1 now, and was 0")));
  });
}

TEST_F(AgentUnfitTest, TheLabelsFollowWhatIsServed) {
  options_.labels.kind = "nfd-file";
  driver_->SetInventory(Uniform());
  Run([&](Agent&) {
    EXPECT_THAT(Labels(), HasSubstr("nvidia.com/gpu.count=14\n"));
    gpu::Inventory recut = Uniform();
    Cut(recut, 0, {"3g.40gb", "3g.40gb"});
    See(recut);
    EXPECT_THAT(
        Labels(),
        AllOf(HasSubstr("nvidia.com/gpu.count=7\n"), HasSubstr("nvidia.com/gpu.replicas=2\n"),
              HasSubstr("A100-SXM4-80GB-MIG-1g.10gb-SHARED\n"), Not(HasSubstr("INVALID"))));
    See(Uniform());
    EXPECT_THAT(Labels(), HasSubstr("nvidia.com/gpu.count=14\n"));
  });
}

// One MIG device that the driver fails to describe is missing, and its neighbours are not.
TEST_F(AgentUnfitTest, ADeviceThatCannotBeDescribedTakesItselfOut) {
  MigStrategy("mixed");
  driver_->SetInventory(Uniform());
  constexpr char kSlice[] = "nvidia.com/mig-1g.10gb";
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kSlice), SizeIs(14));
    gpu::Inventory broken = Uniform();
    broken.gpus[0].mig_devices.pop_back();
    broken.broken.push_back({.index = 0, .uuid = "MIG-0-6", .error = "MIG device 6: no node"});
    See(broken);
    EXPECT_THAT(kubelet_.Healthy(kSlice), SizeIs(13));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(HasSubstr("MIG-0-6: MIG device 6")));
  });
}

}  // namespace
}  // namespace tranche::agent
