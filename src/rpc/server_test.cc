#include "rpc/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/real_loop.h"
#include "base/testing/thread_limit.h"
#include "rpc/client.h"
#include "rpc/testing/raw_client.h"
#include "rpc/unix_socket.h"

namespace tranche::rpc {
namespace {

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = Server::Start(
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
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AReaderThatNeverReadsCostsOneMessageAndOneInWaiting) {
  testing::RawClient mute(socket_);
  mute.Send(testing::Request(1));
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));

  const auto other = Channel::Connect(*loop_, socket_, 4 << 20).value();
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
  mute.HangUp();
  ASSERT_TRUE(loop_.RunUntil([&] { return closed_ == 13; }));
}

TEST_F(ServerTest, ACallMayOutliveItsServer) {
  const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
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

TEST_F(ServerTest, AServerEndsAlthoughAClientDoesNotRead) {
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
TEST_F(ServerTest, AServerMayBeEndedByACall) {
  const std::string socket = folder_ / "ended.sock";
  int calls = 0;
  server_ = Server::Start(
                *loop_, {.socket_path = socket},
                [&](const std::shared_ptr<ServerCall>& call) {
                  ++calls;
                  call->OnClosed([this] { ++closed_; });
                  call->Finish(base::Status::Ok(), "the last word");
                  server_.reset();
                },
                nullptr)
                .value();
  const auto client = Channel::Connect(*loop_, socket, 4 << 20).value();
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
TEST_F(ServerTest, AStreamAtRestIsHeardAtOnceWhenSomethingIsSentOrItsClientGoes) {
  auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
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

// More in both directions than the sockets hold: neither side waits for the other to read first.
TEST_F(ServerTest, LongMessagesInBothDirectionsAtATimePassEachOther) {
  const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
  const std::string text(4U << 20U, 'x');
  std::size_t listed = 0;
  client->Stream(
      "/test/Stream", "", [&](const std::string& message) { listed += message.size(); },
      [](const base::Status&) {});
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  calls_[0]->Send(std::make_shared<const std::string>(text));
  client->Call("/test/Unary", text, {}, [](const base::Result<std::string>&) {});
  EXPECT_TRUE(loop_.RunUntil([&] { return listed == text.size() && calls_.size() == 2; }));
}

// As a kubelet's is that asks for more than fits: the rest of it is not waited for.
TEST_F(ServerTest, ATooLargeRequestIsRefusedAndTheConnectionGoesOn) {
  const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
  std::vector<base::Result<std::string>> results;
  const auto call = [&](std::size_t bytes) {
    client->Call("/test/Unary", std::string(bytes, 'x'), {},
                 [&](base::Result<std::string> result) { results.push_back(std::move(result)); });
  };
  call((4U << 20U) + 1);
  ASSERT_TRUE(loop_.RunUntil([&] { return results.size() == 1; }));
  EXPECT_EQ(results[0].status().code(), base::Code::kResourceExhausted);
  EXPECT_EQ(results[0].status().message(),
            "a message of 4194305 bytes, where at most 4194304 are taken");
  EXPECT_TRUE(calls_.empty());

  call(4U << 20U);
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  EXPECT_EQ(calls_[0]->request(), std::string(4U << 20U, 'x'));
  calls_[0]->Finish(base::Status::Ok(), "taken");
  ASSERT_TRUE(loop_.RunUntil([&] { return results.size() == 2; }));
  EXPECT_EQ(results[1].value(), "taken");
}

// Clients that begin large requests and do not end them hold what one request may have, together.
TEST_F(ServerTest, RequestsThatDoNotEndAreBoundedTogether) {
  using namespace std::string_literals;
  std::vector<std::unique_ptr<testing::RawClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<testing::RawClient>(socket_));
    // 4 MiB are announced, and all but the last byte of a window of 1 MiB is sent.
    std::string frames = testing::RequestHead(1) + testing::Frame(0, 0, 1, "\0\0\x40\0\0"s);
    for (int piece = 0; piece < 63; ++piece) {
      frames += testing::Frame(0, 0, 1, std::string(16384, 'x'));
    }
    ASSERT_TRUE(loop_.RunUntil([&] { return clients.back()->Send(std::exchange(frames, {})); }));
    ASSERT_TRUE(loop_.RunUntil([&] { return clients.back()->AllRead(); }));
  }
  const auto refused = [&] {
    return std::ranges::count_if(clients, [](const auto& client) { return client->Ended() > 0; });
  };
  ASSERT_TRUE(loop_.RunUntil([&] { return refused() == 4; }));
  EXPECT_TRUE(calls_.empty());

  clients.clear();  // and what they held can be had again
  const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
  client->Call("/test/Unary", std::string(4U << 20U, 'x'), {},
               [](const base::Result<std::string>&) {});
  EXPECT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
}

TEST_F(ServerTest, ARequestWithoutAMessageIsRefused) {
  testing::RawClient client(socket_);
  client.Send(testing::RequestHead(1) + testing::Frame(0, 1, 1, ""));
  ASSERT_TRUE(loop_.RunUntil([&] { return client.Ended() == 1; }));
  EXPECT_TRUE(calls_.empty());
}

TEST_F(ServerTest, WhatIsNoHttp2IsHungUpOn) {
  testing::RawClient client(ConnectToUnixSocket(socket_).value(), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(loop_.RunUntil([&] { return client.Closed(); }));
}

TEST_F(ServerTest, NeitherServerNorClientsMakeAThread) {
  const int before = base::testing::Threads();
  const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
  const auto caller = Caller::New(*loop_);
  const auto ignore = [](const base::Result<std::string>&) {};
  client->Call("/test/Unary", "", {}, ignore);
  caller->Call({.socket_path = socket_, .method = "/test/Unary", .request = ""}, ignore);
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 2; }));
  EXPECT_EQ(base::testing::Threads(), before);
}

}  // namespace
}  // namespace tranche::rpc
