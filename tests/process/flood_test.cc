// A client of the plugin's socket that makes calls and resets them at once, without end: pods are
// given GPUs, lists arrive, and memory stays bounded.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "rpc/testing/raw_client.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

// docs/security.md has the figure.
constexpr long kMostGrowthKib = 64 * 1024;

class Flood {
 public:
  explicit Flood(const std::string& socket)
      : thread_([this, socket] {
          using rpc::testing::ResetFlood;
          ResetFlood flood(socket, "/v1beta1.DevicePlugin/Allocate",
                           ResetFlood::Connections::kManyShortOnes);
          while (!over_) {
            if (!flood.Go()) std::this_thread::yield();
            calls_ = flood.calls();
          }
        }) {}
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  ~Flood() {
    over_ = true;
    thread_.join();
  }

  [[nodiscard]] int calls() const { return calls_; }

 private:
  std::atomic<bool> over_ = false;
  std::atomic<int> calls_ = 0;
  std::thread thread_;
};

TEST(FloodTest, PodsAreServedDuringAFloodOfCallsThatAreResetAndMemoryStaysBounded) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.StatusIs("resources.0.phase", "serving"));
  const std::string socket =
      std::string(sim::kPluginDirectory) + "/" + rig.StatusOf("resources.0.endpoint");
  const long before = HoldingOf(pid).pss_kib;
  long most = before;
  {
    const Flood flood(socket);
    for (int round = 0; round < 8 || flood.calls() < 100'000; ++round) {
      if (round < 4) {
        ASSERT_NE(rig.RunPod("pod" + std::to_string(round)), 0);
      }
      rig.Turn(std::chrono::milliseconds(20));
      most = std::max(most, HoldingOf(pid).pss_kib);
      ASSERT_TRUE(rig.Runs(pid));
    }
    ASSERT_TRUE(rig.node().RaiseXid({.slot = 1}, 48).ok());
    ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
  }
  EXPECT_LT(most - before, kMostGrowthKib);
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
  EXPECT_EQ(rig.Get("/livez").status, 200);
}

}  // namespace
}  // namespace tranche::process
