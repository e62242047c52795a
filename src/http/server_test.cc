#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "http/testing/client.h"

namespace tranche::http {
namespace {

using testing::Client;
using ::testing::EndsWith;
using testing::Exchange;
using ::testing::HasSubstr;
using testing::Request;
using ::testing::StartsWith;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : server_(StartServer()) {}

  std::unique_ptr<Server> StartServer() {
    auto server = NewServer(loop_, "127.0.0.1:0");
    TRANCHE_CHECK(server.ok());
    (*server)->Handle("/metrics", [this] {
      ++handled_;
      return Answer{.status = 200, .content_type = "text/plain", .body = "gpus 8\n"};
    });
    (*server)->Handle("/readyz", [] { return Answer{.status = 503, .body = "not yet"}; });
    return std::move(*server);
  }

  std::string Ask(const std::string& request) {
    return Exchange(server_->port(), request, [this] { loop_.RunPosted(); });
  }

  base::testing::FakeLoop loop_;
  int handled_ = 0;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersGetWithTheHandlersWords) {
  const std::string answer = Ask(Request("GET", "/metrics"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\ngpus 8\n"));
}

TEST_F(ServerTest, StatusAndDefaultTypeComeThrough) {
  const std::string answer = Ask(Request("GET", "/readyz"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, EndsWith("not yet"));
}

TEST_F(ServerTest, TheQueryStringIsNoPartOfThePath) {
  EXPECT_THAT(Ask(Request("GET", "/metrics?name[]=x")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, HeadHasHeadersOnly) {
  const std::string answer = Ask(Request("HEAD", "/metrics"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(ServerTest, AClientOfHttp10IsAnswered) {
  EXPECT_THAT(Ask("GET /metrics HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\ngpus 8\n"));
}

TEST_F(ServerTest, OtherPathsAre404AndSayWhatThereIs) {
  for (const char* path :
       {"/", "/metrics/", "/metric", "/metrics/../readyz/x", "/%00", "/metrics%00", "/.."}) {
    const std::string answer = Ask(Request("GET", path));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 ")) << path;
  }
  EXPECT_THAT(Ask(Request("GET", "/")), HasSubstr("/metrics\n/readyz\n"));
}

TEST_F(ServerTest, OtherMethodsAre405AndNoHandlerRuns) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string request =
        std::string(method) + " /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    const std::string answer = Ask(request);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(answer, HasSubstr("\r\nAllow: GET, HEAD\r\n")) << method;
  }
  EXPECT_EQ(handled_, 0);
}

constexpr char kTlsHello[] = "\x16\x03\x01\x02\x00 hello tls\r\n\r\n";

TEST_F(ServerTest, RubbishGetsAnErrorAndTheServerLives) {
  for (const std::string& rubbish :
       {std::string(kTlsHello, sizeof(kTlsHello)), std::string("GET\r\n\r\n"),
        "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" + std::string(100'000, 'x') + ": y\r\n\r\n"}) {
    EXPECT_EQ(Ask(rubbish).find("200 OK"), std::string::npos);
  }
  EXPECT_THAT(Ask(Request("GET", "/metrics")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, HandlersRunOnTheLoopsThreadAndThereIsNoOther) {
  const int threads = base::testing::Threads();
  std::thread::id ran_on;
  server_->Handle("/where", [&] {
    ran_on = std::this_thread::get_id();
    return Answer{};
  });
  Ask(Request("GET", "/where"));
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  EXPECT_EQ(base::testing::Threads(), threads);
}

TEST_F(ServerTest, ALargeAnswerComesWhole) {
  const std::string body(8U << 20U, 'x');
  server_->Handle("/big", [&] { return Answer{.body = body}; });
  EXPECT_THAT(Ask(Request("GET", "/big")), EndsWith("\r\n\r\n" + body));
}

TEST_F(ServerTest, AClientThatLeavesEarlyHarmsNobody) {
  server_->Handle("/big", [] { return Answer{.body = std::string(8U << 20U, 'x')}; });
  for (int i = 0; i < 5; ++i) {
    Client client(server_->port());
    client.Send(Request("GET", "/big"));
    loop_.RunPosted();
  }
  EXPECT_THAT(Ask(Request("GET", "/metrics")), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerTest, EndingTheServerEndsItsConnections) {
  Client idle(server_->port());
  Client halfway(server_->port());
  halfway.Send("GET /metrics HT");
  loop_.RunPosted();
  EXPECT_EQ(server_->connections(), 2U);
  server_.reset();
  EXPECT_TRUE(idle.Closed());
  EXPECT_TRUE(halfway.Closed());
  loop_.RunPosted();  // what had been posted finds nobody
  EXPECT_EQ(loop_.timer_count(), 0U);
  EXPECT_EQ(handled_, 0);
}

TEST_F(ServerTest, ATakenPortIsUnavailable) {
  const auto second = NewServer(loop_, "127.0.0.1:" + std::to_string(server_->port()));
  EXPECT_EQ(second.status().code(), base::Code::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(server_->port())));
}

TEST_F(ServerTest, ServersLeakNothing) {
  const int files = base::testing::OpenFiles();
  for (int i = 0; i < 20; ++i) StartServer();
  EXPECT_EQ(base::testing::OpenFiles(), files);
}

}  // namespace
}  // namespace tranche::http
