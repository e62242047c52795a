#include "agent/serve/resource_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/testing/real_loop.h"
#include "kubelet/testing/fake_kubelet.h"

namespace tranche::agent::serve {
namespace {

using base::Code;
using base::Result;
using base::Status;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using Phase = ResourcePlugin::Phase;
using List = kubelet::testing::FakeKubelet::List;

constexpr char kGpu[] = "nvidia.com/gpu";

// The loop it is given, but no timer ever fires: what happens all the same was no retry.
class LoopWithoutTimers : public base::EventLoop {
 public:
  explicit LoopWithoutTimers(base::EventLoop& loop) : loop_(loop) {}
  void Post(Task task) override { loop_.Post(std::move(task)); }
  TimerId RunAfter(base::Duration /*delay*/, Task /*task*/) override { return 0; }
  void CancelTimer(TimerId /*id*/) override {}
  WatchId WatchFd(int fd, base::FdEvents events, Task task) override {
    return loop_.WatchFd(fd, events, std::move(task));
  }
  void UnwatchFd(WatchId id) override { loop_.UnwatchFd(id); }
  [[nodiscard]] base::TimePoint Now() const override { return loop_.Now(); }
  void Run() override { loop_.Run(); }
  void Stop() override { loop_.Stop(); }

 private:
  base::EventLoop& loop_;
};

// A real loop and real sockets: what is tested is what a kubelet sees.
class ResourcePluginTest : public ::testing::Test {
 protected:
  void Make(const std::string& kubelet_socket) { Make(kubelet_socket, *loop_); }
  void Make(const std::string& kubelet_socket, base::EventLoop& loop) {
    plugin_ = std::make_unique<ResourcePlugin>(
        loop, *link_, kGpu, dir_.path(), kubelet_socket, names_,
        ResourcePlugin::Owner{
            .allocate = [this](const std::string& resource, const std::vector<std::string>& ids)
                -> Result<kubelet::ContainerAnswer> {
              EXPECT_EQ(resource, kGpu);
              if (!refusal_.empty()) return Status(Code::kUnknown, refusal_);
              kubelet::ContainerAnswer answer;
              answer.env["IDS"] = ids.empty() ? "" : ids[0];
              return answer;
            },
            .preferred = [](const std::string&, const kubelet::PreferredQuery& query)
                -> Result<std::vector<std::string>> { return query.available; },
            .changed =
                [this] { phases_.push_back(plugin_ ? plugin_->phase() : Phase::kStarting); }});
  }
  void Make() { Make(kubelet_.socket()); }

  bool Until(const std::function<bool()>& holds) { return loop_.RunUntil(holds); }
  bool UntilServing() {
    return Until([this] { return plugin_->phase() == Phase::kServing; });
  }
  bool UntilLists(std::size_t count) {
    return Until([this, count] { return kubelet_.ListsOf(kGpu) >= count; });
  }
  std::vector<std::string> Endpoints() const {
    std::vector<std::string> endpoints;
    for (const auto& registration : kubelet_.registrations) {
      endpoints.push_back(registration.endpoint);
    }
    return endpoints;
  }
  std::vector<std::string> Sockets() const {
    std::vector<std::string> names;
    const std::vector<std::string> all = *base::ListDirectory(dir_.path());
    for (const std::string& name : all) {
      if (name.starts_with("nvidia-")) names.push_back(name);
    }
    return names;
  }

