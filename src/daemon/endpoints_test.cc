#include "daemon/endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/testing/real_loop.h"
#include "http/testing/client.h"

namespace tranche::daemon {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class EndpointsTest : public ::testing::Test {
 protected:
  std::string Ask(int port, const std::string& path) {
    return http::testing::Exchange(port, http::testing::Request("GET", path),
                                   [this] { loop_.RunFor(milliseconds(1)); });
  }
  base::testing::RealLoop loop_;
};

TEST_F(EndpointsTest, EachPartAddsItsMetricsToOnePage) {
  Endpoints endpoints(*loop_, {.listen = "127.0.0.1:0", .first_try = {}, .unavailable = {}});
  endpoints.Answer("/livez", [] { return http::Answer{.body = "alive\n"}; });
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
  first->Answer("/livez", [] { return http::Answer{}; });
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
