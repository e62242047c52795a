#include "http/tcp_listener.h"

#include <gtest/gtest.h>

#include <string>

#include "http/testing/client.h"

namespace tranche::http {
namespace {

bool Reaches(const std::string& from, int port) { return !testing::Client(port, from).Closed(); }

bool HasIpv6() { return ListenOnTcp("[::1]:0").ok(); }

TEST(TcpListenerTest, APortAloneIsEveryAddressOfBothFamilies) {
  for (const char* address : {"0", ":0", "[::]:0"}) {
    const auto listener = ListenOnTcp(address);
    ASSERT_TRUE(listener.ok()) << address << ": " << listener.status().message();
    EXPECT_GT(listener->port, 0) << address;
    EXPECT_TRUE(Reaches("127.0.0.1", listener->port)) << address;
    EXPECT_EQ(Reaches("::1", listener->port), HasIpv6()) << address;
  }
}

TEST(TcpListenerTest, AnAddressIsThatAddressAlone) {
  const auto four = ListenOnTcp("127.0.0.1:0");
  ASSERT_TRUE(four.ok());
  EXPECT_TRUE(Reaches("127.0.0.1", four->port));
  EXPECT_FALSE(Reaches("::1", four->port));
  const auto every_four = ListenOnTcp("0.0.0.0:0");
  ASSERT_TRUE(every_four.ok());
  EXPECT_TRUE(Reaches("127.0.0.1", every_four->port));
  EXPECT_FALSE(Reaches("::1", every_four->port));
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  const auto six = ListenOnTcp("[::1]:0");
  ASSERT_TRUE(six.ok());
  EXPECT_TRUE(Reaches("::1", six->port));
  EXPECT_FALSE(Reaches("127.0.0.1", six->port));
}

TEST(TcpListenerTest, ATakenAddressIsUnavailableAndSaysSo) {
  const auto first = ListenOnTcp("0");
  ASSERT_TRUE(first.ok());
  for (const std::string host : {"", "[::]:", "0.0.0.0:", "127.0.0.1:"}) {
    const auto second = ListenOnTcp(host + std::to_string(first->port));
    EXPECT_EQ(second.status().code(), base::Code::kUnavailable) << host;
    EXPECT_NE(second.status().message().find("taken"), std::string::npos);
  }
}

TEST(TcpListenerTest, NonsenseIsInvalid) {
  for (const char* address :
       {"", ":", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1: 1", "9435x", "300.0.0.1:0", "::1:0", "[::1]", "[::1]0", "[]:0", "[:0", "]:0",
        "[127.0.0.1]:0", "localhost:0", "http://127.0.0.1:0"}) {
    EXPECT_EQ(CheckTcpAddress(address).code(), base::Code::kInvalidArgument) << address;
    EXPECT_EQ(ListenOnTcp(address).status().code(), base::Code::kInvalidArgument) << address;
  }
  EXPECT_TRUE(CheckTcpAddress("[::]:9435").ok());
}

}  // namespace
}  // namespace tranche::http
