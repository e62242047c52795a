#include "kubelet/device_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "kubelet/proto/deviceplugin.pb.h"
#include "rpc/client.h"

namespace tranche::kubelet {
namespace {

using ::testing::ElementsAre;

constexpr int kBig = 64 << 20;

class FakeHandler : public PluginHandler {
 public:
  base::Result<ContainerAnswer> Allocate(const std::vector<std::string>& ids) override {
    allocated.push_back(ids);
    if (!error.empty()) return base::Status(base::Code::kInvalidArgument, error);
    return answer;
  }
  base::Result<std::vector<std::string>> Preferred(const PreferredQuery& query) override {
    queries.push_back(query);
    if (!error.empty()) return base::Status(base::Code::kInvalidArgument, error);
    return std::vector<std::string>(query.available.begin(), query.available.begin() + query.size);
  }
  void StreamChanged(Stream change) override { streams += change == Stream::kOpened ? "+" : "-"; }
  void ServerFailed(const std::string& why) override { failed = why; }

  std::vector<std::vector<std::string>> allocated;
  std::vector<PreferredQuery> queries;
  ContainerAnswer answer;
  std::string error;
  std::string streams;
  std::string failed;
};

class DevicePluginTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = PluginServer::Start(*loop_, socket_, handler_).value();
    client_ = rpc::Channel::Connect(*loop_, socket_, kBig).value();
  }

  // Calls and waits for the answer.
  template <class Request>
  base::Result<std::string> Call(const std::string& method, const Request& request) {
    std::optional<base::Result<std::string>> answer;
    client_->Call("/v1beta1.DevicePlugin/" + method, request.SerializeAsString(), {},
                  [&](base::Result<std::string> result) { answer = std::move(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    return std::move(*answer);
  }

  void OpenStream(rpc::Channel& channel) {
    channel.Stream(
        "/v1beta1.DevicePlugin/ListAndWatch", "",
        [this](const std::string& bytes) {
          v1beta1::ListAndWatchResponse list;
          EXPECT_TRUE(list.ParseFromString(bytes));
          lists_.push_back(std::move(list));
        },
        [this](const base::Status& status) { stream_end_ = status; });
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "gpu.sock";
  base::testing::RealLoop loop_;
  FakeHandler handler_;
  std::unique_ptr<PluginServer> server_;
  std::unique_ptr<rpc::Channel> client_;
  std::vector<v1beta1::ListAndWatchResponse> lists_;
  std::optional<base::Status> stream_end_;
};

TEST_F(DevicePluginTest, TellsItsOptions) {
  const auto answer = Call("GetDevicePluginOptions", v1beta1::Empty());
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  v1beta1::DevicePluginOptions options;
  ASSERT_TRUE(options.ParseFromString(*answer));
  EXPECT_TRUE(options.get_preferred_allocation_available());
  EXPECT_FALSE(options.pre_start_required());
  EXPECT_TRUE(Call("PreStartContainer", v1beta1::PreStartContainerRequest()).ok());
}

TEST_F(DevicePluginTest, SocketIsPrivate) {
  struct stat info {};
  ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(DevicePluginTest, SendsTheListToAStreamAndEveryChangeAfterwards) {
  server_->SetDevices({{.id = "a", .healthy = true, .numa_node = 1}, {.id = "b"}});
  OpenStream(*client_);
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 1; }));
  ASSERT_EQ(lists_[0].devices_size(), 2);
  EXPECT_EQ(lists_[0].devices(0).id(), "a");
  EXPECT_EQ(lists_[0].devices(0).health(), "Healthy");
  ASSERT_EQ(lists_[0].devices(0).topology().nodes_size(), 1);
  EXPECT_EQ(lists_[0].devices(0).topology().nodes(0).id(), 1);
  EXPECT_EQ(lists_[0].devices(1).id(), "b");
  EXPECT_FALSE(lists_[0].devices(1).has_topology());
  EXPECT_EQ(handler_.streams, "+");
  EXPECT_EQ(server_->open_streams(), 1);

  server_->SetDevices({{.id = "a", .healthy = false}});
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 2; }));
  ASSERT_EQ(lists_[1].devices_size(), 1);
  EXPECT_EQ(lists_[1].devices(0).health(), "Unhealthy");

  server_->SetDevices({});
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 3; }));
  EXPECT_EQ(lists_[2].devices_size(), 0);
}

TEST_F(DevicePluginTest, NoListIsSentBeforeThereIsOne) {
  OpenStream(*client_);
  ASSERT_TRUE(loop_.RunUntil([&] { return server_->open_streams() == 1; }));
  EXPECT_TRUE(Call("GetDevicePluginOptions", v1beta1::Empty()).ok());
  EXPECT_TRUE(lists_.empty());
}

