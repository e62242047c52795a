// A client that makes calls and resets them at once (HTTP/2 rapid reset), frame by frame: gRPC's
// own client would not. Such a client has to be root, since the socket is; it may still be a broken
// one.
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/testing/real_loop.h"
#include "kubelet/rpc_client.h"
#include "kubelet/rpc_server.h"
#include "kubelet/rpc_server_core.h"
#include "kubelet/unix_socket.h"

namespace tranche::kubelet {
namespace {

std::string Frame(char type, char flags, std::uint32_t stream, const std::string& payload) {
  std::string frame;
  const auto big_endian = [&frame](std::size_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
      frame += static_cast<char>((value >> static_cast<unsigned>(shift)) & 0xffU);
    }
  };
  big_endian(payload.size(), 3);
  frame += type;
  frame += flags;
  big_endian(stream, 4);
  return frame + payload;
}

// HPACK without its table: fields of the static table by number, other values as they are.
std::string Literal(const std::string& name_index, const std::string& value) {
  return name_index + static_cast<char>(value.size()) + value;
}

// One whole call with an empty message.
std::string Request(std::uint32_t stream) {
  using namespace std::string_literals;
  const std::string head = "\x83\x86"s + Literal("\x04", "/test/Flood") +
                           Literal("\x01", "localhost") + Literal("\x0f\x10", "application/grpc") +
                           Literal("\x00\x02te"s, "trailers");
  return Frame(1, 4, stream, head) + Frame(0, 1, stream, "\0\0\0\0\0"s);
}

std::string Reset(std::uint32_t stream) {
  using namespace std::string_literals;
  return Frame(3, 0, stream, "\0\0\0\x08"s);
}

class RawClient {
 public:
  explicit RawClient(const std::string& socket) : fd_(ConnectToUnixSocket(socket).value()) {
    Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, ""));
  }

  // As much as the socket takes; true when all of it has gone.
  bool Send(const std::string& bytes) {
    waiting_ += bytes;
    DropAnswers();
    while (!waiting_.empty()) {
      const ssize_t sent = send(fd_.get(), waiting_.data(), waiting_.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      waiting_.erase(0, static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool Closed() {
    pollfd one{.fd = fd_.get(), .events = 0, .revents = 0};
    return poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
  }
  // Whether the server has read all that was sent.
  bool AllRead() {
    int unread = 0;
    return Send("") && ioctl(fd_.get(), SIOCOUTQ, &unread) == 0 && unread == 0;
  }

 private:
  void DropAnswers() {
    std::array<char, 65536> bytes{};
    while (recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }

  base::UniqueFd fd_;
  std::string waiting_;
};

class RpcFloodTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = RpcServer::Start(
                  *loop_, {.socket_path = socket_},
                  [this](const std::shared_ptr<ServerCall>& call) {
                    ++(call->method() == "/test/Flood" ? flooded_ : served_);
                    call->Finish(base::Status::Ok(), call->request());
                  },
                  nullptr)
                  .value();
  }

  // A call of somebody else's.
  void ExpectServed() {
    std::optional<base::Result<std::string>> result;
    caller_->Call({.socket_path = socket_, .method = "/test/Pod", .request = "x", .timeout = {}},
                  [&](base::Result<std::string> answer) { result = std::move(answer); });
    ASSERT_TRUE(loop_.RunUntil([&] { return result.has_value(); }));
    EXPECT_TRUE(result->ok()) << result->status().message();
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "server.sock";
  base::testing::RealLoop loop_;
  int flooded_ = 0;
  int served_ = 0;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<RpcCaller> caller_ = RpcCaller::New(*loop_);
};

// The loop stands still, and the client makes 32 calls and resets them, and so on.
TEST_F(RpcFloodTest, AConnectionThatResetsItsCallsAtOnceIsClosed) {
  ExpectServed();
  RawClient client(socket_);
  ASSERT_TRUE(loop_.RunUntil([&] { return client.AllRead(); }));
  std::uint32_t stream = 1;
  int rounds = 0;
  while (rounds < 1000 && !client.Closed()) {
    std::string frames;
    for (int i = 0; i < 32; ++i, stream += 2) frames += Request(stream) + Reset(stream);
    client.Send(frames);
    for (int i = 0; i < 20'000 && !client.AllRead() && !client.Closed(); ++i) poll(nullptr, 0, 1);
    ++rounds;
  }
  EXPECT_LT(rounds, 1000);
  ExpectServed();
}

TEST_F(RpcFloodTest, AConnectionThatResetsFewIsNot) {
  RawClient client(socket_);
  for (std::uint32_t stream = 1; stream < 2 * kMaxResets - 2; stream += 2) {
    client.Send(Request(stream) + Reset(stream));
    ASSERT_TRUE(loop_.RunUntil([&] { return client.AllRead(); }));
  }
  ExpectServed();
  client.Send(Request(2 * kMaxResets + 1));
  ASSERT_TRUE(loop_.RunUntil([&] { return flooded_ > 0; }));
  EXPECT_FALSE(client.Closed());
}

// 30,000 calls, by however many connections that takes.
TEST_F(RpcFloodTest, AFloodIsCutIntoManyConnectionsAndOthersAreServedMeanwhile) {
  ExpectServed();
  int connections = 0;
  for (int burst = 0; burst < 3; ++burst) {
    std::optional<RawClient> client;
    std::uint32_t stream = 1;
    for (int sent = 0; sent < 10'000; sent += 100) {
      if (!client.has_value() || client->Closed()) {
        client.emplace(socket_);
        ++connections;
        stream = 1;
      }
      std::string frames;
      for (int i = 0; i < 100; ++i, stream += 2) frames += Request(stream) + Reset(stream);
      client->Send(frames);
      while (!client->Send("") && !client->Closed()) loop_.RunFor(std::chrono::milliseconds(1));
    }
    ExpectServed();
  }
  EXPECT_GE(connections, 3);
  EXPECT_EQ(served_, 4);
}

}  // namespace
}  // namespace tranche::kubelet
