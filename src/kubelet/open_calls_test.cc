#include "kubelet/open_calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "kubelet/testing/raw_client.h"

namespace tranche::kubelet {
namespace {

using testing::Frame;
using testing::kClientPreface;
using testing::Request;
using testing::Reset;

constexpr char kData = 0;
constexpr char kHeaders = 1;
constexpr char kSettings = 4;
constexpr char kPing = 6;
constexpr char kEnd = 1;

// The calls open after both have said this, in pieces of so many bytes.
long OpenAfter(std::string_view client, std::string_view server, std::size_t piece) {
  OpenCalls calls;
  for (std::size_t i = 0; i < client.size(); i += piece) calls.FromClient(client.substr(i, piece));
  for (std::size_t i = 0; i < server.size(); i += piece) calls.FromServer(server.substr(i, piece));
  return calls.count();
}
long OpenAfter(const std::string& client, const std::string& server) {
  const long whole = OpenAfter(client, server, 1U << 20U);
  for (const std::size_t piece : {1U, 2U, 7U, 9U, 10U, 64U}) {
    EXPECT_EQ(OpenAfter(client, server, piece), whole) << piece;
  }
  return whole;
}
long OpenAfterFrames(const std::string& client, const std::string& server = "") {
  return OpenAfter(kClientPreface + Frame(kSettings, 0, 0, "") + client,
                   Frame(kSettings, 0, 0, "123456") + server);
}

TEST(OpenCallsTest, ACallIsOpenUntilTheServerEndsIt) {
  EXPECT_EQ(OpenAfterFrames(""), 0);
  EXPECT_EQ(OpenAfterFrames(Request(1) + Request(3)), 2);
  const std::string message = Frame(kHeaders, 0, 1, "head") + Frame(kData, 0, 1, "message");
  EXPECT_EQ(OpenAfterFrames(Request(1) + Request(3), message), 2);
  EXPECT_EQ(OpenAfterFrames(Request(1) + Request(3), message + Frame(kHeaders, kEnd, 1, "x")), 1);
  EXPECT_EQ(OpenAfterFrames(Request(1) + Request(3), message + Frame(kData, kEnd, 1, "x")), 1);
}

TEST(OpenCallsTest, WhatIsResetStaysOpen) {
  EXPECT_EQ(OpenAfterFrames(Request(1) + Reset(1) + Request(3) + Reset(3)), 2);
  EXPECT_EQ(OpenAfterFrames(Request(1), Reset(1)), 1);
}

TEST(OpenCallsTest, TrailersAndOtherFramesAreNoCalls) {
  EXPECT_EQ(OpenAfterFrames(Request(1) + Frame(kHeaders, kEnd, 1, "trailers")), 1);
  EXPECT_EQ(OpenAfterFrames(Frame(kPing, 1, 0, "12345678") + Frame(kData, 1, 7, "data")), 0);
  EXPECT_EQ(OpenAfterFrames(Request(1), Frame(kPing, 1, 0, "12345678")), 1);
}

TEST(OpenCallsTest, TheServerEndsNoMoreThanThereAre) {
  const std::string ends = Frame(kHeaders, kEnd, 1, "") + Frame(kHeaders, kEnd, 1, "");
  EXPECT_EQ(OpenAfterFrames("", ends), 0);
}

}  // namespace
}  // namespace tranche::kubelet
