// What the driver and the GPUs can do: fail, hang, lie, come late, come and go.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include "sim/node/home.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// NVML's numbers (nvml.h, nvmlReturn_t).
constexpr std::uint32_t kDriverNotLoaded = 9;
constexpr std::uint32_t kUnknown = 999;

std::string Healing(const std::string& health) {
  return Shared(4) + "tranche:\n  health: {" + health + "}\n";
}

TEST(DriverTest, FailingIsToldInOneMessageAndMended) {
  Rig rig("h100x8");
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(32));
  const pid_t pod = rig.RunPod("a");
  const std::size_t before = rig.events().size();
  ASSERT_TRUE(rig.node().Break({.call = "nvmlDeviceGetCount", .code = kUnknown}).ok());
  ASSERT_TRUE(rig.CountBecomes(0, 32)) << rig.Counted();
  ASSERT_TRUE(rig.StatusIs("driver.ready", "false"));
  EXPECT_NE(rig.StatusOf("driver.error"), "");
  int messages = 0;
  for (std::size_t i = before; i < rig.events().size(); ++i) {
    messages += rig.events()[i].kind == "devices" ? 1 : 0;
  }
  EXPECT_EQ(messages, 1) << "eight GPUs turned unhealthy at once";
  // The config, the kubelet and HTTP do not depend on the driver.
  EXPECT_EQ(rig.Get("/readyz").status, 200);
  rig.RestartKubelet(milliseconds(5));
  ASSERT_TRUE(rig.CountBecomes(0, 32)) << rig.Counted();
  ASSERT_TRUE(rig.node().Heal("").ok());
  ASSERT_TRUE(rig.CountBecomes(32)) << rig.Counted();
  ASSERT_TRUE(rig.StatusIs("driver.ready", "true"));
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(DriverTest, OneFailedCallIsNoNews) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  rig.ForgetLeast();
  for (const char* call : {"nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex",
                           "nvmlDeviceGetMigMode", "nvmlDeviceGetMemoryInfo"}) {
    ASSERT_TRUE(rig.node().Break({.call = call, .code = kUnknown, .count = 1}).ok());
    rig.Turn(milliseconds(500));
  }
  EXPECT_EQ(rig.least(), 8);
  EXPECT_TRUE(rig.StatusIs("driver.ready", "true"));
}

TEST(DriverTest, OneGpuThatFailsLeavesTheOthersAlone) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.node().Break({.call = "*", .code = kUnknown, .slot = 1}).ok());
  ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
  for (int i = 0; i < 4; ++i) {
    ASSERT_NE(rig.RunPod("a" + std::to_string(i)), 0);
    EXPECT_EQ(rig.DeviceOf("a" + std::to_string(i)).find(rig.node().Read().gpus[1].uuid),
              std::string::npos);
  }
  ASSERT_TRUE(rig.node().Heal("").ok());
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
}

TEST(DriverTest, HangingIsNamedAndStopsNothingElse) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  ASSERT_TRUE(rig.node().Break({.call = "nvmlDeviceGetCount", .hang = true}).ok());
  ASSERT_TRUE(
      rig.StatusBecomes("driver.stuckCall", [](const auto& call) { return !call.empty(); }));
  std::printf("stuck in: %s\n", rig.StatusOf("driver.stuckCall").c_str());
  const double age = std::atof(rig.StatusOf("driver.stuckSeconds").c_str());
  EXPECT_GT(age, 0);
  EXPECT_TRUE(rig.StatusBecomes("driver.stuckSeconds", [&](const auto& text) {
    return std::atof(text.c_str()) > age;
  })) << "it grows older";
  EXPECT_NE(rig.Get("/readyz").body.find("has not returned"), std::string::npos);
  // Meanwhile: allocation, a config, a kubelet's restart.
  EXPECT_NE(rig.RunPod("b"), 0);
  rig.WriteConfig(Shared(6));
  ASSERT_TRUE(rig.CountBecomes(12)) << rig.Counted();
  rig.RestartKubelet(milliseconds(5));
  ASSERT_TRUE(rig.CountBecomes(12)) << rig.Counted();
  ASSERT_TRUE(rig.node().Heal("").ok());
  ASSERT_TRUE(rig.StatusIs("driver.stuckCall", ""));
  // Scans go on: what happens to a GPU is seen again.
  ASSERT_TRUE(rig.node().Lose(1).ok());
  ASSERT_TRUE(rig.CountBecomes(6, 12)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(DriverTest, HangingDoesNotKeepItFromEnding) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.node().Break({.call = "*", .hang = true}).ok());
  ASSERT_TRUE(
      rig.StatusBecomes("driver.stuckCall", [](const auto& call) { return !call.empty(); }));
  kill(pid, SIGINT);
  EXPECT_EQ(rig.WaitForEnd(pid), 0);
}

