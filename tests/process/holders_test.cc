// Pods that hold ids of an earlier profile.
#include <csignal>

#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;

std::string Whole(bool drain) {
  return Shared(1) + "tranche:\n  resources:\n  - {name: nvidia.com/gpu, drainBeforeExclusive: " +
         (drain ? "true" : "false") + "}\n";
}

std::string GpuOf(Rig& rig, const std::string& pod) {
  const std::string id = rig.DeviceOf(pod);
  return id.substr(0, id.find("::"));
}

TEST(HoldersTest, NewPodsAvoidGpusWithOldIds) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t first = rig.RunPod("first");
  const std::string busy = GpuOf(rig, "first");
  rig.WriteConfig(Shared(1));
  ASSERT_TRUE(rig.CountBecomes(2)) << rig.Counted();
  ASSERT_TRUE(rig.StatusHas("warnings", busy));
  for (int i = 0; i < 6; ++i) {
    ASSERT_NE(rig.RunPod("second"), 0);
    EXPECT_NE(GpuOf(rig, "second"), busy) << i;
    if (i < 5) rig.DeletePod("second");
  }
  // Where none is free the pod is admitted, and somebody is told. (Past the scheduler, which counts
  // the first pod's request against the new ids.)
  const auto third = rig.stage().RunPod({.name = "third", .requests = {{kGpu, 1}}, .bound = true});
  ASSERT_TRUE(third.ok());
  ASSERT_EQ(third->phase, sim::PodPhase::kRunning) << third->message;
  EXPECT_EQ(GpuOf(rig, "third"), busy);
  EXPECT_TRUE(rig.StatusHas("events", "SharedWithEarlierPods"));
  EXPECT_TRUE(rig.Untouched("first", first));
  // The warning goes with the pod.
  rig.DeletePod("third");
  rig.DeletePod("first");
  kill(rig.agent(), SIGHUP);
  ASSERT_NE(rig.RunPod("fourth"), 0);
  EXPECT_TRUE(rig.StatusIs("warnings", "[]"));
}

TEST(HoldersTest, AlsoFromFourToTwo) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  for (int i = 0; i < 8; ++i) ASSERT_NE(rig.RunPod("a" + std::to_string(i)), 0);
  // Only those that hold ids that are no more stay: ::2 and ::3 of one GPU.
  const auto old = [&](const std::string& name) {
    const std::string id = rig.DeviceOf(name);
    return id.ends_with("::2") || id.ends_with("::3");
  };
  std::string busy;
  for (int i = 0; i < 8 && busy.empty(); ++i) {
    const std::string name = "a" + std::to_string(i);
    if (old(name)) busy = GpuOf(rig, name);
  }
  std::string left;  // the other GPU
  for (int i = 0; i < 8; ++i) {
    const std::string name = "a" + std::to_string(i);
    if (GpuOf(rig, name) != busy) left = GpuOf(rig, name);
    if (!old(name) || GpuOf(rig, name) != busy) rig.DeletePod(name);
  }
  rig.WriteConfig(Shared(2));
  ASSERT_TRUE(rig.CountBecomes(4)) << rig.Counted();
  // The agent asks the kubelet a moment later who holds what: until then it knows of the pods that
  // have been deleted, too.
  ASSERT_TRUE(rig.StatusBecomes("warnings", [&](const std::string& warnings) {
    return warnings.find(busy) != std::string::npos && warnings.find(left) == std::string::npos;
  }));
  for (int i = 0; i < 2; ++i) {
    const std::string name = "b" + std::to_string(i);
    ASSERT_NE(rig.RunPod(name), 0);
    EXPECT_NE(GpuOf(rig, name), busy);
  }
}

TEST(HoldersTest, DrainBeforeExclusiveWaitsForThePods) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("first");
  rig.WriteConfig(Whole(true));
  ASSERT_TRUE(rig.CountBecomes(1, 2)) << rig.Counted();
  ASSERT_TRUE(rig.StatusHas("warnings", "withheld"));
  rig.Turn(milliseconds(1500));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 1);
  EXPECT_TRUE(rig.Untouched("first", pod));
  rig.DeletePod("first");
  ASSERT_TRUE(rig.CountBecomes(2, 2)) << rig.Counted();
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
}

TEST(HoldersTest, WithoutTheSocketNothingIsKnownAndDrainingIsRefused) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {"--pod-resources-socket="}});
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_NE(rig.RunPod("first"), 0);
  EXPECT_TRUE(rig.StatusIs("holders.known", "false"));
  rig.WriteConfig(Whole(true));
  ASSERT_TRUE(rig.StatusHas("config.error", "drainBeforeExclusive"));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 8);
  rig.WriteConfig(Whole(false));
  ASSERT_TRUE(rig.CountBecomes(2)) << rig.Counted();
}

}  // namespace
}  // namespace tranche::process