  base::testing::TempDir dir_;
  base::testing::RealLoop loop_;
  LoopWithoutTimers loop_without_timers_{*loop_};
  std::unique_ptr<kubelet::PluginLink> link_ = kubelet::NewPluginLink(*loop_);
  kubelet::testing::FakeKubelet kubelet_{*loop_, dir_.path()};
  EndpointNames names_{dir_ / "tranche", dir_ / "kubelet.sock"};
  std::string refusal_;
  std::vector<Phase> phases_;
  std::unique_ptr<ResourcePlugin> plugin_;
};

TEST_F(ResourcePluginTest, RegistersAndSendsItsList) {
  kubelet_.Start();
  Make();
  EXPECT_EQ(plugin_->phase(), Phase::kStarting);
  plugin_->SetDevices({{.id = "GPU-0"}, {.id = "GPU-1", .healthy = false}});
  EXPECT_EQ(plugin_->counters().registrations, 0U);
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(UntilLists(1));
  EXPECT_THAT(kubelet_.registrations,
              ElementsAre(kubelet::testing::FakeKubelet::Registered{kGpu, "nvidia-gpu.sock"}));
  EXPECT_EQ(kubelet_.lists[kGpu][0], (List{{"GPU-0", "Healthy"}, {"GPU-1", "Unhealthy"}}));
  EXPECT_EQ(plugin_->endpoint(), "nvidia-gpu.sock");
  EXPECT_EQ(plugin_->error(), "");
  EXPECT_EQ(plugin_->counters().registrations, 1U);
  EXPECT_EQ(phases_.back(), Phase::kServing);
}

TEST_F(ResourcePluginTest, ANewListKeepsTheStreamAndTheSameOneIsNotSent) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "GPU-0"}});
  ASSERT_TRUE(UntilLists(1));
  plugin_->SetDevices({{.id = "GPU-0"}});
  plugin_->SetDevices({{.id = "GPU-0::0"}, {.id = "GPU-0::1"}});
  ASSERT_TRUE(UntilLists(2));
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 2U);
  EXPECT_EQ(kubelet_.lists[kGpu][1], (List{{"GPU-0::0", "Healthy"}, {"GPU-0::1", "Healthy"}}));
  EXPECT_THAT(kubelet_.lost, IsEmpty());
  EXPECT_EQ(kubelet_.registrations.size(), 1U);
}

TEST_F(ResourcePluginTest, HealthAndNumaNodeMakeADifference) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilLists(1));
  plugin_->SetDevices({{.id = "a", .healthy = false}});
  ASSERT_TRUE(UntilLists(2));
  plugin_->SetDevices({{.id = "a", .healthy = false, .numa_node = 1}});
  ASSERT_TRUE(UntilLists(3));
}

TEST_F(ResourcePluginTest, WaitsForAKubeletThatComesLater) {
  Make(kubelet_.socket(), loop_without_timers_);
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(Until([&] { return !plugin_->error().empty(); }));
  EXPECT_THAT(plugin_->error(), HasSubstr("no kubelet at " + kubelet_.socket()));
  EXPECT_EQ(plugin_->phase(), Phase::kStarting);
  EXPECT_THAT(Sockets(), IsEmpty()) << "nothing is served to nobody";
  kubelet_.Start();
  plugin_->KubeletSocketChanged();
  ASSERT_TRUE(UntilServing());
  EXPECT_EQ(plugin_->error(), "");
  EXPECT_THAT(Endpoints(), ElementsAre("nvidia-gpu.sock"));
}

TEST_F(ResourcePluginTest, AKubeletThatIsFoundWithoutAnEventIsFoundAllTheSame) {
  Make();
  plugin_->SetDevices({{.id = "a"}});
  loop_.RunFor(milliseconds(30));
  kubelet_.Start();
  EXPECT_TRUE(UntilServing());
}

// The socket is bound a moment before anyone listens on it.
TEST_F(ResourcePluginTest, NobodyListeningLeavesTheNameUnspent) {
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "kubelet.sock", "").ok());
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(Until([&] { return !plugin_->error().empty(); }));
  loop_.RunFor(milliseconds(60));
  EXPECT_THAT(Sockets(), ElementsAre("nvidia-gpu.sock"));
}

TEST_F(ResourcePluginTest, ARefusalIsFollowedByTheNextName) {
  kubelet_.refusal = "the device plugin is already connected";
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(Until([&] { return kubelet_.registrations.size() == 3; }));
  EXPECT_THAT(plugin_->error(), HasSubstr("already connected"));
  kubelet_.refusal.clear();
  ASSERT_TRUE(UntilServing());
  const auto endpoints = Endpoints();
  EXPECT_EQ(std::set<std::string>(endpoints.begin(), endpoints.end()).size(), endpoints.size())
      << "a pair that may be known was registered again";
  EXPECT_THAT(Sockets(), ElementsAre(plugin_->endpoint())) << "earlier sockets are gone";
}

