#include "web/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/testing/fake_loop.h"
#include "http/testing/client.h"
#include "web/assets.h"

namespace tranche::web {
namespace {

using base::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class PageTest : public ::testing::Test {
 protected:
  PageTest() : page_(Make()) { page_->Start(); }

  std::unique_ptr<Page> Make(const std::string& listen = "127.0.0.1:0") {
    return std::make_unique<Page>(
        loop_,
        Page::Options{.listen = listen,
                      .unavailable = [this](const base::Status& /*why*/) { ++unavailable_; }},
        Page::Sources{
            .node =
                [this] {
                  return Json::MakeObject({{"look", ++looks_}});
                },
            .history =
                [] {
                  return Json::MakeObject({{"points", "all"}});
                },
            .newest =
                [] {
                  return Json::MakeObject({{"points", "newest"}});
                },
        });
  }
  std::string Ask(const std::string& path, const std::string& host = "localhost:18080") {
    return http::testing::Exchange(page_->port(),
                                   "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
                                   [this] { loop_.RunPosted(); });
  }

  base::testing::FakeLoop loop_;
  int looks_ = 0;
  int unavailable_ = 0;
  std::unique_ptr<Page> page_;
};

TEST_F(PageTest, EachFileIsThereWithItsType) {
  EXPECT_THAT(Ask("/"), AllOf(HasSubstr("Content-Type: text/html; charset=utf-8\r\n"),
                              HasSubstr("<!doctype html>")));
  EXPECT_THAT(Ask("/page.js"), HasSubstr("Content-Type: text/javascript; charset=utf-8\r\n"));
  EXPECT_THAT(Ask("/page.css"), HasSubstr("Content-Type: text/css; charset=utf-8\r\n"));
  EXPECT_THAT(Ask("/icon.svg"), HasSubstr("Content-Type: image/svg+xml\r\n"));
  for (const Asset& asset : Assets()) {
    EXPECT_THAT(Ask(std::string(asset.path)), EndsWith(std::string(asset.bytes))) << asset.path;
    EXPECT_GT(asset.bytes.size(), 100U);
  }
  EXPECT_THAT(Ask("/../etc/passwd"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(PageTest, EachAnswerIsStrict) {
  for (const char* path : {"/", "/page.js", "/api/v1/node", "/nothing"}) {
    EXPECT_THAT(
        Ask(path),
        AllOf(HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src "
                        "'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; "
                        "base-uri 'none'; form-action 'none'\r\n"),
              HasSubstr("X-Content-Type-Options: nosniff\r\n"),
              HasSubstr("Referrer-Policy: no-referrer\r\n"),
              HasSubstr("Cross-Origin-Resource-Policy: same-origin\r\n"),
              HasSubstr("Cache-Control: no-store\r\n")))
        << path;
  }
}

TEST_F(PageTest, NoFileLoadsAnythingFromElsewhere) {
  for (const Asset& asset : Assets()) {
    const std::string text(asset.bytes);
    for (const char* word : {"https://", "//cdn", "url(http", "@import", "innerHTML", "eval("}) {
      EXPECT_THAT(text, Not(HasSubstr(word))) << asset.path;
    }
  }
}

TEST_F(PageTest, StrangersGetNothing) {
  for (const char* path : {"/", "/api/v1/node", "/api/v1/history", "/api/v1/events"}) {
    const std::string answer = Ask(path, "rebound.example:9437");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 ")) << path;
    EXPECT_THAT(answer, Not(HasSubstr("look"))) << path;
  }
}

TEST_F(PageTest, TheDocumentsAreMadeWhenAskedFor) {
  EXPECT_THAT(Ask("/api/v1/node"), EndsWith("{\"look\":1}\n"));
  EXPECT_THAT(Ask("/api/v1/node"), EndsWith("{\"look\":2}\n"));
  EXPECT_THAT(Ask("/api/v1/history"), EndsWith("{\"points\":\"all\"}\n"));
}

TEST_F(PageTest, AStreamHasAllAtOnceAndThenWhatIsNewEachSecond) {
  http::testing::Client client(page_->port());
  client.Send(http::testing::Request("GET", "/api/v1/events"));
  loop_.RunPosted();
  EXPECT_THAT(client.Received(),
              HasSubstr("event: update\ndata: {\"apiVersion\":\"tranche.dev/v1\",\"kind\":"
                        "\"NodeUpdate\",\"node\":{\"look\":1},\"history\":{\"points\":\"all\"}}"));
  loop_.AdvanceBy(milliseconds(1000));
  EXPECT_THAT(client.Received(),
              HasSubstr("\"node\":{\"look\":2},\"history\":{\"points\":\"newest\"}}\n\n"));
  loop_.AdvanceBy(seconds(3));
  EXPECT_THAT(client.Received(), HasSubstr("{\"look\":5}"));
}

TEST_F(PageTest, WhereNobodyLooksNothingIsMade) {
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(looks_, 0);
}

TEST_F(PageTest, AnAddressThatIsTakenIsTriedAgain) {
  auto second = Make("127.0.0.1:" + std::to_string(page_->port()));
  second->Start();
  EXPECT_EQ(second->port(), 0);
  EXPECT_EQ(unavailable_, 1);
  page_.reset();
  loop_.AdvanceBy(seconds(1));
  EXPECT_NE(second->port(), 0);
  EXPECT_EQ(unavailable_, 1);
}

TEST_F(PageTest, WithoutAnAddressThereIsNoPage) {
  auto none = Make("");
  none->Start();
  EXPECT_EQ(none->port(), 0);
}

TEST(PageAddressTest, OnlyTheLoopbackInterfaceIsAllowed) {
  for (const char* address : {"127.0.0.1:9437", "127.0.0.1:0", "[::1]:9437", "127.8.9.1:1"}) {
    EXPECT_TRUE(CheckPageAddress(address).ok()) << address;
  }
  for (const char* address : {"9437", ":9437", "0.0.0.0:9437", "[::]:9437", "10.0.0.1:9437",
                              "127.0.0.1", "localhost:9437", "nowhere"}) {
    EXPECT_FALSE(CheckPageAddress(address).ok()) << address;
  }
}

}  // namespace
}  // namespace tranche::web
