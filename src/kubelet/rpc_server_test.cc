#include "kubelet/rpc_server.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/testing/real_loop.h"
#include "kubelet/grpc_bytes.h"
#include "kubelet/rpc_client.h"
#include "kubelet/testing/raw_client.h"
#include "kubelet/unix_socket.h"

namespace tranche::kubelet {
namespace {

class RpcServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = RpcServer::Start(
                  *loop_, {.socket_path = socket_},
                  [this](std::shared_ptr<ServerCall> call) {
                    call->OnClosed([this] { ++closed_; });
                    calls_.push_back(std::move(call));
                  },
                  nullptr)
                  .value();
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "server.sock";
  base::testing::RealLoop loop_;
  std::vector<std::shared_ptr<ServerCall>> calls_;
  int closed_ = 0;
  std::unique_ptr<RpcServer> server_;
};

// The client starts a stream and never asks for a message, so gRPC stops taking bytes from the
// socket.
TEST_F(RpcServerTest, AReaderThatNeverReadsCostsOneMessageAndOneInWaiting) {
  grpc::CompletionQueue queue;
  const auto channel =
      grpc::CreateInsecureChannelFromFd("mute", ConnectToUnixSocket(socket_).value().release());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const auto stream = stub.PrepareCall(&context, "/test/Stream", &queue);
  stream->StartCall(nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  stream->WriteLast(ToBuffer(""), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));

  const auto other = RpcChannel::Connect(*loop_, socket_, 4 << 20).value();
  std::vector<std::weak_ptr<const std::string>> sent;
  for (std::size_t i = 1; i <= 12; ++i) {
    auto message = std::make_shared<const std::string>(4U << 20U, 'x');
    sent.push_back(message);
    calls_[0]->Send(std::move(message));
    // Others are served meanwhile, which is also time for the message to go as far as it can.
    bool answered = false;
    other->Call("/test/Unary", "", {}, [&](const base::Result<std::string>&) { answered = true; });
    ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == i + 1; }));
    calls_.back()->Finish(base::Status::Ok(), "");
    ASSERT_TRUE(loop_.RunUntil([&] { return answered; }));
  }
  const auto alive = std::count_if(sent.begin(), sent.end(),
                                   [](const auto& message) { return !message.expired(); });
  EXPECT_LE(alive, 2);
  EXPECT_FALSE(sent.back().expired()) << "the newest is the one that waits";
  context.TryCancel();
  ASSERT_TRUE(loop_.RunUntil([&] { return closed_ == 13; }));
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

TEST_F(RpcServerTest, ACallMayOutliveItsServer) {
  const auto client = RpcChannel::Connect(*loop_, socket_, 4 << 20).value();
  std::optional<base::Status> status;
  client->Call("/test/Unary", "", {},
               [&](const base::Result<std::string>& result) { status = result.status(); });
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  server_.reset();
  calls_[0]->Finish(base::Status::Ok(), "late");
  calls_[0]->Send(std::make_shared<const std::string>("late"));
  ASSERT_TRUE(loop_.RunUntil([&] { return status.has_value(); }));
  EXPECT_FALSE(status->ok());
  EXPECT_EQ(closed_, 0);
}

// gRPC waits for what it is still writing to a connection, which this client never takes.
TEST_F(RpcServerTest, AServerEndsAlthoughAClientDoesNotRead) {
  testing::RawClient client(socket_);
  client.Send(testing::WindowUpdate(0, 1U << 30U) + testing::Request(1) +
              testing::WindowUpdate(1, 1U << 30U));
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  calls_[0]->Send(std::make_shared<const std::string>(4U << 20U, 'x'));
  loop_.RunFor(std::chrono::milliseconds(20));
  server_.reset();
  EXPECT_TRUE(client.Closed());
}

// Nothing is called back once it has ended, also where that happens within a call.
TEST_F(RpcServerTest, AServerMayBeEndedByACall) {
  const std::string socket = folder_ / "ended.sock";
  int calls = 0;
  server_ = RpcServer::Start(
                *loop_, {.socket_path = socket},
                [&](const std::shared_ptr<ServerCall>& call) {
                  ++calls;
                  call->OnClosed([this] { ++closed_; });
                  call->Finish(base::Status::Ok(), "the last word");
                  server_.reset();
                },
                nullptr)
                .value();
  const auto client = RpcChannel::Connect(*loop_, socket, 4 << 20).value();
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    client->Call("/test/Unary", "", {}, [&](const base::Result<std::string>& result) {
      answers.push_back(result.ok() ? *result : "");
    });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answers.size() == 3; }));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(std::count(answers.begin(), answers.end(), "the last word"), 1);
}

// The kubelet's stream is open for days: a server that is not looked at has to have nothing to do.
TEST_F(RpcServerTest, AStreamAtRestIsHeardAtOnceWhenSomethingIsSentOrItsClientGoes) {
  auto client = RpcChannel::Connect(*loop_, socket_, 4 << 20).value();
  std::string heard;
  client->Stream(
      "/test/Stream", "", [&](const std::string& message) { heard += message; },
      [](const base::Status&) {});
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  for (const std::string word : {"a", "b", "c"}) {
    loop_.RunFor(std::chrono::milliseconds(20));
    calls_[0]->Send(std::make_shared<const std::string>(word));
    ASSERT_TRUE(loop_.RunUntil([&] { return heard.ends_with(word); })) << heard;
  }
  loop_.RunFor(std::chrono::milliseconds(20));
  client.reset();
  EXPECT_TRUE(loop_.RunUntil([&] { return closed_ == 1; }));
}

// gRPC writes of its own accord to standard error where a server is ended in a wrong order.
TEST_F(RpcServerTest, AServerEndsWithoutAComplaintOfGrpc) {
  const auto client = RpcChannel::Connect(*loop_, socket_, 4 << 20).value();
  client->Call("/test/Unary", "", {}, [](const base::Result<std::string>&) {});
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  ::testing::internal::CaptureStderr();
  server_.reset();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tranche::kubelet
