#include "daemon/endpoints.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <future>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/testing/real_loop.h"

namespace tranche::daemon {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// The whole answer to a GET; blocks, so it runs beside the loop.
std::string Get(int port, const std::string& path) {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return "no connection";
  }
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "not sent";
  std::string answer;
  std::array<char, 4096> bytes{};
  for (ssize_t got = 0; (got = recv(fd.get(), bytes.data(), bytes.size(), 0)) > 0;) {
    answer.append(bytes.data(), static_cast<std::size_t>(got));
  }
  return answer;
}

class EndpointsTest : public ::testing::Test {
 protected:
  std::string Ask(int port, const std::string& path) {
    auto answer = std::async(std::launch::async, Get, port, path);
    EXPECT_TRUE(loop_.RunUntil(
        [&] { return answer.wait_for(milliseconds(0)) == std::future_status::ready; }));
    return answer.get();
  }
  base::testing::RealLoop loop_;
};

TEST_F(EndpointsTest, EachPartAddsItsMetricsToOnePage) {
  Endpoints endpoints(*loop_, {.listen = "127.0.0.1:0", .first_try = {}, .unavailable = {}});
  endpoints.Answer("/livez", [] { return base::HttpAnswer{.body = "alive\n"}; });
  endpoints.AddMetrics([] { return std::string("a 1\n"); });
  endpoints.AddMetrics([] { return std::string("b 2\n"); });
  endpoints.Start();
  ASSERT_GT(endpoints.port(), 0);
  EXPECT_THAT(Ask(endpoints.port(), "/livez"), EndsWith("alive\n"));
  const std::string metrics = Ask(endpoints.port(), "/metrics");
  EXPECT_THAT(metrics, EndsWith("a 1\nb 2\n"));
  EXPECT_THAT(metrics, HasSubstr("text/plain; version=0.0.4; charset=utf-8"));
}

TEST_F(EndpointsTest, ATakenAddressIsSaidAndTakenLater) {
  auto first = std::make_unique<Endpoints>(
      *loop_, Endpoints::Options{.listen = "127.0.0.1:0", .first_try = {}, .unavailable = {}});
  first->Answer("/livez", [] { return base::HttpAnswer{}; });
  first->Start();
  int told = 0;
  Endpoints second(*loop_, {.listen = "127.0.0.1:" + std::to_string(first->port()),
                            .first_try = {},
                            .retry = milliseconds(10),
                            .unavailable = [&](const base::Status&) { ++told; }});
  second.Start();
  EXPECT_EQ(second.port(), 0);
  EXPECT_TRUE(loop_.RunUntil([&] { return told >= 2; }));
  first.reset();
  EXPECT_TRUE(loop_.RunUntil([&] { return second.port() > 0; }));
}

TEST_F(EndpointsTest, WithoutAnAddressNothingListens) {
  Endpoints none(*loop_, {.listen = "", .first_try = {}, .unavailable = {}});
  none.Start();
  EXPECT_EQ(none.port(), 0);
}

}  // namespace
}  // namespace tranche::daemon
