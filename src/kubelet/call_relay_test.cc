#include "kubelet/call_relay.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "base/testing/real_loop.h"
#include "kubelet/testing/raw_client.h"

namespace tranche::kubelet {
namespace {

using testing::kClientPreface;
using testing::Request;
using testing::Reset;

// Two sockets of which one is the relay's.
struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()), 0);
    near = base::UniqueFd(fds[0]);
    far = base::UniqueFd(fds[1]);
  }
  base::UniqueFd near;
  base::UniqueFd far;
};

// What is there to be read now.
std::string Read(const base::UniqueFd& fd) {
  std::string all;
  std::array<char, 4096> bytes{};
  for (;;) {
    const ssize_t got = recv(fd.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) return all;
    all.append(bytes.data(), static_cast<std::size_t>(got));
  }
}
bool HungUp(const base::UniqueFd& fd, short events) {
  pollfd one{.fd = fd.get(), .events = events, .revents = 0};
  return poll(&one, 1, 0) == 1 && (one.revents & (POLLHUP | POLLRDHUP)) != 0;
}

class CallRelayTest : public ::testing::Test {
 protected:
  CallRelayTest() {
    relay_ = std::make_unique<CallRelay>(*loop_, std::move(client_.near), std::move(server_.near),
                                         2, [this] { relay_.reset(); });
  }
  void Say(const base::UniqueFd& fd, const std::string& bytes) {
    ASSERT_EQ(send(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  // Until so many bytes more have come out of it.
  std::string Hear(const base::UniqueFd& fd, std::size_t bytes) {
    std::string all;
    EXPECT_TRUE(loop_.RunUntil([&] {
      all += Read(fd);
      return all.size() >= bytes;
    })) << all.size();
    return all;
  }

  base::testing::RealLoop loop_;
  Pair client_;
  Pair server_;
  std::unique_ptr<CallRelay> relay_;
};

TEST_F(CallRelayTest, BytesArePassedOnBothWays) {
  Say(client_.far, kClientPreface);
  EXPECT_EQ(Hear(server_.far, kClientPreface.size()), kClientPreface);
  Say(server_.far, "whatever");
  EXPECT_EQ(Hear(client_.far, 8), "whatever");
}

TEST_F(CallRelayTest, WhatIsNotTakenIsWaitedForAndComesWhole) {
  std::string sent;
  // Until it takes no more, since nobody reads behind it.
  for (std::size_t before = 1; before != sent.size();) {
    before = sent.size();
    loop_.RunFor(std::chrono::milliseconds(20));
    for (;;) {
      const std::string piece(1000, static_cast<char>('a' + sent.size() / 1000 % 26));
      const ssize_t took = send(server_.far.get(), piece.data(), piece.size(), 0);
      if (took <= 0) break;
      sent += piece.substr(0, static_cast<std::size_t>(took));
    }
  }
  EXPECT_GT(sent.size(), 100'000U);
  EXPECT_EQ(Hear(client_.far, sent.size()), sent);
  // The other way is open again.
  Say(client_.far, kClientPreface);
  EXPECT_EQ(Hear(server_.far, kClientPreface.size()), kClientPreface);
}

TEST_F(CallRelayTest, AClientThatHasSaidAllMayStillRead) {
  ASSERT_EQ(shutdown(client_.far.get(), SHUT_WR), 0);
  ASSERT_TRUE(loop_.RunUntil([&] { return HungUp(server_.far, POLLRDHUP); }));
  Say(server_.far, "answer");
  EXPECT_EQ(Hear(client_.far, 6), "answer");
}

TEST_F(CallRelayTest, ItIsOverOnceTheServerHasClosedItsEnd) {
  client_.far = base::UniqueFd();
  ASSERT_TRUE(loop_.RunUntil([&] { return HungUp(server_.far, POLLRDHUP); }));
  EXPECT_NE(relay_, nullptr);
  server_.far = base::UniqueFd();
  EXPECT_TRUE(loop_.RunUntil([&] { return relay_ == nullptr; }));
}

TEST_F(CallRelayTest, AServerThatClosesItsEndClosesTheClients) {
  Say(server_.far, "the last word");
  server_.far = base::UniqueFd();
  EXPECT_TRUE(loop_.RunUntil([&] { return HungUp(client_.far, 0); }));
  EXPECT_EQ(Read(client_.far), "the last word");
  EXPECT_EQ(relay_, nullptr);
}

TEST_F(CallRelayTest, ThreeCallsWithoutAnEndAreTooManyForTwoAndNoneOfThemIsPassedOn) {
  const std::string two = kClientPreface + Request(1) + Reset(1) + Request(3);
  Say(client_.far, two);
  EXPECT_EQ(Hear(server_.far, two.size()), two);
  EXPECT_FALSE(HungUp(client_.far, 0));
  Say(client_.far, Request(5));
  EXPECT_TRUE(loop_.RunUntil([&] { return HungUp(client_.far, 0); }));
  EXPECT_TRUE(HungUp(server_.far, POLLRDHUP));
  EXPECT_EQ(Read(server_.far), "");
}

TEST_F(CallRelayTest, CallsThatTheServerHasEndedMakeRoom) {
  Say(client_.far, kClientPreface + Request(1) + Request(3));
  Say(server_.far, testing::Frame(1, 1, 1, "end"));
  Hear(client_.far, 12);
  Say(client_.far, Request(5));
  Hear(server_.far, kClientPreface.size() + 3 * Request(1).size());
  EXPECT_FALSE(HungUp(client_.far, 0));
}

TEST_F(CallRelayTest, WhatTheServerHasSaidAtItsEndIsNotLost) {
  Say(server_.far, "the last word");
  relay_->LeaveLoop();
  EXPECT_TRUE(relay_->Drain());
  EXPECT_EQ(Read(client_.far), "the last word");
  server_.far = base::UniqueFd();
  EXPECT_FALSE(relay_->Drain());
}

}  // namespace
}  // namespace tranche::kubelet
