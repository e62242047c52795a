// Streams of server-sent events, and what is answered to strangers. Time is virtual.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "http/event_text.h"
#include "http/server.h"
#include "http/testing/client.h"

namespace tranche::http {
namespace {

using std::chrono::seconds;
using testing::Client;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Request;
using ::testing::StartsWith;

TEST(EventTextTest, NoDataBeginsAnotherEvent) {
  EXPECT_EQ(EventText("update", "{}"), "event: update\ndata: {}\n\n");
  EXPECT_EQ(EventText("update", "a\n\nevent: x\rb"),
            "event: update\ndata: a\ndata: \ndata: event: x\ndata: b\n\n");
}

class ServerStreamTest : public ::testing::Test {
 protected:
  ServerStreamTest() : server_(Start({})) {}

  std::unique_ptr<Server> Start(ServerOptions options) {
    auto server = NewServer(loop_, "127.0.0.1:0", std::move(options));
    TRANCHE_CHECK(server.ok());
    (*server)->Handle("/livez", [] { return Answer{.body = "alive\n"}; });
    (*server)->HandleStream("/events", [this] { return first_; });
    (*server)->HandleStream("/others", [] { return "others\n"; });
    return std::move(*server);
  }
  Client& Open(const std::string& path = "/events") {
    clients_.emplace_back(server_->port());
    clients_.back().Send(Request("GET", path));
    loop_.RunPosted();
    return clients_.back();
  }
  void Send(const std::string& text) {
    server_->Send("/events", text);
    loop_.RunPosted();
  }
  std::string Ask(const std::string& request) {
    return testing::Exchange(server_->port(), request, [this] { loop_.RunPosted(); });
  }

