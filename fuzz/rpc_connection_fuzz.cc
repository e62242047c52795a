// What comes on a connection of gRPC, from a client or from a server: any bytes, the first of which
// says from which.
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/status.h"
#include "rpc/connection.h"

namespace {

namespace rpc = tranche::rpc;
using tranche::base::EventLoop;

constexpr std::size_t kMaxMessage = 1000;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Answers each message with itself, and knows what may come after what.
class Peer final : public rpc::ConnectionHandler {
 public:
  Peer(EventLoop& loop, rpc::Side side) : loop_(loop), side_(side) {}
  void Watch(rpc::Connection& connection) { connection_ = &connection; }

  void MessageCame(rpc::StreamId stream, const std::string& method, std::string message) override {
    TRANCHE_CHECK(!closed_[stream] && !ended_[stream] && message.size() <= kMaxMessage);
    TRANCHE_CHECK(method.size() <= rpc::StreamHead::kMaxValueBytes);
    if (side_ == rpc::Side::kClient) return;
    connection_->Send(stream, std::make_shared<const std::string>(std::move(message)));
    connection_->Finish(stream, {tranche::base::Code::kAborted, method});
  }
  void MessageRefused(rpc::StreamId stream, const tranche::base::Status& why) override {
    TRANCHE_CHECK(!closed_[stream] && !ended_[stream] && !why.ok());
    if (side_ == rpc::Side::kClient) return connection_->Reset(stream);
    connection_->Finish(stream, why);
  }
  void StreamEnded(rpc::StreamId stream, const rpc::StreamHead& head) override {
    TRANCHE_CHECK(!closed_[stream] && !ended_[stream]);
    ended_[stream] = true;
    const tranche::base::Status status = rpc::StatusOf(head);
    for (const char byte : status.message()) TRANCHE_CHECK(byte != '\n');
  }
  void StreamClosed(rpc::StreamId stream, std::uint32_t /*http2_error*/) override {
    TRANCHE_CHECK(!closed_[stream]);
    closed_[stream] = true;
  }
  void ConnectionOver(const tranche::base::Status& why) override {
    TRANCHE_CHECK(!why.ok());
    loop_.Stop();
  }

 private:
  EventLoop& loop_;
  const rpc::Side side_;
  rpc::Connection* connection_ = nullptr;
  std::map<rpc::StreamId, bool> ended_;
  std::map<rpc::StreamId, bool> closed_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto loop = tranche::base::NewEpollLoop().value();
  if (size == 0 || size > 16384) return 0;  // what a socket takes at once
  const rpc::Side side = (data[0] & 1U) == 0 ? rpc::Side::kServer : rpc::Side::kClient;
  std::array<int, 2> pair{};
  TRANCHE_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) ==
                0);
  const tranche::base::UniqueFd other(pair[1]);
  Peer peer(*loop, side);
  rpc::Connection connection(*loop, side, tranche::base::UniqueFd(pair[0]),
                             {kMaxMessage, std::make_shared<rpc::UnfinishedBytes>(kMaxMessage)},
                             peer);
  peer.Watch(connection);
  if (side == rpc::Side::kServer) {
    send(other.get(), kPreface.data(), kPreface.size(), MSG_NOSIGNAL);
  } else {
    for (int i = 0; i < 2; ++i) TRANCHE_CHECK(connection.Call("/fuzz/Call", "message", {}).ok());
  }
  send(other.get(), data + 1, size - 1, MSG_NOSIGNAL);
  shutdown(other.get(), SHUT_WR);
  loop->Run();
  return 0;
}