TEST_F(DevicePluginTest, NoticesALostStream) {
  server_->SetDevices({{.id = "a"}});
  OpenStream(*client_);
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 1; }));
  client_.reset();
  ASSERT_TRUE(loop_.RunUntil([&] { return handler_.streams == "+-"; }));
  EXPECT_EQ(server_->open_streams(), 0);
}

TEST_F(DevicePluginTest, EndsStreamsAtOnceAndRemovesItsSocket) {
  server_->SetDevices({{.id = "a"}});
  OpenStream(*client_);
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 1; }));
  server_.reset();
  EXPECT_FALSE(base::IdentityOf(socket_).exists());
  ASSERT_TRUE(loop_.RunUntil([&] { return stream_end_.has_value(); }));
  EXPECT_FALSE(stream_end_->ok());
  EXPECT_EQ(handler_.streams, "+") << "nothing is called back after the end";
}

TEST_F(DevicePluginTest, LeavesASocketThatSomeoneElseMade) {
  EXPECT_TRUE(server_->SocketInPlace());
  ASSERT_EQ(::unlink(socket_.c_str()), 0);
  EXPECT_FALSE(server_->SocketInPlace());
  FakeHandler other_handler;
  const auto other = PluginServer::Start(*loop_, socket_, other_handler).value();
  EXPECT_FALSE(server_->SocketInPlace());
  EXPECT_TRUE(other->SocketInPlace());
  server_.reset();
  EXPECT_TRUE(other->SocketInPlace());
}

TEST_F(DevicePluginTest, ReplacesAStaleSocketButNoOtherFile) {
  const std::string stale = folder_ / "stale.sock";
  ASSERT_EQ(::link(socket_.c_str(), stale.c_str()), 0);
  EXPECT_TRUE(PluginServer::Start(*loop_, stale, handler_).ok());
  const std::string file = folder_ / "file";
  ASSERT_TRUE(base::WriteFileAtomic(file, "x").ok());
  const auto refused = PluginServer::Start(*loop_, file, handler_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), base::Code::kAlreadyExists);
  EXPECT_EQ(PluginServer::Start(*loop_, folder_ / std::string(200, 'x'), handler_).status().code(),
            base::Code::kInvalidArgument);
}

TEST_F(DevicePluginTest, AnswersAllocate) {
  handler_.answer.env = {{"NVIDIA_VISIBLE_DEVICES", "GPU-1"}};
  handler_.answer.mounts = {{"/in", "/out", true}};
  handler_.answer.devices = {{"/dev/c", "/dev/h", "rw"}};
  handler_.answer.annotations = {{"k", "v"}};
  handler_.answer.cdi_devices = {"nvidia.com/gpu=0"};
  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids("GPU-1::0");
  request.add_container_requests()->add_devices_ids("GPU-1::1");
  const auto answer = Call("Allocate", request);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  v1beta1::AllocateResponse response;
  ASSERT_TRUE(response.ParseFromString(*answer));
  ASSERT_EQ(response.container_responses_size(), 2);
  const auto& one = response.container_responses(0);
  EXPECT_EQ(one.envs().at("NVIDIA_VISIBLE_DEVICES"), "GPU-1");
  EXPECT_EQ(one.mounts(0).container_path(), "/in");
  EXPECT_EQ(one.mounts(0).host_path(), "/out");
  EXPECT_TRUE(one.mounts(0).read_only());
  EXPECT_EQ(one.devices(0).container_path(), "/dev/c");
  EXPECT_EQ(one.devices(0).host_path(), "/dev/h");
  EXPECT_EQ(one.devices(0).permissions(), "rw");
  EXPECT_EQ(one.annotations().at("k"), "v");
  EXPECT_EQ(one.cdi_devices(0).name(), "nvidia.com/gpu=0");
  EXPECT_THAT(handler_.allocated, ElementsAre(ElementsAre("GPU-1::0"), ElementsAre("GPU-1::1")));
}

TEST_F(DevicePluginTest, RefusalsAreOfCodeUnknownWithTheHandlersText) {
  handler_.error = "invalid request: maximum request size is 1; found 2";
  v1beta1::AllocateRequest allocate;
  allocate.add_container_requests()->add_devices_ids("a");
  const base::Status refused = Call("Allocate", allocate).status();
  EXPECT_EQ(refused.code(), base::Code::kUnknown);
  EXPECT_EQ(refused.message(), handler_.error);
  v1beta1::PreferredAllocationRequest preferred;
  preferred.add_container_requests();
  EXPECT_EQ(Call("GetPreferredAllocation", preferred).status().message(), handler_.error);
}

