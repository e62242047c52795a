#include "http/local_names.h"

#include <gtest/gtest.h>

namespace tranche::http {
namespace {

TEST(LocalNamesTest, ThisMachineHasThreeNamesAndAnyPort) {
  for (const char* host : {"localhost", "LocalHost:9437", "127.0.0.1", "127.0.0.1:1", "[::1]",
                           "[::1]:65535", "localhost:18080"}) {
    EXPECT_TRUE(NamesThisMachine(host)) << host;
  }
}

TEST(LocalNamesTest, WhateverElseIsAStranger) {
  for (const char* host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
        "localhost:", "localhost:80x", "localhost:123456", "localhost:-1", "localhost@evil.example",
        "[::1", "[::1]x", "127.0.0.2", "0.0.0.0:9437", "10.0.0.1:9437", " localhost", "localhost ",
        "evil.example:localhost", "localhost:80, evil.example"}) {
    EXPECT_FALSE(NamesThisMachine(host)) << host;
  }
}

TEST(LocalNamesTest, AnotherPageIsAnotherOrigin) {
  EXPECT_TRUE(SameOrigin("", "localhost:1"));
  EXPECT_TRUE(SameOrigin("http://localhost:1", "localhost:1"));
  for (const char* origin : {"http://localhost:2", "https://localhost:1", "null", "localhost:1",
                             "http://evil.example", "http://localhost:1.evil.example"}) {
    EXPECT_FALSE(SameOrigin(origin, "localhost:1")) << origin;
  }
}

}  // namespace
}  // namespace tranche::http