  base::testing::FakeLoop loop_;
  std::string first_ = "first\n";
  std::unique_ptr<Server> server_;
  std::deque<Client> clients_;
};

TEST(StreamLimitsTest, TheFigures) {
  EXPECT_EQ(Limits::kStreams, 8U);
  EXPECT_EQ(Limits::kWaitingEvents, 4U);
}

TEST_F(ServerStreamTest, AStreamStaysOpenAndGetsWhatIsSentToIt) {
  Client& client = Open();
  EXPECT_THAT(client.Received(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(client.Received(), HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(client.Received(), HasSubstr("first\n"));
  EXPECT_THAT(client.Received(), Not(HasSubstr("second")));
  Send("second\n");
  EXPECT_THAT(client.Received(), HasSubstr("second\n"));
  loop_.AdvanceBy(seconds(3600));
  EXPECT_FALSE(client.Closed()) << "the deadline of an answer is none of a stream";
  Send("third\n");
  EXPECT_THAT(client.Received(), HasSubstr("third\n"));
  EXPECT_EQ(server_->streams(), 1U);
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerStreamTest, EachStreamGetsItsOwn) {
  Client& events = Open();
  Client& others = Open("/others");
  Send("for events\n");
  EXPECT_THAT(events.Received(), HasSubstr("for events"));
  EXPECT_THAT(others.Received(), HasSubstr("others\n"));
  EXPECT_THAT(others.Received(), Not(HasSubstr("for events")));
  server_->Send("/nobody", "x");
}

TEST_F(ServerStreamTest, AnEventLargerThanAnyBufferComesWhole) {
  first_ = std::string(1U << 20U, 'a') + "end of the first\n";
  Client& client = Open();
  while (client.Received().find("end of the first") == std::string::npos) loop_.RunPosted();
  const auto count = std::count(client.Received().begin(), client.Received().end(), 'a');
  EXPECT_GE(count, 1 << 20);
  EXPECT_FALSE(client.Closed());
}

TEST_F(ServerStreamTest, TheNinthIsToldSoAndEverythingElseIsAnswered) {
  for (std::size_t i = 0; i < Limits::kStreams; ++i) Open();
  EXPECT_EQ(server_->streams(), Limits::kStreams);
  EXPECT_THAT(Ask(Request("GET", "/events")), StartsWith("HTTP/1.1 503 "));
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(Ask(Request("GET", "/livez")), EndsWith("alive\n"));
  }
  for (Client& client : clients_) EXPECT_FALSE(client.Closed()) << "nobody is pushed out";
  clients_.pop_front();  // one leaves, which the next event shows
  Send("x\n");
  Send("x\n");
  EXPECT_THAT(Open().Received(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerStreamTest, AClientThatDoesNotReadIsCutOffAndTheOthersAreServed) {
  Client& deaf = Open();
  Client& reader = Open();
  const std::string large(256U << 10U, 'x');
  for (int i = 0; i < 100 && !deaf.Gone(); ++i) {
    Send(large);
    reader.Received();
    loop_.RunPosted();
    while (reader.Received().size() < (static_cast<std::size_t>(i) + 1) * large.size()) {
      loop_.RunPosted();
    }
  }
  EXPECT_TRUE(deaf.Gone());
  EXPECT_FALSE(reader.Gone());
  EXPECT_EQ(server_->streams(), 1U);
}

TEST_F(ServerStreamTest, AClientThatLeavesIsForgottenAtTheNextEvents) {
  Open();
  clients_.clear();
  EXPECT_EQ(server_->streams(), 1U);
  for (int i = 0; i < 3; ++i) Send("x\n");
  EXPECT_EQ(server_->streams(), 0U);
}

TEST_F(ServerStreamTest, EndingTheServerEndsItsStreams) {
  const int files = base::testing::OpenFiles();
  Client& waiting = Open();
  Client& busy = Open();
  server_->Send("/events", std::string(1U << 20U, 'x'));
  server_.reset();
  EXPECT_TRUE(waiting.Closed());
  EXPECT_TRUE(busy.Closed());
  clients_.clear();
  loop_.RunPosted();
  EXPECT_EQ(loop_.timer_count(), 0U);
  server_ = Start({});
  EXPECT_EQ(base::testing::OpenFiles(), files);
}

TEST_F(ServerStreamTest, HeadOfAStreamHasNoStream) {
  EXPECT_THAT(Ask(Request("HEAD", "/events")), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server_->streams(), 0U);
}

// ---- strangers ----

class ServerStrangersTest : public ServerStreamTest {
 protected:
  ServerStrangersTest() {
    server_ = Start({.local_names_only = true, .headers = {{"X-Content-Type-Options", "nosniff"}}});
  }
  std::string With(const std::string& headers, const std::string& path = "/livez") {
    return Ask("GET " + path + " HTTP/1.1\r\n" + headers + "\r\n");
  }
};

TEST_F(ServerStrangersTest, OnlyWhatNamesThisMachineIsAnswered) {
  EXPECT_THAT(With("Host: localhost:18080\r\n"), EndsWith("alive\n"));
  EXPECT_THAT(With("Host: [::1]:9437\r\n"), EndsWith("alive\n"));
  for (const char* path : {"/livez", "/events", "/nothing"}) {
    const std::string answer = With("Host: evil.example:9437\r\n", path);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 ")) << path;
    EXPECT_THAT(answer, Not(HasSubstr("first"))) << path;
  }
  EXPECT_THAT(Ask("GET /livez HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(With("Host: localhost\r\nHost: evil.example\r\n"), Not(HasSubstr("alive")));
  EXPECT_THAT(With("Host: evil.example\r\nHost: localhost\r\n"), Not(HasSubstr("alive")));
}

TEST_F(ServerStrangersTest, AnotherPageInTheSameBrowserIsAStranger) {
  const std::string host = "Host: localhost:1\r\n";
  EXPECT_THAT(With(host + "Origin: http://localhost:1\r\n"), EndsWith("alive\n"));
  EXPECT_THAT(With(host + "Origin: http://localhost:2\r\n"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(With(host + "Origin: null\r\n", "/events"), StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(server_->streams(), 0U);
}

TEST_F(ServerStrangersTest, EachAnswerHasTheHeaders) {
  const std::string header = "X-Content-Type-Options: nosniff\r\n";
  EXPECT_THAT(With("Host: localhost\r\n"), HasSubstr(header));
  EXPECT_THAT(With("Host: localhost\r\n", "/nothing"), HasSubstr(header));
  EXPECT_THAT(With("Host: evil.example\r\n"), HasSubstr(header));
  EXPECT_THAT(Ask(Request("POST", "/livez")), HasSubstr(header));
  EXPECT_THAT(Open().Received(), HasSubstr(header));
}

TEST_F(ServerStreamTest, WithoutThatOptionAnyHostIsAnswered) {
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nHost: node-7:9436\r\n\r\n"), EndsWith("alive\n"));
}

}  // namespace
}  // namespace tranche::http
