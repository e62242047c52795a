#include "kubelet/pod_resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/testing/real_loop.h"
#include "kubelet/proto/podresources.pb.h"
#include "kubelet/rpc_server.h"

namespace tranche::kubelet {
namespace {

using ::testing::ElementsAre;

class PodResourcesTest : public ::testing::Test {
 protected:
  base::Result<std::vector<Holding>> List() {
    std::optional<base::Result<std::vector<Holding>>> answer;
    ListHoldings(*caller_, socket_, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  base::Result<std::vector<Offer>> Offers() {
    std::optional<base::Result<std::vector<Offer>>> answer;
    ListOffers(*caller_, socket_, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  void ServeBytes(std::string bytes, const std::string& method = "List") {
    server_ = RpcServer::Start(
                  *loop_, {.socket_path = socket_},
                  [bytes = std::move(bytes), method](const std::shared_ptr<ServerCall>& call) {
                    EXPECT_EQ(call->method(), "/v1.PodResourcesLister/" + method);
                    call->Finish(base::Status::Ok(), bytes);
                  },
                  nullptr)
                  .value();
  }
  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "kubelet.sock";
  base::testing::RealLoop loop_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<RpcCaller> caller_ = RpcCaller::New(*loop_);
};

TEST_F(PodResourcesTest, JoinsTheIdsOfOneContainerAndResource) {
  v1::ListPodResourcesResponse list;
  auto* pod = list.add_pod_resources();
  pod->set_name("p");
  pod->set_namespace_("n");
  auto* container = pod->add_containers();
  container->set_name("c");
  for (const char* id : {"GPU-1::0", "GPU-1::1"}) {
    auto* devices = container->add_devices();
    devices->set_resource_name("nvidia.com/gpu");
    devices->add_device_ids(id);
  }
  container->add_devices()->set_resource_name("other");
  list.add_pod_resources()->set_name("without devices");
  ServeBytes(list.SerializeAsString());

  const auto holdings = List();
  ASSERT_TRUE(holdings.ok()) << holdings.status().message();
  ASSERT_EQ(holdings->size(), 2U);
  const Holding& first = holdings.value()[0];
  EXPECT_EQ(first.pod_namespace, "n");
  EXPECT_EQ(first.pod, "p");
  EXPECT_EQ(first.container, "c");
  EXPECT_EQ(first.resource, "nvidia.com/gpu");
  EXPECT_THAT(first.ids, ElementsAre("GPU-1::0", "GPU-1::1"));
}

TEST_F(PodResourcesTest, JoinsTheIdsThatTheKubeletCanGive) {
  v1::AllocatableResourcesResponse answer;
  for (const char* id : {"GPU-1::0", "GPU-1::1"}) {
    auto* devices = answer.add_devices();
    devices->set_resource_name("nvidia.com/gpu");
    devices->add_device_ids(id);
  }
  answer.add_devices()->set_resource_name("other");
  ServeBytes(answer.SerializeAsString(), "GetAllocatableResources");

  const auto offers = Offers();
  ASSERT_TRUE(offers.ok()) << offers.status().message();
  ASSERT_EQ(offers->size(), 2U);
  EXPECT_EQ(offers.value()[0].resource, "nvidia.com/gpu");
  EXPECT_THAT(offers.value()[0].ids, ElementsAre("GPU-1::0", "GPU-1::1"));
  EXPECT_THAT(offers.value()[1].ids, ElementsAre());
}

TEST_F(PodResourcesTest, NoSocketIsNotFound) {
  EXPECT_EQ(List().status().code(), base::Code::kNotFound);
  EXPECT_EQ(Offers().status().code(), base::Code::kNotFound);
}

TEST_F(PodResourcesTest, GarbageAndTooMuchAreErrors) {
  ServeBytes("\xff\xff");
  EXPECT_EQ(List().status().code(), base::Code::kInternal);
  server_.reset();
  ServeBytes(std::string(17U << 20U, 'x'));
  EXPECT_EQ(List().status().code(), base::Code::kResourceExhausted);
  server_.reset();
  ServeBytes("\xff\xff", "GetAllocatableResources");
  EXPECT_EQ(Offers().status().code(), base::Code::kInternal);
}

}  // namespace
}  // namespace tranche::kubelet
