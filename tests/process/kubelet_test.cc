// The kubelet comes and goes, its folder is touched by others, its clients misbehave.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;

TEST(KubeletTest, RestartsUnderAllocationLoad) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t resident = rig.RunPod("resident");
  std::mt19937 random(7);
  Curve curve;
  curve.SampleAtRest(rig, rig.agent());
  const int times = Times(200);
  for (int i = 0; i < times; ++i) {
    // Pods are on their way in while the kubelet goes down.
    int answered = 0;
    const std::string names[] = {"a" + std::to_string(i), "b" + std::to_string(i)};
    for (const std::string& name : names) {
      rig.kubelet().RunPod({.name = name, .requests = {{kGpu, 1}}},
                           [&](const base::Result<sim::Pod>&) { ++answered; });
    }
    rig.Turn(milliseconds(random() % 12));
    rig.RestartKubelet(milliseconds(random() % 20));
    ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted() << " after restart " << i;
    // Those that were on their way are admitted or refused in the end, and no id is lost.
    ASSERT_TRUE(rig.Until([&] { return answered == 2; })) << "pods unanswered after restart " << i;
    for (const std::string& name : names) rig.DeletePod(name);
    ASSERT_NE(rig.RunPod("after"), 0) << i;
    rig.DeletePod("after");
    ASSERT_TRUE(rig.Untouched("resident", resident)) << i;
    curve.Sample(rig.agent());
  }
  ASSERT_TRUE(rig.StatusIs("resources.0.phase", "serving"));
  curve.SampleAtRest(rig, rig.agent());
  curve.Print("kubelet restarted");
  curve.ExpectLevel();
  EXPECT_TRUE(rig.Runs(rig.agent()));
}

TEST(KubeletTest, SpuriousSocketEventsChangeNothing) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const int lost = rig.CountEvents("stream-lost");
  const std::string socket = sim::kKubeletSocket;
  const std::string aside = socket + ".aside";
  for (int i = 0; i < Times(100); ++i) {
    std::filesystem::last_write_time(socket, std::filesystem::file_time_type::clock::now());
    rig.Turn(milliseconds(2));
    // The same socket under another name and back.
    std::filesystem::rename(socket, aside);
    if (i % 2 == 0) rig.Turn(milliseconds(5));
    std::filesystem::rename(aside, socket);
    rig.Turn(milliseconds(2));
  }
  // A link to it renamed over it, and a file that is no socket made in its place.
  std::filesystem::create_hard_link(socket, aside);
  std::filesystem::rename(aside, socket);
  std::filesystem::rename(socket, aside);
  ASSERT_TRUE(base::WriteFileAtomic(socket, "").ok());
  rig.Turn(milliseconds(300));
  std::filesystem::rename(aside, socket);
  rig.Turn(milliseconds(500));
  EXPECT_EQ(rig.CountEvents("stream-lost"), lost);
  EXPECT_EQ(rig.CountEvents("registered"), 1);
  EXPECT_EQ(rig.CountEvents("registration-refused"), 0);
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 8);
  EXPECT_NE(rig.RunPod("a"), 0);

  // A real restart is still noticed.
  rig.RestartKubelet(milliseconds(5));
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_EQ(rig.CountEvents("registered"), 2);
}

TEST(KubeletTest, ComesLate) {
  Rig rig("a100x2", false);
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.StatusHas("resources.0.error", "no kubelet"));
  EXPECT_EQ(rig.Get("/readyz").status, 503);
  EXPECT_EQ(rig.Get("/livez").status, 200);
  rig.StartKubelet();
  ASSERT_TRUE(rig.CountBecomes(8));
  EXPECT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
}