TEST_F(ResourcePluginTest, AnotherKubeletIsRegisteredWithAtOnceUnderThePlainName) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilLists(1));
  for (int round = 0; round < 3; ++round) {
    kubelet_.Stop();
    ASSERT_TRUE(Until([&] { return plugin_->phase() != Phase::kServing; }));
    // What a kubelet does at its start: wipes the folder's sockets, then makes its own.
    for (const std::string& name : Sockets()) unlink((dir_ / name).c_str());
    kubelet_.registrations.clear();
    kubelet_.Start();
    plugin_->KubeletSocketChanged();
    ASSERT_TRUE(UntilServing());
    EXPECT_THAT(Endpoints(), ElementsAre("nvidia-gpu.sock"));
    EXPECT_TRUE(base::IdentityOf(dir_ / "nvidia-gpu.sock").exists());
  }
  EXPECT_EQ(plugin_->counters().registrations, 4U);
}

TEST_F(ResourcePluginTest, ALostStreamIsRegisteredUnderAnotherName) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilLists(1));
  kubelet_.DropStream(kGpu);
  ASSERT_TRUE(UntilLists(2));
  EXPECT_THAT(Endpoints(), ElementsAre("nvidia-gpu.sock", "nvidia-gpu.1.sock"));
}

TEST_F(ResourcePluginTest, SpuriousEventsOfTheKubeletsSocketChangeNothing) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilLists(1));
  for (int i = 0; i < 100; ++i) plugin_->KubeletSocketChanged();
  // Even a file that is another: the open stream is the proof.
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "kubelet.sock", "").ok());
  plugin_->KubeletSocketChanged();
  loop_.RunFor(milliseconds(50));
  EXPECT_EQ(kubelet_.registrations.size(), 1U);
  EXPECT_EQ(plugin_->phase(), Phase::kServing);
}

TEST_F(ResourcePluginTest, SpuriousEventsBeforeTheStreamRegisterNothingTwice) {
  kubelet_.opens_streams = false;
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  for (int i = 0; i < 20; ++i) {
    plugin_->KubeletSocketChanged();
    loop_.RunFor(milliseconds(1));
  }
  ASSERT_TRUE(Until([&] { return plugin_->phase() == Phase::kWaiting; }));
  for (int i = 0; i < 20; ++i) plugin_->KubeletSocketChanged();
  loop_.RunFor(milliseconds(30));
  EXPECT_EQ(kubelet_.registrations.size(), 1U);
  EXPECT_EQ(plugin_->counters().registrations, 0U)
      << "registered means that the stream has arrived";
}

TEST_F(ResourcePluginTest, AKubeletThatDiesBeforeItsStreamIsReplaced) {
  kubelet_.opens_streams = false;
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(Until([&] { return plugin_->phase() == Phase::kWaiting; }));
  kubelet_.Stop();
  kubelet_.opens_streams = true;
  kubelet_.Start();
  plugin_->KubeletSocketChanged();
  EXPECT_TRUE(UntilServing());
}

TEST_F(ResourcePluginTest, CallsReachTheOwnerAndAreCounted) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilLists(1));
  std::optional<Result<kubelet::ContainerAnswer>> answer;
  const auto allocate = [&] {
    answer.reset();
    kubelet_.Allocate(kGpu, {"a"}, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
  };
  allocate();
  EXPECT_THAT((*answer)->env, ElementsAre(Pair("IDS", "a")));
  refusal_ = "invalid allocation request";
  allocate();
  EXPECT_EQ(answer->status(), Status(Code::kUnknown, "invalid allocation request"));
  EXPECT_EQ(plugin_->counters().allocations, 1U);
  EXPECT_EQ(plugin_->counters().refusals, 1U);

  std::optional<Result<std::vector<std::string>>> preferred;
  kubelet_.Prefer(kGpu, {.available = {"x", "y"}, .must_include = {}, .size = 1},
                  [&](auto result) { preferred = std::move(result); });
  ASSERT_TRUE(Until([&] { return preferred.has_value(); }));
  EXPECT_THAT(**preferred, ElementsAre("x", "y"));
}

