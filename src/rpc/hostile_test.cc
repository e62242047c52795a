// What a client or a server may do that no kubelet does, and what it must not cost.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/real_loop.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/testing/raw_client.h"
#include "rpc/unix_socket.h"

namespace tranche::rpc {
namespace {

using std::string_literals::operator""s;
using testing::BigEndian;
using testing::Frame;
using testing::Literal;
using testing::RawClient;

// A sanitizer keeps for itself, for a while, what the program has given back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHeapTells = false;
#else
constexpr bool kHeapTells = true;
#endif

std::size_t HeapBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

class HostileTest : public ::testing::Test {
 protected:
  // "Refuse" ends with refusal_; any other call is kept.
  std::unique_ptr<Server> Serve(std::size_t max_request_bytes) {
    return Server::Start(
               *loop_, {.socket_path = socket_, .max_request_bytes = max_request_bytes},
               [this](std::shared_ptr<ServerCall> call) {
                 if (call->method() == "/test/Refuse") return call->Finish(refusal_, "");
                 calls_.push_back(std::move(call));
               },
               nullptr)
        .value();
  }
  base::Status Refused(const std::string& text) {
    refusal_ = {base::Code::kNotFound, text};
    const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
    std::optional<base::Status> status;
    client->Call("/test/Refuse", "", {},
                 [&](const base::Result<std::string>& answer) { status = answer.status(); });
    EXPECT_TRUE(loop_.RunUntil([&] { return status.has_value(); }));
    return status.value_or(base::Status());
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "server.sock";
  base::testing::RealLoop loop_;
  base::Status refusal_;
  std::vector<std::shared_ptr<ServerCall>> calls_;
  std::unique_ptr<Server> server_ = Serve(4 << 20);
};

TEST_F(HostileTest, WordsOfAnyLengthAndShapeComeThrough) {
  for (const std::string& text : {"plain"s, " leads"s, "trails: "s, " "s}) {
    EXPECT_EQ(Refused(text), base::Status(base::Code::kNotFound, text));
  }
  for (const std::size_t size : {10'000U, 70'000U, 1'000'000U}) {
    EXPECT_EQ(Refused(std::string(size, '%')).code(), base::Code::kNotFound) << size;
  }
}

// As Go's servers have it, which leave blanks as they are.
class RawServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    client_ = Channel::Connect(*loop_, socket_, 4 << 20).value();
    peer_ =
        base::UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  void Say(const std::string& bytes) const {
    ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
  }
  static std::string Refusal(const std::string& text) {
    return Frame(1, 5, 1,
                 "\x88"s + Literal("\x0f\x10", "application/grpc") +
                     Literal("\x00\x0bgrpc-status"s, "7") + Literal("\x00\x0cgrpc-message"s, text));
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "raw.sock";
  base::testing::RealLoop loop_;
  base::UniqueFd listener_ = ListenOnUnixSocket(socket_, 0600, 4).value();
  std::unique_ptr<Channel> client_;
  base::UniqueFd peer_;
};

TEST_F(RawServerTest, BlanksAtTheEndsOfItsWordsAreTaken) {
  std::optional<base::Status> status;
  client_->Call("/a/b", "", {},
                [&](const base::Result<std::string>& answer) { status = answer.status(); });
  Say(Frame(4, 0, 0, "") + Refusal(" no: "));
  ASSERT_TRUE(loop_.RunUntil([&] { return status.has_value(); }));
  EXPECT_EQ(*status, base::Status(base::Code::kPermissionDenied, " no: "));
}

// It answers before it has read what it was asked, and then goes.
TEST_F(RawServerTest, AnEarlyAnswerIsHeardAlthoughTheRequestIsNotRead) {
  Say(Frame(4, 0, 0, "\0\x04"s + BigEndian(1U << 30U, 4)) + testing::WindowUpdate(0, 1U << 30U));
  std::optional<base::Status> status;
  client_->Call("/a/b", std::string(4U << 20U, 'x'), {},
                [&](const base::Result<std::string>& answer) { status = answer.status(); });
  Say(Refusal("no"));
  ASSERT_TRUE(loop_.RunUntil([&] { return status.has_value(); }));
  EXPECT_EQ(*status, base::Status(base::Code::kPermissionDenied, "no"));
}

TEST_F(RawServerTest, CallsThatItNeverLetsBeginAreNotKeptOnceTheyHaveEnded) {
  Say(Frame(4, 0, 0, "\0\x03"s + BigEndian(0, 4)));  // no call at a time
  loop_.RunFor(std::chrono::milliseconds(20));
  const std::size_t before = HeapBytes();
  int ended = 0;
  for (int i = 0; i < 100; ++i) {
    client_->Call("/a/b", std::string(100'000, 'x'), std::chrono::milliseconds(1),
                  [&](const base::Result<std::string>&) { ++ended; });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return ended == 100; }));
  EXPECT_TRUE(!kHeapTells || HeapBytes() < before + (1U << 20U));
}

// What one request may have is what all that are kept may have together.
TEST_F(HostileTest, RequestsOfCallsThatAreKeptAreBoundedTogether) {
  const auto client = Channel::Connect(*loop_, socket_, 4 << 20).value();
  std::vector<base::Status> ends;
  const auto call = [&] {
    client->Call("/test/Keep", std::string(1'000'000, 'x'), {},
                 [&](const base::Result<std::string>& answer) { ends.push_back(answer.status()); });
  };
  for (std::size_t i = 1; i <= 8; ++i) {
    call();
    ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() + ends.size() == i; }));
  }
  EXPECT_EQ(calls_.size(), 4U);
  for (const base::Status& end : ends) EXPECT_EQ(end.code(), base::Code::kResourceExhausted);

  for (const auto& kept : std::exchange(calls_, {})) kept->Finish(base::Status::Ok(), "");
  ASSERT_TRUE(loop_.RunUntil([&] { return ends.size() == 8; }));
  call();
  EXPECT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
}

// A call has one request: what follows it is not even looked at.
TEST_F(HostileTest, MessagesAfterTheFirstCostNothing) {
  RawClient client(socket_);
  client.Send(testing::RequestHead(1) + Frame(0, 0, 1, std::string(5, '\0')));
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  const std::size_t before = HeapBytes();
  for (int i = 0; i < 60; ++i) {
    client.Send(Frame(0, 0, 1, std::string(16'000, '\0')));
    ASSERT_TRUE(loop_.RunUntil([&] { return client.AllRead(); }));
  }
  EXPECT_EQ(calls_.size(), 1U);
  EXPECT_TRUE(!kHeapTells || HeapBytes() < before + (64U << 10U));
}

// Another stream of the connection has used up all that the client will take.
TEST_F(HostileTest, ARefusalNeedsNoRoomForData) {
  RawClient client(socket_);
  client.Send(testing::Request(1, "/test/Keep"));
  ASSERT_TRUE(loop_.RunUntil([&] { return calls_.size() == 1; }));
  calls_[0]->Send(std::make_shared<const std::string>(1U << 20U, 'x'));
  loop_.RunFor(std::chrono::milliseconds(20));
  refusal_ = {base::Code::kUnknown, "no"};
  client.Send(testing::Request(3, "/test/Refuse"));
  EXPECT_TRUE(loop_.RunUntil([&] { return client.Ended() == 1; }));
}

}  // namespace
}  // namespace tranche::rpc
