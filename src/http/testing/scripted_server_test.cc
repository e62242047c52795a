// What a client of the scripted server gets, and that no client can make it big.
#include "http/testing/scripted_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/timer.h"
#include "http/testing/client.h"

namespace tranche::http::testing {
namespace {

using ::testing::HasSubstr;

class ScriptedServerTest : public ::testing::Test {
 protected:
  void Turn() {
    base::Timer turn(*loop_);
    turn.Start(std::chrono::milliseconds(1), [this] { loop_->Stop(); });
    loop_->Run();
  }
  void WaitFor(const std::function<bool()>& condition) {
    while (!condition()) Turn();
  }

  std::unique_ptr<base::EventLoop> loop_ = std::move(*base::NewEpollLoop());
  std::vector<ScriptedServer::Request> taken_;
  ScriptedServer server_{*loop_, [this](const ScriptedServer::Request& request) {
                           taken_.push_back(request);
                           server_.Reply(request, 200, "to " + request.target);
                         }};
};

TEST_F(ScriptedServerTest, TakesRequestsApartAndAnswersEachOnItsConnection) {
  Client client(server_.port());
  client.Send("POST /a?b=c HTTP/1.1\r\nContent-Length: 3\r\nX-Name: v\r\n\r\nabc");
  client.Send("GET /d HTTP/1.1\r\n\r\n");
  WaitFor([&] { return client.Received().ends_with("to /d"); });
  EXPECT_THAT(client.Received(), HasSubstr("to /a?b=c"));
  ASSERT_EQ(taken_.size(), 2U);
  EXPECT_EQ(taken_[0].method, "POST");
  EXPECT_EQ(taken_[0].body, "abc");
  EXPECT_EQ(taken_[0].headers.at("x-name"), "v");
  EXPECT_TRUE(server_.IsOpen(taken_[1]));
  server_.HangUp(taken_[1]);
  WaitFor([&] { return client.Closed(); });
  EXPECT_FALSE(server_.IsOpen(taken_[1]));
}

TEST_F(ScriptedServerTest, CutsOffWhatIsNoRequestAndWhatIsTooLong) {
  for (const std::string& bytes :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"), std::string("GET /\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")}) {
    Client client(server_.port());
    client.Send(bytes);
    WaitFor([&] { return client.Closed(); });
    EXPECT_EQ(client.Received(), "") << bytes;
  }
  Client endless(server_.port());
  WaitFor([&] {
    endless.Send(std::string(65536, 'x'));
    return endless.Closed();
  });
  EXPECT_TRUE(taken_.empty());
}

TEST_F(ScriptedServerTest, ManyConnectionsMakeRoomForOneMore) {
  std::vector<std::unique_ptr<Client>> idle;
  for (std::size_t i = 0; i <= ScriptedServer::kMaxConnections; ++i) {
    idle.push_back(std::make_unique<Client>(server_.port()));
    Turn();
  }
  WaitFor([&] { return idle.front()->Closed(); });
  EXPECT_LE(server_.open_connections(), ScriptedServer::kMaxConnections);
  idle.back()->Send("GET /last HTTP/1.1\r\n\r\n");
  WaitFor([&] { return idle.back()->Received().ends_with("to /last"); });
}

TEST_F(ScriptedServerTest, AClientThatReadsNothingIsCutOff) {
  Client client(server_.port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  WaitFor([&] { return !taken_.empty(); });
  const std::string much(8 << 20, 'x');
  for (int i = 0; i < 100 && server_.IsOpen(taken_[0]); ++i) server_.Write(taken_[0], much);
  EXPECT_FALSE(server_.IsOpen(taken_[0]));
}

}  // namespace
}  // namespace tranche::http::testing
