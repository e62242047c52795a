// A client that makes calls and resets them at once (HTTP/2 rapid reset). Such a client has to be
// root, since the socket is; it may still be a broken one.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/testing/real_loop.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/testing/raw_client.h"

namespace tranche::rpc {
namespace {

using testing::RawClient;
using testing::Request;
using testing::Reset;
using testing::ResetFlood;

// What a flood may cost at its peak, of resident memory; docs/security.md has the figure.
constexpr long kMostGrowthKib = 64 * 1024;
// A sanitizer keeps for itself, for a while, what the program has given back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryTells = false;
#else
constexpr bool kMemoryTells = true;
#endif

// How much the resident memory of this process has grown at its peak.
class PeakMemory {
 public:
  PeakMemory() {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak is that of now
    start_ = PeakKib();
  }
  // Whether it has grown by more than a flood may cost.
  [[nodiscard]] bool HasGrownMuch() const { return PeakKib() - start_ >= kMostGrowthKib; }

 private:
  static long PeakKib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::atol(line.c_str() + 6);
    }
    return 0;
  }
  long start_ = 0;
};

class FloodTest : public ::testing::Test {
 protected:
  // A call of somebody else's, who tries again where too many others wait to be let in.
  void ExpectServed() {
    const int before = served_;
    std::optional<base::Result<std::string>> result;
    const auto call = [&] {
      result.reset();
      caller_->Call({.socket_path = socket_, .method = "/test/Pod", .request = "x", .timeout = {}},
                    [&](base::Result<std::string> answer) { result = std::move(answer); });
    };
    call();
    ASSERT_TRUE(loop_.RunUntil([&] {
      if (result.has_value() && !result->ok()) call();
      return result.has_value() && result->ok();
    }));
    EXPECT_EQ(served_, before + 1);
  }

  // From a client that never waits.
  ResetFlood Flood(int calls, ResetFlood::Connections connections) {
    ResetFlood flood(socket_, "/test/Flood", connections);
    while (flood.calls() < calls) {
      if (!flood.Go()) loop_.RunFor(std::chrono::milliseconds(1));
    }
    return flood;
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "server.sock";
  base::testing::RealLoop loop_;
  int flooded_ = 0;
  int served_ = 0;
  std::unique_ptr<Server> server_ = Server::Start(
                                        *loop_, {.socket_path = socket_},
                                        [this](const std::shared_ptr<ServerCall>& call) {
                                          ++(call->method() == "/test/Flood" ? flooded_ : served_);
                                          call->Finish(base::Status::Ok(), call->request());
                                        },
                                        nullptr)
                                        .value();
  std::unique_ptr<Caller> caller_ = Caller::New(*loop_);
};

// So many, and 33 more a second, may be reset on a connection
// (nghttp2_option_set_stream_reset_rate_limit).
constexpr std::uint32_t kMaxResets = 1000;

TEST_F(FloodTest, AConnectionThatResetsItsCallsAtOnceIsClosed) {
  RawClient client(socket_);
  for (std::uint32_t call = 0; call < 10 * kMaxResets && !client.Closed(); ++call) {
    client.Send(Request(2 * call + 1) + Reset(2 * call + 1));
    if (call % 100 == 0) loop_.RunFor(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return client.Closed(); }));
  ExpectServed();
}

TEST_F(FloodTest, AConnectionThatResetsFewIsNot) {
  RawClient client(socket_);
  std::uint32_t stream = 1;
  for (; stream < 2 * kMaxResets - 1; stream += 2) {
    client.Send(Request(stream) + Reset(stream));
    if (stream % 100 == 1) {
      ASSERT_TRUE(loop_.RunUntil([&] { return client.AllRead(); }));
    }
  }
  ExpectServed();
  flooded_ = 0;
  client.Send(Request(stream));
  ASSERT_TRUE(loop_.RunUntil([&] { return flooded_ > 0; }));
  EXPECT_FALSE(client.Closed());
}

TEST_F(FloodTest, AConnectionThatWaitsForItsAnswersIsNot) {
  RawClient client(socket_);
  for (int call = 0; call < 3 * static_cast<int>(kMaxResets); ++call) {
    client.Send(Request(static_cast<std::uint32_t>(2 * call + 1)));
    ASSERT_TRUE(loop_.RunUntil([&] { return flooded_ == call + 1; }));
    ASSERT_TRUE(loop_.RunUntil([&] { return client.Ended() == call + 1; }));
  }
  EXPECT_FALSE(client.Closed());
}

TEST_F(FloodTest, AFloodIsCutOffAndCostsABoundedAmountOfMemory) {
  ExpectServed();
  const PeakMemory memory;
  for (int burst = 0; burst < 10; ++burst) {
    EXPECT_GT(Flood(10'000, ResetFlood::Connections::kAsFewAsItTakes).connections(), 1);
    ExpectServed();
  }
  EXPECT_FALSE(kMemoryTells && memory.HasGrownMuch());
}

// From a client that knows the bound, and keeps to it on each of its connections.
TEST_F(FloodTest, SoDoesAFloodOfShortConnections) {
  ExpectServed();
  const PeakMemory memory;
  for (int burst = 0; burst < 10; ++burst) {
    EXPECT_EQ(Flood(10'000, ResetFlood::Connections::kManyShortOnes).connections(), 100);
    ExpectServed();
  }
  EXPECT_FALSE(kMemoryTells && memory.HasGrownMuch());
}

// Nor is it that bound by which it costs little: a call that was reset is nothing any more.
TEST_F(FloodTest, CallsThatAreResetOverALongTimeCostNothing) {
  RawClient client(socket_);
  std::uint32_t stream = 1;
  const auto reset = [&](std::uint32_t calls) {
    for (const std::uint32_t end = stream + 2 * calls; stream < end; stream += 2) {
      client.Send(Request(stream, "/test/Held") + Reset(stream));
    }
    return loop_.RunUntil([&] { return client.AllRead(); });
  };
  ASSERT_TRUE(reset(kMaxResets / 2));
  const std::size_t before = mallinfo2().uordblks;
  ASSERT_TRUE(reset(kMaxResets / 2 - 1));
  EXPECT_TRUE(!kMemoryTells || mallinfo2().uordblks <= before + 4096);
}

// Connections that nobody closes, one more than may be open.
TEST_F(FloodTest, ConnectionsAreBoundedAndTheNextWaits) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i <= Server::kMaxConnections; ++i) {
    clients.push_back(std::make_unique<RawClient>(socket_));
    clients.back()->Send(Request(1));
    const int wanted = static_cast<int>(std::min(clients.size(), Server::kMaxConnections));
    ASSERT_TRUE(loop_.RunUntil([&] { return flooded_ == wanted; })) << i;
  }
  loop_.RunFor(std::chrono::milliseconds(50));
  EXPECT_EQ(flooded_, static_cast<int>(Server::kMaxConnections));
  clients.front().reset();
  EXPECT_TRUE(
      loop_.RunUntil([&] { return flooded_ == static_cast<int>(Server::kMaxConnections) + 1; }));
}

}  // namespace
}  // namespace tranche::rpc