TEST_F(ResourcePluginTest, WithoutAKubeletSocketItServesAndDoesNotRegister) {
  Make("");
  plugin_->SetDevices({{.id = "a"}});
  EXPECT_EQ(plugin_->phase(), Phase::kWaiting);
  EXPECT_THAT(Sockets(), ElementsAre("nvidia-gpu.sock"));
  std::string list;
  auto channel = rpc::Channel::Connect(*loop_, dir_ / "nvidia-gpu.sock", 1 << 20);
  ASSERT_TRUE(channel.ok());
  (*channel)->Stream(
      "/v1beta1.DevicePlugin/ListAndWatch", "", [&](std::string bytes) { list = std::move(bytes); },
      [](const Status&) {});
  ASSERT_TRUE(Until([&] { return !list.empty(); }));
  EXPECT_EQ(plugin_->phase(), Phase::kServing);
  channel->reset();
  ASSERT_TRUE(Until([&] { return plugin_->phase() != Phase::kServing; }));
  EXPECT_THAT(Sockets(), ElementsAre("nvidia-gpu.sock")) << "the next client is welcome";
}

TEST_F(ResourcePluginTest, ASocketThatCannotBeMadeIsToldAndTriedAgain) {
  kubelet_.Start();
  std::filesystem::create_directories(dir_ / "nvidia-gpu.sock/in-the-way");
  std::filesystem::create_directories(dir_ / "nvidia-gpu.1.sock");
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilServing());
  EXPECT_THAT(Endpoints(), ElementsAre("nvidia-gpu.2.sock"));
}

TEST_F(ResourcePluginTest, EndsInEveryPhaseWithoutATrace) {
  const auto end_in_every_phase = [&] {
    for (const int stage : {0, 1, 2, 3}) {
      kubelet_.opens_streams = stage == 3;
      if (stage > 0) kubelet_.Start();
      Make();
      plugin_->SetDevices({{.id = "a"}});
      if (stage == 2) {
        ASSERT_TRUE(Until([&] { return plugin_->phase() == Phase::kWaiting; }));
      }
      if (stage == 3) {
        ASSERT_TRUE(UntilServing());
      }
      plugin_.reset();
      EXPECT_THAT(Sockets(), IsEmpty()) << stage;
      loop_.RunFor(milliseconds(30));
      kubelet_.Stop();
    }
  };
  end_in_every_phase();  // the first call makes what the loop keeps for all of its calls
  const int files = base::testing::OpenFiles();
  end_in_every_phase();
  EXPECT_TRUE(Until([&] { return base::testing::OpenFiles() <= files; }));
}

TEST_F(ResourcePluginTest, ManyRestartsLeakNothing) {
  kubelet_.Start();
  Make();
  plugin_->SetDevices({{.id = "a"}});
  ASSERT_TRUE(UntilServing());
  const int files = base::testing::OpenFiles();
  const int threads = base::testing::Threads();
  for (int i = 0; i < 20; ++i) {
    kubelet_.Stop();
    ASSERT_TRUE(Until([&] { return plugin_->phase() != Phase::kServing; }));
    kubelet_.Start();
    plugin_->KubeletSocketChanged();
    ASSERT_TRUE(UntilServing());
  }
  EXPECT_TRUE(Until([&] { return base::testing::OpenFiles() <= files; }));
  EXPECT_TRUE(Until([&] { return base::testing::Threads() <= threads; }));
  EXPECT_EQ(Sockets().size(), 1U);
}

}  // namespace
}  // namespace tranche::agent::serve
