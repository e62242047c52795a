// What the HTTP server does for those who want to occupy it. Time is virtual.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/testing/fake_loop.h"
#include "http/server.h"
#include "http/testing/client.h"

namespace tranche::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Client;
using testing::Request;
using ::testing::StartsWith;

class ServerLimitsTest : public ::testing::Test {
 protected:
  ServerLimitsTest() : server_(std::move(*NewServer(loop_, "127.0.0.1:0"))) {
    server_->Handle("/livez", [] { return Answer{.body = "alive\n"}; });
    server_->Handle("/big", [] { return Answer{.body = std::string(8U << 20U, 'x')}; });
  }

  // A connection that the server has taken.
  Client& Connect(const std::string& from = "127.0.0.1") {
    clients_.emplace_back(server_->port(), from);
    loop_.RunPosted();
    return clients_.back();
  }
  // What a probe from `from` is told.
  std::string Probe(const std::string& from = "127.0.0.9") {
    Client client(server_->port(), from);
    client.Send(Request("GET", "/livez"));
    loop_.RunPosted();
    return client.Received();
  }
  static std::string Peer(std::size_t number) { return "127.0.1." + std::to_string(number + 1); }

  base::testing::FakeLoop loop_;
  std::unique_ptr<Server> server_;
  std::deque<Client> clients_;
};

constexpr char kAlive[] = "HTTP/1.1 200 OK\r\n";

TEST(LimitsTest, TheFigures) {
  EXPECT_EQ(Limits::kConnections, 32U);
  EXPECT_EQ(Limits::kConnectionsPerAddress, 8U);
  EXPECT_EQ(Limits::kRequest, seconds(10));
  EXPECT_EQ(Limits::kHeadBytes, 8192U);
}

// ---- the deadline of a request ----

TEST_F(ServerLimitsTest, AConnectionHasTenSecondsInAllHoweverBusyItIs) {
  Client& first = Connect();
  first.Send("POST /livez HTTP/1.1\r\nHost: x\r\n");
  for (int i = 0; i < 9; ++i) {
    loop_.AdvanceBy(seconds(1));
    first.Send("x");
  }
  Client& later = Connect();
  loop_.AdvanceBy(milliseconds(999));
  EXPECT_FALSE(first.Closed());
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_TRUE(first.Closed());
  EXPECT_EQ(first.Received(), "");
  // The other one has its own ten seconds.
  EXPECT_FALSE(later.Closed());
  EXPECT_EQ(server_->connections(), 1U);
  later.Send(Request("GET", "/livez"));
  loop_.RunPosted();
  EXPECT_THAT(later.Received(), StartsWith(kAlive));
  EXPECT_EQ(server_->connections(), 0U);
  EXPECT_EQ(loop_.timer_count(), 0U);
}

TEST_F(ServerLimitsTest, AnAnswerThatNobodyReadsEndsWithTheDeadline) {
  Client& deaf = Connect();
  deaf.Send(Request("GET", "/big"));
  loop_.RunPosted();
  loop_.AdvanceBy(milliseconds(9999));
  EXPECT_FALSE(deaf.Gone());
  EXPECT_EQ(server_->connections(), 1U);
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_TRUE(deaf.Gone());
  EXPECT_EQ(server_->connections(), 0U);
}

// The attack that made /livez fail 32 of 32 times where two threads served it.
TEST_F(ServerLimitsTest, SlowBodiesAreRefusedAndProbesAreAnsweredMeanwhile) {
  for (int second = 0; second < 70; ++second) {
    if (second % 4 == 0) {
      for (Client& client : clients_) client.Send("x");
    }
    if (second % 10 == 0) {
      for (int i = 0; i < 2; ++i) {
        Client& client = Connect("127.0.0.2");
        client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        loop_.RunPosted();
        EXPECT_THAT(client.Received(), StartsWith("HTTP/1.1 405 "));
      }
    }
    loop_.AdvanceBy(seconds(1));
    ASSERT_THAT(Probe(), StartsWith(kAlive)) << second;
  }
  for (Client& client : clients_) EXPECT_TRUE(client.Closed());
}

// ---- how many connections there are ----

TEST_F(ServerLimitsTest, TheNinthOfAnAddressPushesOutItsFirst) {
  Client& other = Connect("127.0.0.3");
  for (int i = 0; i < 8; ++i) Connect("127.0.0.2");
  EXPECT_EQ(server_->connections(), 9U);
  for (Client& client : clients_) EXPECT_FALSE(client.Closed());

  Connect("127.0.0.2");
  EXPECT_EQ(server_->connections(), 9U);
  EXPECT_FALSE(other.Closed());
  EXPECT_TRUE(clients_[1].Closed());
  for (std::size_t i = 2; i < clients_.size(); ++i) EXPECT_FALSE(clients_[i].Closed()) << i;
}

