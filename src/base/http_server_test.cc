#include "base/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/testing/real_loop.h"

namespace tranche::base {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::RealLoop;
using ::testing::StartsWith;

UniqueFd Connect(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return UniqueFd();
  }
  return fd;
}

// The whole answer to `request`, as it came; blocks.
std::string Exchange(int port, const std::string& request) {
  const UniqueFd fd = Connect(port);
  if (!fd.valid()) return "no connection";
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "not sent";
  std::string answer;
  std::array<char, 4096> bytes{};
  for (ssize_t got = 0; (got = recv(fd.get(), bytes.data(), bytes.size(), 0)) > 0;) {
    answer.append(bytes.data(), static_cast<std::size_t>(got));
  }
  return answer;
}

std::string Request(const std::string& method, const std::string& path) {
  return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

class HttpServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    loop_ = new RealLoop;
    server_ = NewServer().release();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete loop_;
  }
  void SetUp() override { handled_ = 0; }

  static std::unique_ptr<HttpServer> NewServer() {
    auto server = NewHttpServer(**loop_, "127.0.0.1:0");
    TRANCHE_CHECK(server.ok());
    (*server)->Handle("/metrics", [] {
      ++handled_;
      return HttpAnswer{.status = 200, .content_type = "text/plain", .body = "gpus 8\n"};
    });
    (*server)->Handle("/readyz", [] { return HttpAnswer{.status = 503, .body = "not yet"}; });
    return std::move(*server);
  }

  // Asks from another thread while the loop runs here.
  static std::string Ask(const std::string& request) {
    auto answer = std::async(std::launch::async, Exchange, server_->port(), request);
    EXPECT_TRUE(loop_->RunUntil(
        [&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
    return answer.get();
  }

  static RealLoop* loop_;
  static HttpServer* server_;
  static int handled_;
};

RealLoop* HttpServerTest::loop_ = nullptr;
HttpServer* HttpServerTest::server_ = nullptr;
int HttpServerTest::handled_ = 0;

TEST_F(HttpServerTest, AnswersGetWithTheHandlersWords) {
  const std::string answer = Ask(Request("GET", "/metrics"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\ngpus 8\n"));
}

TEST_F(HttpServerTest, StatusAndDefaultTypeComeThrough) {
  const std::string answer = Ask(Request("GET", "/readyz"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, EndsWith("not yet"));
}

TEST_F(HttpServerTest, TheQueryStringIsNoPartOfThePath) {
  EXPECT_THAT(Ask(Request("GET", "/metrics?name[]=x")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, HeadHasHeadersOnly) {
  const std::string answer = Ask(Request("HEAD", "/metrics"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, OtherPathsAre404AndSayWhatThereIs) {
  for (const char* path : {"/", "/metrics/", "/metric", "/metrics/../readyz/x", "/%00", "/.."}) {
    const std::string answer = Ask(Request("GET", path));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 ")) << path;
  }
  EXPECT_THAT(Ask(Request("GET", "/")), HasSubstr("/metrics\n/readyz\n"));
}

TEST_F(HttpServerTest, OtherMethodsAre405AndNoHandlerRuns) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string request =
        std::string(method) + " /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    EXPECT_THAT(Ask(request), StartsWith("HTTP/1.1 405 ")) << method;
  }
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, RubbishGetsAnErrorAndTheServerLives) {
  for (const std::string& rubbish :
       {std::string("\x16\x03\x01\x02\x00 hello tls\r\n\r\n"), std::string("GET\r\n\r\n"),
        "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" + std::string(100'000, 'x') + ": y\r\n\r\n"}) {
    const std::string answer = Ask(rubbish);
    EXPECT_EQ(answer.find("200 OK"), std::string::npos);
  }
  EXPECT_THAT(Ask(Request("GET", "/metrics")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, HandlersRunOnTheLoopsThread) {
  std::thread::id ran_on;
  const std::thread::id here = std::this_thread::get_id();
  server_->Handle("/where", [&] {
    ran_on = std::this_thread::get_id();
    return HttpAnswer{};
  });
  Ask(Request("GET", "/where"));
  EXPECT_EQ(ran_on, here);
}

TEST_F(HttpServerTest, ManyRequestsAtOnceAreAllAnswered) {
  std::vector<std::future<std::string>> answers;
  for (int i = 0; i < 40; ++i) {
    answers.push_back(std::async(std::launch::async, Exchange, server_->port(),
                                 Request("GET", i % 4 == 0 ? "/none" : "/metrics")));
  }
  ASSERT_TRUE(loop_->RunUntil([&] {
    return std::all_of(answers.begin(), answers.end(), [](const auto& answer) {
      return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
  }));
  int good = 0;
  for (auto& answer : answers) good += answer.get().starts_with("HTTP/1.1 200 ") ? 1 : 0;
  EXPECT_EQ(good, 30);
  EXPECT_EQ(handled_, 30);
}

TEST_F(HttpServerTest, AClientThatLeavesEarlyHarmsNobody) {
  server_->Handle("/big", [] { return HttpAnswer{.body = std::string(8U << 20U, 'x')}; });
  for (int i = 0; i < 5; ++i) {
    const UniqueFd fd = Connect(server_->port());
    const std::string request = Request("GET", "/big");
    ASSERT_GT(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    loop_->RunFor(milliseconds(2));
  }
  EXPECT_THAT(Ask(Request("GET", "/metrics")), StartsWith("HTTP/1.1 200 "));
}

// A loop that hangs is visible from outside: the answer comes without it, and says so.
TEST_F(HttpServerTest, AStuckLoopIsA503) {
  auto answer = std::async(std::launch::async, Exchange, server_->port(), Request("GET", "/livez"));
  const std::string text = answer.get();  // the loop does not run
  EXPECT_THAT(text, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(text, HasSubstr("has not answered"));
  // The late work harms nobody.
  loop_->RunFor(milliseconds(5));
  EXPECT_THAT(Ask(Request("GET", "/metrics")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, EndingTheServerLetsWaitingRequestsGo) {
  auto server = NewServer();
  std::vector<std::future<std::string>> answers;
  for (int i = 0; i < 2; ++i) {
    answers.push_back(
        std::async(std::launch::async, Exchange, server->port(), Request("GET", "/metrics")));
  }
  // The loop does not run: the server's own two threads wait for it, or are about to.
  std::this_thread::sleep_for(milliseconds(50));
  server.reset();
  for (auto& answer : answers) {
    const std::string text = answer.get();
    // They are told of the end or cut off. They do not wait for the loop in vain, and no handler
    // answers.
    EXPECT_EQ(text.find("has not answered"), std::string::npos) << text;
    EXPECT_EQ(text.find("gpus"), std::string::npos) << text;
  }
  loop_->RunFor(milliseconds(10));  // what had been posted finds nobody
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, ATakenPortIsUnavailable) {
  const auto second = NewHttpServer(**loop_, "127.0.0.1:" + std::to_string(server_->port()));
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(server_->port())));
}

TEST_F(HttpServerTest, NonsenseToListenOnIsAnError) {
  for (const char* listen : {"", "nonsense", "127.0.0.1:99999", "300.0.0.1:0"}) {
    EXPECT_FALSE(NewHttpServer(**loop_, listen).ok()) << listen;
  }
}

TEST_F(HttpServerTest, ServersLeakNothing) {
  const int files = testing::OpenFiles();
  const int threads = testing::Threads();
  for (int i = 0; i < 20; ++i) NewServer();
  // A busy machine may cost one its last connection, which civetweb then leaves open.
  EXPECT_LT(testing::OpenFiles(), files + 5);
  EXPECT_EQ(testing::Threads(), threads);
}

}  // namespace
}  // namespace tranche::base
