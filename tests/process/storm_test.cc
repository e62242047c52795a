// A driver that reports faults without end: probes and pods are answered, and memory stays bounded.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <string>
#include <thread>

#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;

// What the events of one delivery, and the answers to probes, may cost.
constexpr long kMostGrowthKib = 32 * 1024;

// Raises faults on one GPU, each another one, as fast as the node takes them, until its end.
class Storm {
 public:
  explicit Storm(sim::Node& node, unsigned slot)
      : thread_([this, &node, slot] {
          for (std::uint64_t xid = 1000; !over_; ++xid) {
            if (node.RaiseXid({.slot = slot}, xid).ok()) ++raised_;
          }
        }) {}
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    over_ = true;
    thread_.join();
  }

  [[nodiscard]] long raised() const { return raised_; }

 private:
  std::atomic<bool> over_ = false;
  std::atomic<long> raised_ = 0;
  std::thread thread_;
};

TEST(StormTest, ProbesAndPodsAreAnsweredDuringAStormOfEvents) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  const long before = HoldingOf(pid).pss_kib;
  long most = before;
  {
    const Storm storm(rig.node(), 1);
    ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
    // As many as the ring of the simulated driver has room for, many times over.
    for (int round = 0; round < 10 || storm.raised() < 8'000; ++round) {
      ASSERT_EQ(rig.Get("/livez").status, 200) << round;
      ASSERT_EQ(rig.Get("/metrics").status, 200) << round;
      if (round < 4) {
        EXPECT_NE(rig.RunPod("pod" + std::to_string(round)), 0);
      }
      rig.Turn(milliseconds(20));
      most = std::max(most, HoldingOf(pid).pss_kib);
    }
  }
  EXPECT_LT(most - before, kMostGrowthKib);
  EXPECT_TRUE(rig.Runs(pid));
  // It comes to an end, and what happens afterwards is heard of.
  std::string reason;
  for (std::string now = rig.StatusOf("gpus.1.reason"); now != reason;
       now = rig.StatusOf("gpus.1.reason")) {
    reason = now;
    rig.Turn(milliseconds(1000));
  }
  kill(pid, SIGUSR1);
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 0}, 48).ok());
  ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
}

}  // namespace
}  // namespace tranche::process
