// Full disks, a taken port, and what HTTP tells.
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;

// A file system of its own over `path`, full but for what Free leaves.
class FullDisk {
 public:
  explicit FullDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=64k,mode=0755") == 0;
    EXPECT_TRUE(mounted_);
    EXPECT_FALSE(base::WriteFileAtomic(Filler(), std::string(1 << 20, 'x')).ok());
    for (std::size_t size = 64 << 10; size > 0; size /= 2) {
      for (int i = 0; i < 20; ++i) {
        const std::string name = Filler() + std::to_string(size) + "." + std::to_string(i);
        if (!base::WriteFileAtomic(name, std::string(size, 'x')).ok()) break;
      }
    }
  }
  void Free() {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().filename().string().starts_with("filler")) {
        std::filesystem::remove(entry.path());
      }
    }
  }

 private:
  [[nodiscard]] std::string Filler() const { return path_ + "/filler"; }
  std::string path_;
  bool mounted_ = false;
};

constexpr char kCdiFlag[] = "--device-list-strategy=cdi-cri";

std::vector<std::string> CdiSpecs() {
  auto names = base::ListDirectory("/var/run/cdi");
  if (!names.ok()) return {};
  std::erase_if(*names, [](const std::string& name) { return name.starts_with("filler"); });
  return std::move(*names);
}

TEST(FilesTest, NoRoomForACdiSpecRefusesTheConfigUntilThereIs) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  FullDisk disk("/run/cdi");
  const pid_t pid = rig.Start({.flags = {kCdiFlag}});
  ASSERT_TRUE(rig.StatusHas("config.error", "No space left"));
  EXPECT_EQ(rig.CountEvents("registered"), 0) << "an answer would name devices that are not there";
  EXPECT_TRUE(CdiSpecs().empty()) << "half a spec is left: " << CdiSpecs().front();
  disk.Free();
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  ASSERT_TRUE(rig.StatusIs("config.error", ""));
  EXPECT_FALSE(CdiSpecs().empty());
  EXPECT_TRUE(rig.Runs(pid));
}

TEST(FilesTest, ADiskThatFillsUpKeepsWhatIsServed) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {kCdiFlag}});
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_FALSE(CdiSpecs().empty());
  const std::string spec = "/var/run/cdi/" + CdiSpecs().front();
  const auto before = base::ReadFile(spec, 16 << 20);
  ASSERT_TRUE(before.ok());
  std::filesystem::create_directories("/run/aside");
  FullDisk disk("/run/cdi");
  rig.WriteConfig(Shared(6));
  ASSERT_TRUE(rig.StatusHas("config.error", "No space left"));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 8);
  disk.Free();
  ASSERT_TRUE(rig.CountBecomes(12)) << rig.Counted();
  const auto after = base::ReadFile(spec, 16 << 20);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(*after, *before) << "the same GPUs make the same spec";
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
}

TEST(FilesTest, NoRoomForStatusIsSurvived) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  FullDisk disk("/run/tranche");
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  EXPECT_TRUE(rig.Until([&] { return rig.Logged("cannot write the status file"); }));
  EXPECT_EQ(rig.Get("/readyz").status, 200);
  rig.WriteConfig(Shared(5));
  ASSERT_TRUE(rig.CountBecomes(10)) << rig.Counted();
  disk.Free();
  rig.WriteConfig(Shared(6));
  ASSERT_TRUE(rig.CountBecomes(12)) << rig.Counted();
  EXPECT_TRUE(rig.StatusIs("resources.0.devices", "12"));
  EXPECT_TRUE(rig.Runs(pid));
}

TEST(FilesTest, NoRoomForTheLastGoodConfigIsTold) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  FullDisk disk(std::string(sim::kPluginDirectory) + "/tranche");
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  EXPECT_TRUE(rig.StatusHas("events", "LastGoodNotSaved"));
  EXPECT_NE(rig.RunPod("a"), 0);
  // Endpoint names cannot be kept either: a kubelet's and an agent's restart still go well.
  rig.RestartKubelet(milliseconds(5));
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  rig.Stop(SIGKILL);
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  disk.Free();
  rig.WriteConfig(Shared(3));
  ASSERT_TRUE(rig.CountBecomes(6)) << rig.Counted();
  EXPECT_TRUE(rig.Until(
      [] { return base::Exists(std::string(sim::kPluginDirectory) + "/tranche/last-good.json"); }));
}

TEST(FilesTest, ATakenPortIsToldAndTakenLater) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  auto other = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(rig.port()));
  ASSERT_EQ(bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(other.get(), 1), 0);
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8)) << "the plugin does not need the port";
  EXPECT_TRUE(rig.StatusHas("events", "NoHttp"));
  other = base::UniqueFd();
  EXPECT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
}

TEST(FilesTest, WhatHttpTells) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  const auto ready = base::Json::Parse(rig.Get("/readyz").body);
  ASSERT_TRUE(ready.ok());
  EXPECT_EQ(ready->Find("apiVersion")->as_string(), "tranche.dev/v1");
  EXPECT_TRUE(ready->Find("ready")->as_bool());
  EXPECT_TRUE(ready->Find("reasons")->as_array().empty());
  EXPECT_EQ(rig.Get("/livez").status, 200);
  EXPECT_EQ(rig.Get("/nothing").status, 404);
  ASSERT_NE(rig.RunPod("a"), 0);
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 1}, 48).ok());
  ASSERT_TRUE(rig.CountBecomes(4, 8));
  ASSERT_TRUE(rig.Until([&] {
    return rig.Get("/metrics").body.find(R"(devices_held{resource="nvidia.com/gpu"} 1)") !=
           std::string::npos;
  }));
  const HttpReply metrics = rig.Get("/metrics");
  EXPECT_EQ(metrics.status, 200);
  for (const char* line :
       {"tranche_plugin_ready 1", "tranche_plugin_degraded 1", "tranche_plugin_config_usable 1",
        R"(tranche_plugin_devices{resource="nvidia.com/gpu",health="healthy"} 4)",
        R"(tranche_plugin_devices{resource="nvidia.com/gpu",health="unhealthy"} 4)",
        R"(tranche_plugin_registrations_total{resource="nvidia.com/gpu"} 1)",
        R"(tranche_plugin_allocations_total{resource="nvidia.com/gpu"} 1)"}) {
    EXPECT_NE(metrics.body.find(line), std::string::npos) << line << "\n" << metrics.body;
  }
  const HttpReply degraded = rig.Get("/readyz");
  EXPECT_EQ(degraded.status, 200) << "degraded is not unready";
  EXPECT_NE(degraded.body.find("XID 48"), std::string::npos);
}

}  // namespace
}  // namespace tranche::process