TEST_F(ServerLimitsTest, TheThirtyThirdPushesOutTheOldestOfWhoeverHoldsMost) {
  Client& oldest = Connect("127.0.0.3");
  for (std::size_t peer = 0; peer < 3; ++peer) {
    for (int i = 0; i < 8; ++i) Connect(Peer(peer));
  }
  for (std::size_t peer = 3; peer < 10; ++peer) Connect(Peer(peer));
  EXPECT_EQ(server_->connections(), 32U);
  for (Client& client : clients_) EXPECT_FALSE(client.Closed());

  Connect("127.0.0.4");
  EXPECT_EQ(server_->connections(), 32U);
  EXPECT_FALSE(oldest.Closed());
  EXPECT_TRUE(clients_[1].Closed());
  for (std::size_t i = 2; i < clients_.size(); ++i) EXPECT_FALSE(clients_[i].Closed()) << i;
}

TEST_F(ServerLimitsTest, AFloodFromOneAddressCutsOffOnlyItself) {
  Client& slow = Connect("127.0.0.9");
  slow.Send("GET /livez HTTP/1.1\r\n");
  for (int i = 0; i < 200; ++i) {
    Connect("127.0.0.2");
    clients_.back().Send("GET /livez HTTP/1.1\r\n");
    ASSERT_LE(server_->connections(), 9U);
  }
  slow.Send("Host: x\r\n\r\n");
  loop_.RunPosted();
  EXPECT_THAT(slow.Received(), StartsWith(kAlive));
}

TEST_F(ServerLimitsTest, ProbesAreAnsweredAmongManyAddressesThatHoldConnections) {
  for (std::size_t i = 0; i < 200; ++i) {
    Connect(Peer(i % 100));
    ASSERT_LE(server_->connections(), 32U);
    ASSERT_THAT(Probe(), StartsWith(kAlive)) << i;
    // Also from an address that is itself among those that flood.
    ASSERT_THAT(Probe(Peer(i % 100)), StartsWith(kAlive)) << i;
  }
}

TEST_F(ServerLimitsTest, ABurstThatWaitsWhileTheLoopIsBusyIsServedWhole) {
  std::deque<Client> probes;
  for (std::size_t i = 0; i < 100; ++i) {
    probes.emplace_back(server_->port(), Peer(i % 50));
    probes.back().Send(Request("GET", "/livez"));
  }
  loop_.RunPosted();
  for (Client& probe : probes) EXPECT_THAT(probe.Received(), StartsWith(kAlive));
}

// ---- what a request may be ----

TEST_F(ServerLimitsTest, AHeadHasToFitIntoEightKibibytes) {
  const auto with_header = [](std::size_t bytes) {
    return "GET /livez HTTP/1.1\r\nHost: x\r\nX: " + std::string(bytes, 'x') + "\r\n\r\n";
  };
  Client& fits = Connect();
  fits.Send(with_header(6000));
  Client& large = Connect();
  large.Send(with_header(8192));
  Client& endless = Connect();
  for (int i = 0; i < 100; ++i) {
    endless.Send(std::string(1000, 'x'));
    loop_.RunPosted();
  }
  EXPECT_THAT(fits.Received(), StartsWith(kAlive));
  EXPECT_EQ(large.Received().find("200 OK"), std::string::npos);
  EXPECT_TRUE(large.Closed());
  EXPECT_TRUE(endless.Closed());
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerLimitsTest, NoBodyIsWaitedFor) {
  for (const char* framing :
       {"Content-Length: 1000000000", "Transfer-Encoding: chunked", "Expect: 100-continue"}) {
    Client& client = Connect();
    client.Send(std::string("GET /livez HTTP/1.1\r\nHost: x\r\n") + framing + "\r\n\r\n");
    loop_.RunPosted();
    EXPECT_THAT(client.Received(), StartsWith(kAlive)) << framing;
    EXPECT_TRUE(client.Closed()) << framing;
  }
}

TEST_F(ServerLimitsTest, AConnectionIsForOneRequest) {
  Client& client = Connect();
  client.Send(Request("GET", "/livez") + Request("GET", "/livez"));
  loop_.RunPosted();
  EXPECT_TRUE(client.Closed());
  const std::string& answer = client.Received();
  EXPECT_EQ(answer.find(kAlive), answer.rfind(kAlive)) << answer;
}

// ---- what the machine may lack ----

TEST_F(ServerLimitsTest, WithoutADescriptorToSpareItTriesAgainAndDoesNotSpin) {
  Client waiting(server_->port());
  waiting.Send(Request("GET", "/livez"));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  loop_.RunPosted();  // would never come back if the listener were still watched
  EXPECT_EQ(server_->connections(), 0U);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  loop_.AdvanceBy(milliseconds(99));
  EXPECT_EQ(waiting.Received(), "");
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_THAT(waiting.Received(), StartsWith(kAlive));
}

}  // namespace
}  // namespace tranche::http
