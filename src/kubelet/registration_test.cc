#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/real_loop.h"
#include "base/testing/temp_dir.h"
#include "kubelet/device_plugin.h"
#include "kubelet/proto/deviceplugin.pb.h"
#include "rpc/client.h"
#include "rpc/server.h"

namespace tranche::kubelet {
namespace {

class RegistrationTest : public ::testing::Test {
 protected:
  void Serve(rpc::Server::OnCall on_call) {
    server_ =
        rpc::Server::Start(*loop_, {.socket_path = socket_}, std::move(on_call), nullptr).value();
  }
  base::Status Register() {
    std::optional<base::Status> answer;
    RegisterWithKubelet(*caller_, {socket_, "gpu.sock", "nvidia.com/gpu"},
                        [&](base::Status status) { answer = std::move(status); });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    return *answer;
  }
  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "kubelet.sock";
  base::testing::RealLoop loop_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Caller> caller_ = rpc::Caller::New(*loop_);
};

TEST_F(RegistrationTest, SendsVersionEndpointResourceAndOptions) {
  v1beta1::RegisterRequest request;
  Serve([&](const std::shared_ptr<rpc::ServerCall>& call) {
    EXPECT_EQ(call->method(), "/v1beta1.Registration/Register");
    EXPECT_TRUE(request.ParseFromString(call->request()));
    call->Finish(base::Status::Ok(), "");
  });
  EXPECT_TRUE(Register().ok());
  EXPECT_EQ(request.version(), "v1beta1");
  EXPECT_EQ(request.endpoint(), "gpu.sock");
  EXPECT_EQ(request.resource_name(), "nvidia.com/gpu");
  EXPECT_TRUE(request.options().get_preferred_allocation_available());
  EXPECT_FALSE(request.options().pre_start_required());
}

TEST_F(RegistrationTest, PassesTheKubeletsRefusalOn) {
  Serve([](const std::shared_ptr<rpc::ServerCall>& call) {
    call->Finish({base::Code::kUnknown, "device plugin already connected: /x"}, "");
  });
  const base::Status status = Register();
  EXPECT_EQ(status.code(), base::Code::kUnknown);
  EXPECT_EQ(status.message(), "device plugin already connected: /x");
}

TEST_F(RegistrationTest, WordsOfTheKubeletAreEscapedAndCut) {
  Serve([](const std::shared_ptr<rpc::ServerCall>& call) {
    call->Finish({base::Code::kUnknown, "\x1b[2J\n" + std::string(3000, 'x')}, "");
  });
  const std::string message = Register().message();
  EXPECT_EQ(message, "\\x1b[2J\\n" + std::string(503, 'x') + "…");
}

TEST_F(RegistrationTest, SaysWhereThereIsNoKubelet) {
  EXPECT_EQ(Register().code(), base::Code::kNotFound);
}

TEST_F(RegistrationTest, AMuteKubeletIsGivenUp) {
  std::vector<std::shared_ptr<rpc::ServerCall>> calls;
  Serve([&](std::shared_ptr<rpc::ServerCall> call) { calls.push_back(std::move(call)); });
  std::optional<base::Result<std::string>> answer;
  caller_->Call({.socket_path = socket_,
                 .method = "/v1beta1.Registration/Register",
                 .request = "",
                 .timeout = std::chrono::milliseconds(50)},
                [&](base::Result<std::string> result) { answer = std::move(result); });
  ASSERT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->status().code(), base::Code::kDeadlineExceeded);
  EXPECT_EQ(calls.size(), 1U);
}

TEST_F(RegistrationTest, NobodyIsToldAfterTheEndOfTheCaller) {
  Serve([](const std::shared_ptr<rpc::ServerCall>&) {});
  bool called = false;
  RegisterWithKubelet(*caller_, {socket_, "gpu.sock", "nvidia.com/gpu"},
                      [&](const base::Status&) { called = true; });
  caller_.reset();
  loop_.RunFor(std::chrono::milliseconds(20));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace tranche::kubelet