// All replicas of a full node turn in one message; a list that would not fit is refused.
TEST(KubeletTest, BigListsFitOrAreRefused) {
  constexpr int kAll = 8 * 7500;
  Rig rig("h100x8");
  rig.WriteConfig(Shared(7500));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(kAll, kAll)) << rig.Counted();
  const std::size_t before = rig.events().size();
  // An XID of no GPU in particular would do too; these come as fast as the driver tells them.
  for (unsigned slot = 0; slot < 8; ++slot) {
    ASSERT_TRUE(rig.node().RaiseXid({.slot = slot}, 48).ok());
  }
  ASSERT_TRUE(rig.CountBecomes(0, kAll)) << rig.Counted();
  for (std::size_t i = before; i < rig.events().size(); ++i) {
    const sim::Event& event = rig.events()[i];
    ASSERT_NE(event.kind, "stream-lost") << event.detail;
    if (event.kind != "devices") continue;
    EXPECT_EQ(event.total, kAll);
    EXPECT_EQ(event.healthy % 7500, 0) << "a GPU's replicas came in two messages";
  }
  kill(rig.agent(), SIGUSR1);
  ASSERT_TRUE(rig.CountBecomes(kAll)) << rig.Counted();

  rig.WriteConfig(Shared(9500));
  ASSERT_TRUE(rig.StatusBecomes("config.error", [](const auto& text) { return !text.empty(); }));
  std::printf("refused: %s\n", rig.StatusOf("config.error").c_str());
  EXPECT_EQ(rig.StatusOf("config.usable"), "true");
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, kAll);
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
  rig.WriteConfig(Shared(2));
  ASSERT_TRUE(rig.CountBecomes(16, 16)) << rig.Counted();
}

// ---- a client that opens ListAndWatch and never reads ----

std::string Frame(char type, char flags, char stream, const std::string& payload) {
  std::string frame;
  frame += '\0';
  frame += static_cast<char>(payload.size() >> 8U);
  frame += static_cast<char>(payload.size() & 0xFFU);
  frame += type;
  frame += flags;
  frame += std::string(3, '\0') + stream;
  return frame + payload;
}

std::string Text(const std::string& text) { return static_cast<char>(text.size()) + text; }

// HTTP/2 by hand (RFC 9113, RFC 7541): preface, settings, one request. gRPC's own client reads.
std::string ListAndWatchRequest() {
  std::string headers = "\x83\x86";  // POST, http
  headers += "\x04" + Text("/v1beta1.DevicePlugin/ListAndWatch");
  headers += "\x01" + Text("localhost");
  headers += "\x0f\x10" + Text("application/grpc");
  headers += std::string(1, '\0') + Text("te") + Text("trailers");
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, "") + Frame(1, 4, 1, headers) +
         Frame(0, 1, 1, std::string(5, '\0'));
}

TEST(KubeletTest, AClientThatNeverReadsCostsLittle) {
  constexpr int kReplicas = 1500;
  constexpr int kAll = 8 * kReplicas;
  Rig rig("h100x8");
  rig.WriteConfig(Shared(kReplicas));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(kAll)) << rig.Counted();
  ASSERT_TRUE(rig.StatusIs("resources.0.phase", "serving"));
  const std::string endpoint = rig.StatusOf("resources.0.endpoint");
  std::vector<base::UniqueFd> clients;
  for (int i = 0; i < 8; ++i) {
    base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = std::string(sim::kPluginDirectory) + "/" + endpoint;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << path;
    const std::string request = ListAndWatchRequest();
    ASSERT_EQ(write(fd.get(), request.data(), request.size()), std::ssize(request));
    clients.push_back(std::move(fd));
  }
  Curve curve;
  curve.SampleAtRest(rig, rig.agent());
  const int times = std::max(6, Times(100));
  for (int i = 0; i < times; ++i) {
    ASSERT_TRUE(rig.node().RaiseXid({.slot = 3}, 48).ok());
    ASSERT_TRUE(rig.CountBecomes(kAll - kReplicas)) << rig.Counted() << " in round " << i;
    kill(rig.agent(), SIGUSR1);
    ASSERT_TRUE(rig.CountBecomes(kAll)) << rig.Counted() << " in round " << i;
    curve.Sample(rig.agent());
  }
  curve.SampleAtRest(rig, rig.agent());
  curve.Print("eight clients that do not read");
  curve.ExpectLevel(16 << 10);
  for (const base::UniqueFd& client : clients) {
    int waiting = 0;
    ASSERT_EQ(ioctl(client.get(), FIONREAD, &waiting), 0);
    EXPECT_GT(waiting, 16 << 10) << "this client was not sent a list";
  }
  EXPECT_NE(rig.RunPod("a"), 0);
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
  EXPECT_EQ(rig.Get("/readyz").status, 200);
}

}  // namespace
}  // namespace tranche::process
