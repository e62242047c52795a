#include "kubelet/pod_resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/testing/real_loop.h"
#include "kubelet/proto/podresources.pb.h"
#include "rpc/server.h"

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
  using Answer = base::Result<std::optional<DeviceAnswer>>;
  Answer Ask() {
    std::optional<Answer> answer;
    lister_->Ask(socket_, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  // What both calls are answered; nullopt: with an error.
  void ServeBoth(std::optional<std::string> held, std::optional<std::string> offered) {
    server_ = rpc::Server::Start(
                  *loop_, {.socket_path = socket_},
                  [held, offered](const std::shared_ptr<rpc::ServerCall>& call) {
                    const auto& one = call->method().ends_with("/List") ? held : offered;
                    if (one) return call->Finish(base::Status::Ok(), *one);
                    call->Finish({base::Code::kUnimplemented, "not known"}, "");
                  },
                  nullptr)
                  .value();
  }
  void ServeBytes(std::string bytes) {
    server_ = rpc::Server::Start(
                  *loop_, {.socket_path = socket_},
                  [bytes = std::move(bytes)](const std::shared_ptr<rpc::ServerCall>& call) {
                    EXPECT_EQ(call->method(), "/v1.PodResourcesLister/List");
                    call->Finish(base::Status::Ok(), bytes);
                  },
                  nullptr)
                  .value();
  }
  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "kubelet.sock";
  base::testing::RealLoop loop_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Caller> caller_ = rpc::Caller::New(*loop_);
  std::unique_ptr<DeviceLister> lister_ = std::make_unique<DeviceLister>(*loop_);
};

// Of pods of these names, each with one device.
std::string HeldBy(const std::vector<std::string>& pods) {
  v1::ListPodResourcesResponse list;
  for (const std::string& name : pods) {
    auto* pod = list.add_pod_resources();
    pod->set_name(name);
    auto* devices = pod->add_containers()->add_devices();
    devices->set_resource_name("nvidia.com/gpu");
    devices->add_device_ids("of " + name);
  }
  return list.SerializeAsString();
}

std::string Offered(const std::vector<std::string>& ids) {
  v1::AllocatableResourcesResponse answer;
  for (const std::string& id : ids) {
    auto* devices = answer.add_devices();
    devices->set_resource_name("nvidia.com/gpu");
    devices->add_device_ids(id);
  }
  return answer.SerializeAsString();
}

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
  v1::AllocatableResourcesResponse other;
  other.add_devices()->set_resource_name("other");
  ServeBoth(HeldBy({"p"}), Offered({"GPU-1::0", "GPU-1::1"}) + other.SerializeAsString());

  const auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  ASSERT_TRUE(answer.value().has_value());
  EXPECT_EQ(answer.value()->holdings.size(), 1U);
  const auto& offers = answer.value()->offers;
  ASSERT_TRUE(offers.has_value());
  ASSERT_EQ(offers->size(), 2U);
  EXPECT_EQ((*offers)[0].resource, "nvidia.com/gpu");
  EXPECT_THAT((*offers)[0].ids, ElementsAre("GPU-1::0", "GPU-1::1"));
  EXPECT_THAT((*offers)[1].ids, ElementsAre());
}

TEST_F(PodResourcesTest, OnlyWhatIsNewIsRead) {
  const auto serve = [this](std::optional<std::string> held, std::optional<std::string> offered) {
    server_.reset();
    ServeBoth(std::move(held), std::move(offered));
  };
  const auto told = [this] {
    auto answer = Ask();
    EXPECT_TRUE(answer.ok());
    return answer.ok() && answer.value().has_value();
  };
  serve("", "");
  EXPECT_TRUE(told()) << "the first answer, which says that there is nothing";
  EXPECT_FALSE(told());
  serve(HeldBy({"a", "b"}), Offered({"0", "1"}));
  EXPECT_TRUE(told());
  serve(HeldBy({"b", "a"}), Offered({"1", "0"}));
  EXPECT_FALSE(told()) << "the same in another order";
  serve(HeldBy({"b", "a"}), Offered({"1", "2"}));
  EXPECT_TRUE(told());
  serve(HeldBy({"b"}), Offered({"1", "2"}));
  EXPECT_TRUE(told());
  serve(HeldBy({"b", "b"}), Offered({"1", "2"}));
  EXPECT_TRUE(told()) << "how often something is said counts";
}

TEST_F(PodResourcesTest, WhatCannotBeReadIsNoLastAnswer) {
  ServeBoth(HeldBy({"a"}), std::nullopt);
  auto answer = Ask();
  ASSERT_TRUE(answer.ok() && answer.value().has_value());
  EXPECT_FALSE(answer.value()->offers.has_value());
  EXPECT_FALSE(Ask().value().has_value());
  server_.reset();
  ServeBoth(HeldBy({"a"}), Offered({"0"}));
  answer = Ask();
  ASSERT_TRUE(answer.ok() && answer.value().has_value());
  EXPECT_TRUE(answer.value()->offers.has_value()) << "the kubelet tells it from now on";
  server_.reset();
  ServeBoth("\xff\xff", std::nullopt);
  EXPECT_EQ(Ask().status().code(), base::Code::kInternal);
  EXPECT_EQ(Ask().status().code(), base::Code::kInternal) << "and not: as before";
  server_.reset();
  ServeBoth(HeldBy({"a"}), Offered({"0"}));
  EXPECT_TRUE(Ask().value().has_value());
}

TEST_F(PodResourcesTest, NoSocketIsNotFound) {
  EXPECT_EQ(List().status().code(), base::Code::kNotFound);
  EXPECT_EQ(Ask().status().code(), base::Code::kNotFound);
}

TEST_F(PodResourcesTest, GarbageAndTooMuchAreErrors) {
  ServeBytes("\xff\xff");
  EXPECT_EQ(List().status().code(), base::Code::kInternal);
  server_.reset();
  ServeBytes(std::string(17U << 20U, 'x'));
  EXPECT_EQ(List().status().code(), base::Code::kResourceExhausted);
  server_.reset();
  ServeBoth("", "\xff\xff");
  EXPECT_FALSE(Ask().value()->offers.has_value());
}

}  // namespace
}  // namespace tranche::kubelet
