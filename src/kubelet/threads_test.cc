// What the kubelet's sockets need of threads, and what becomes of them where there is none to be
// had.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/testing/real_loop.h"
#include "base/testing/thread_limit.h"
#include "kubelet/rpc_client.h"
#include "kubelet/rpc_server.h"

namespace tranche::kubelet {
namespace {

using base::testing::AllowMoreThreads;

// A server that answers each call with its own request, and calls to it.
class Echo {
 public:
  base::Status Start() {
    auto server = RpcServer::Start(
        *loop_, {.socket_path = folder_ / "echo.sock"},
        [this](const std::shared_ptr<ServerCall>& call) {
          ++served_;
          if (!hold_) return call->Finish(base::Status::Ok(), call->request());
          held_.push_back(call);
        },
        nullptr);
    if (server.ok()) server_ = std::move(*server);
    return server.status();
  }

  void Call() {
    ++called_;
    caller_->Call(
        {.socket_path = folder_ / "echo.sock", .method = "/test/Echo", .request = "hello"},
        [this](base::Result<std::string> result) { results_.push_back(std::move(result)); });
  }
  std::string Results() {
    loop_.RunUntil([this] { return results_.size() == called_; });
    std::string all;
    for (const auto& result : results_) {
      all += result.ok() ? *result : result.status().message();
      all += ";";
    }
    results_.clear();
    called_ = 0;
    return all;
  }

  base::testing::RealLoop& loop() { return loop_; }
  [[nodiscard]] int served() const { return served_; }
  void Hold() { hold_ = true; }
  void Release() {
    for (const auto& call : held_) call->Finish(base::Status::Ok(), call->request());
  }

 private:
  base::testing::TempDir folder_;
  base::testing::RealLoop loop_;
  int served_ = 0;
  bool hold_ = false;
  std::vector<std::shared_ptr<ServerCall>> held_;
  std::size_t called_ = 0;
  std::vector<base::Result<std::string>> results_;
  std::unique_ptr<RpcCaller> caller_ = RpcCaller::New(*loop_);
  std::unique_ptr<RpcServer> server_;
};

class ThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (getuid() != 0) GTEST_SKIP() << "only root can become a user without other processes";
  }
};

TEST_F(ThreadsTest, CallsShareOneThreadWhichEndsWithTheCaller) {
  const int before = base::testing::Threads();
  {
    Echo echo;
    ASSERT_TRUE(echo.Start().ok());
    echo.Call();
    EXPECT_EQ(echo.Results(), "hello;");
    const int threads = base::testing::Threads();
    echo.Hold();
    for (int i = 0; i < 12; ++i) echo.Call();
    ASSERT_TRUE(echo.loop().RunUntil([&] { return echo.served() == 13; }));
    // gRPC's own pools may have grown by a thread.
    EXPECT_LE(base::testing::Threads(), threads + 2) << "for 12 calls under way";
    echo.Release();
    echo.Results();
  }
  EXPECT_LE(base::testing::Threads(), before + 8) << "gRPC's own, which end by and by";
}

TEST_F(ThreadsTest, OnceItRunsItNeedsNoFurtherThread) {
  EXPECT_EXIT(
      {
        base::testing::BecomeLimitedUser();
        Echo echo;
        if (!echo.Start().ok()) std::exit(1);
        echo.Call();
        echo.Results();
        AllowMoreThreads(0);
        for (int i = 0; i < 12; ++i) echo.Call();
        std::fprintf(stderr, "%s\n", echo.Results().c_str());
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "(hello;){12}\n");
}

// One after another: no call is under way when the next one begins.
TEST_F(ThreadsTest, NorDoesItBetweenItsCalls) {
  EXPECT_EXIT(
      {
        base::testing::BecomeLimitedUser();
        Echo echo;
        if (!echo.Start().ok()) std::exit(1);
        echo.Call();
        echo.Results();
        AllowMoreThreads(0);
        for (int i = 0; i < 12; ++i) {
          echo.Call();
          std::fprintf(stderr, "%s", echo.Results().c_str());
        }
        std::fprintf(stderr, "\n");
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "(hello;){12}\n");
}

TEST_F(ThreadsTest, AServerAndACallWithoutAThreadAreAStatusAndComeLater) {
  EXPECT_EXIT(
      {
        base::testing::BecomeLimitedUser();
        Echo first;  // gRPC has its own threads
        if (!first.Start().ok()) std::exit(1);
        Echo echo;
        AllowMoreThreads(0);
        std::fprintf(stderr, "server: %s\n", echo.Start().message().c_str());
        echo.Call();
        std::fprintf(stderr, "call: %s\n", echo.Results().c_str());
        AllowMoreThreads(20);
        std::fprintf(stderr, "server: %s\n", echo.Start().message().c_str());
        echo.Call();
        std::fprintf(stderr, "call: %s\n", echo.Results().c_str());
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0),
      "server: .*no further thread can be made.*\n"
      "call: no further thread can be made.*\n"
      "server: \n"
      "call: hello;");
}

}  // namespace
}  // namespace tranche::kubelet