TEST_F(DevicePluginTest, AnswersAPreferredAllocationBiggerThanTheDefaultLimit) {
  v1beta1::PreferredAllocationRequest request;
  auto* container = request.add_container_requests();
  for (int i = 0; i < 120'000; ++i) {
    container->add_available_deviceids("GPU-00000000-0000-0000-0000-000000000000::" +
                                       std::to_string(i));
  }
  container->add_must_include_deviceids("must");
  container->set_allocation_size(2);
  ASSERT_GT(request.ByteSizeLong(), 4U << 20U);
  const auto answer = Call("GetPreferredAllocation", request);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  v1beta1::PreferredAllocationResponse response;
  ASSERT_TRUE(response.ParseFromString(*answer));
  ASSERT_EQ(response.container_responses_size(), 1);
  EXPECT_EQ(response.container_responses(0).deviceids_size(), 2);
  ASSERT_EQ(handler_.queries.size(), 1U);
  EXPECT_EQ(handler_.queries[0].available.size(), 120'000U);
  EXPECT_THAT(handler_.queries[0].must_include, ElementsAre("must"));
  EXPECT_EQ(handler_.queries[0].size, 2);

  for (int i = 0; i < 400'000; ++i) container->add_available_deviceids(std::string(40, 'x'));
  EXPECT_EQ(Call("GetPreferredAllocation", request).status().code(),
            base::Code::kResourceExhausted);
}

TEST_F(DevicePluginTest, RefusesGarbageAndUnknownMethods) {
  std::optional<base::Result<std::string>> garbage;
  std::optional<base::Result<std::string>> unknown;
  client_->Call("/v1beta1.DevicePlugin/Allocate", "\xff\xff\xff", {},
                [&](base::Result<std::string> result) { garbage = std::move(result); });
  client_->Call("/v1beta1.DevicePlugin/Nothing", "", {},
                [&](base::Result<std::string> result) { unknown = std::move(result); });
  ASSERT_TRUE(loop_.RunUntil([&] { return garbage.has_value() && unknown.has_value(); }));
  EXPECT_EQ(garbage->status().code(), base::Code::kInternal);
  EXPECT_EQ(unknown->status().code(), base::Code::kUnimplemented);
  EXPECT_TRUE(handler_.allocated.empty());
}

std::vector<PluginDevice> ManyDevices(int count, bool healthy) {
  std::vector<PluginDevice> devices;
  for (int i = 0; i < count; ++i) {
    devices.push_back({.id = "GPU-00000000-0000-0000-0000-000000000000::" + std::to_string(i),
                       .healthy = healthy,
                       .numa_node = i % 2});
  }
  return devices;
}

TEST_F(DevicePluginTest, ListsSetWhileOneIsOnItsWayMergeIntoTheNewest) {
  server_->SetDevices(ManyDevices(60'000, true));
  OpenStream(*client_);
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 1; }));
  EXPECT_EQ(lists_[0].devices_size(), 60'000);
  for (int i = 1; i <= 50; ++i) server_->SetDevices(ManyDevices(100 + i, false));
  ASSERT_TRUE(loop_.RunUntil([&] { return lists_.back().devices_size() == 150; }));
  ASSERT_EQ(lists_.size(), 3U) << "the first of the fifty, and the last";
  EXPECT_EQ(lists_[1].devices_size(), 101);
}

TEST_F(DevicePluginTest, TheServerMayEndInsideStreamChanged) {
  class EndingHandler : public FakeHandler {
   public:
    void StreamChanged(Stream /*change*/) override { server.reset(); }
    std::unique_ptr<PluginServer> server;
  };
  EndingHandler handler;
  const std::string path = folder_ / "ending.sock";
  handler.server = PluginServer::Start(*loop_, path, handler).value();
  client_ = rpc::Channel::Connect(*loop_, path, kBig).value();
  OpenStream(*client_);
  ASSERT_TRUE(loop_.RunUntil([&] { return stream_end_.has_value(); }));
  EXPECT_EQ(handler.server, nullptr);
}

TEST_F(DevicePluginTest, StartingAndStoppingLeaksNothing) {
  client_.reset();
  server_.reset();
  int files = 0;
  int threads = 0;
  for (int round = 0; round < 60; ++round) {
    if (round == 10) {
      files = base::testing::OpenFiles();
      threads = base::testing::Threads();
    }
    server_ = PluginServer::Start(*loop_, socket_, handler_).value();
    server_->SetDevices({{.id = "a"}});
    client_ = rpc::Channel::Connect(*loop_, socket_, kBig).value();
    lists_.clear();
    OpenStream(*client_);
    ASSERT_TRUE(loop_.RunUntil([&] { return lists_.size() == 1; }));
    if (round % 2 == 0) client_.reset();
    server_.reset();
    client_.reset();
  }
  EXPECT_EQ(base::testing::OpenFiles(), files);
  EXPECT_EQ(base::testing::Threads(), threads);
}

}  // namespace
}  // namespace tranche::kubelet