TEST(DriverTest, AGpuReportedTwiceCountsOnce) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  ASSERT_TRUE(rig.node().Duplicate(0).ok());
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted();
  EXPECT_EQ(rig.kubelet().DeviceHealth(kGpu).size(), 8U);
  ASSERT_TRUE(rig.node().Duplicate(1).ok());
  rig.Turn(milliseconds(600));
  EXPECT_EQ(rig.stage().Count(kGpu).capacity, 8);
  EXPECT_TRUE(rig.StatusHas("gpus", "listed twice"));
  // A series that came twice would make a scraper refuse the page.
  std::istringstream metrics(rig.Get("/metrics").body);
  std::set<std::string> series;
  for (std::string line; std::getline(metrics, line);) {
    if (line.starts_with('#')) continue;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
  EXPECT_GT(series.size(), 10U);
  EXPECT_NE(rig.RunPod("a"), 0);
}

TEST(DriverTest, ArrivesLate) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  ASSERT_TRUE(rig.node().Break({.call = "nvmlInit", .code = kDriverNotLoaded}).ok());
  ASSERT_TRUE(rig.node().Break({.call = "nvmlInitWithFlags", .code = kDriverNotLoaded}).ok());
  // As upstream: by default that is the end.
  EXPECT_EQ(rig.WaitForEnd(rig.Start()), 1);
  const pid_t pid = rig.Start({.env = {{"FAIL_ON_INIT_ERROR", "false"}}});
  ASSERT_TRUE(rig.StatusIs("driver.ready", "false"));
  rig.Turn(milliseconds(500));
  EXPECT_EQ(rig.stage().Count(kGpu).capacity, 0);
  ASSERT_TRUE(rig.node().Heal("").ok());
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_NE(rig.RunPod("a"), 0);
}

// The driver container has not put its files there yet.
TEST(DriverTest, ItsLibraryArrivesLate) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const std::string root = rig.stage().driver_root();
  std::vector<std::filesystem::path> hidden;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().filename().string().starts_with("libnvidia-ml.so")) {
      hidden.push_back(entry.path());
    }
  }
  ASSERT_FALSE(hidden.empty());
  const auto away = [](const std::filesystem::path& path) { return path.string() + ".away"; };
  for (const auto& path : hidden) std::filesystem::rename(path, away(path));
  rig.Start({.flags = {"--fail-on-init-error=false"}});
  ASSERT_TRUE(rig.StatusIs("driver.ready", "false"));
  rig.Turn(milliseconds(300));
  for (const auto& path : hidden) std::filesystem::rename(away(path), path);
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
}

TEST(DriverTest, GpusArePluggedAndUnplugged) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  const std::string held = rig.DeviceOf("a");
  const auto home = sim::FindSimHome();
  ASSERT_TRUE(home.ok());
  const auto plugged = rig.node().Plug(*home, "a100-sxm4-80gb");
  ASSERT_TRUE(plugged.ok()) << plugged.status().message();
  ASSERT_TRUE(rig.CountBecomes(12, 12)) << rig.Counted();
  // Away again: a sick node, not a smaller one.
  const auto slot = rig.node().Find(*plugged);
  ASSERT_TRUE(slot.ok());
  ASSERT_TRUE(rig.node().Unplug(slot->slot).ok());
  ASSERT_TRUE(rig.CountBecomes(8, 12)) << rig.Counted();
  for (int i = 1; i < 8; ++i) {
    ASSERT_NE(rig.RunPod("b" + std::to_string(i)), 0);
    EXPECT_EQ(rig.DeviceOf("b" + std::to_string(i)).find(*plugged), std::string::npos);
  }
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(DriverTest, AnEmptyNodeIsNoError) {
  Rig rig("none");
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.StatusIs("driver.ready", "true"));
  rig.Turn(milliseconds(300));
  EXPECT_TRUE(rig.Runs(pid));
  const auto home = sim::FindSimHome();
  ASSERT_TRUE(home.ok());
  const auto plugged = rig.node().Plug(*home, "a100-sxm4-80gb");
  ASSERT_TRUE(plugged.ok()) << plugged.status().message();
  EXPECT_TRUE(rig.CountBecomes(4, 4)) << rig.Counted();
}

TEST(DriverTest, MigLayoutsChange) {
  constexpr char kSmall[] = "nvidia.com/mig-1g.10gb";
  constexpr char kHalf[] = "nvidia.com/mig-3g.40gb";
  Rig rig;
  rig.WriteConfig(Config("flags: {migStrategy: mixed}\n"));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(2));
  ASSERT_TRUE(rig.node().SetMig(1, "1g.10gb*7").ok());
  ASSERT_TRUE(rig.CountBecomes(7, 7, kSmall)) << rig.Counted(kSmall);
  ASSERT_TRUE(rig.CountBecomes(1)) << rig.Counted();
  const pid_t pod = rig.RunPod("a", kSmall);
  ASSERT_TRUE(rig.node().SetMig(1, "3g.40gb,1g.10gb").ok());
  ASSERT_TRUE(rig.CountBecomes(1, 1, kHalf)) << rig.Counted(kHalf);
  ASSERT_TRUE(rig.CountBecomes(1, 1, kSmall)) << rig.Counted(kSmall);
  ASSERT_TRUE(rig.node().SetMig(1, "off").ok());
  ASSERT_TRUE(rig.CountBecomes(2, 2)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(DriverTest, ALostGpuIsNoticedWithoutAnEvent) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.env = {{"DP_DISABLE_HEALTHCHECKS", "all"}}});
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  ASSERT_TRUE(rig.node().Lose(0).ok());
  ASSERT_TRUE(rig.CountBecomes(4, 8)) << rig.Counted();
  ASSERT_TRUE(rig.StatusHas("gpus.0.lost", "true"));
  for (int i = 0; i < 3; ++i) {
    const std::string name = "b" + std::to_string(i);
    ASSERT_NE(rig.RunPod(name), 0);
    EXPECT_EQ(rig.DeviceOf(name).find(rig.node().Read().gpus[0].uuid), std::string::npos);
  }
  ASSERT_TRUE(rig.node().Return(0).ok());
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_TRUE(rig.Untouched("a", pod));
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
}

// XID 13 is an application's, 94 is over after a quiet period, 48 needs a reset (NVIDIA's catalog).
TEST(DriverTest, XidsByTheirClass) {
  Rig rig;
  rig.WriteConfig(Healing("quietPeriod: 300ms"));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  rig.ForgetLeast();
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 0}, 13).ok());
  rig.Turn(milliseconds(800));
  EXPECT_EQ(rig.least(), 8);
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 0}, 94).ok());
  ASSERT_TRUE(rig.Until([&] { return rig.least() == 4; }));
  ASSERT_TRUE(rig.CountBecomes(8)) << "the quiet period is over";
  EXPECT_TRUE(rig.Logged("quiet since XID 94"));
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 1}, 48).ok());
  ASSERT_TRUE(rig.CountBecomes(4, 8));
  EXPECT_TRUE(rig.StatusHas("gpus.1.reason", "XID 48"));
  rig.Turn(milliseconds(1500));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 4) << "no time heals it";
  // A reset: gone, and back.
  ASSERT_TRUE(rig.node().Lose(1).ok());
  ASSERT_TRUE(rig.StatusIs("gpus.1.lost", "true"));
  ASSERT_TRUE(rig.node().Return(1).ok());
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
}

TEST(DriverTest, RecoveryNeverWaitsForTheCommand) {
  Rig rig;
  rig.WriteConfig(Healing("recovery: never, quietPeriod: 100ms"));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 0}, 94).ok());
  ASSERT_TRUE(rig.CountBecomes(4, 8));
  rig.Turn(milliseconds(1000));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 4);
  kill(rig.agent(), SIGUSR1);
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_TRUE(rig.Logged("by command"));
  EXPECT_TRUE(rig.Untouched("a", pod));
}

}  // namespace
}  // namespace tranche::process
