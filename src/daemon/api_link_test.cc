#include "daemon/api_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/testing/fake_loop.h"

namespace tranche::daemon {
namespace {

using apiserver::testing::FakeApi;
using base::Code;
using base::Status;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ApiLinkTest : public ::testing::Test {
 protected:
  ApiLink::Owner Owner() {
    return {.connected = [this](apiserver::ApiClient&,
                                const std::string& name_space) { told_.push_back(name_space); },
            .not_connected = [this](const Status& why) { told_.push_back(why.message()); }};
  }
  base::Result<ApiConnection> Connect() {
    ++tries_;
    if (!answer_.ok()) return answer_;
    return ApiConnection{.client = std::make_unique<FakeApi>(loop_), .default_namespace = "ours"};
  }

  base::testing::FakeLoop loop_;
  Status answer_;
  int tries_ = 0;
  std::vector<std::string> told_;
  ApiLink link_{loop_, [this](base::EventLoop&) { return Connect(); }, Owner()};
};

TEST_F(ApiLinkTest, ConnectsWhenItIsAskedAndOnlyOnce) {
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(tries_, 0);
  EXPECT_FALSE(link_.status().ok());
  link_.Connect();
  link_.Connect();
  loop_.AdvanceBy(seconds(60));
  link_.Connect();
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(tries_, 1);
  EXPECT_THAT(told_, ElementsAre("ours"));
  EXPECT_TRUE(link_.status().ok());
  EXPECT_NE(link_.client(), nullptr);
}

TEST_F(ApiLinkTest, ConnectsInTheEndWhereNobodyAsksSooner) {
  link_.ConnectWithin(seconds(5));
  loop_.AdvanceBy(seconds(4));
  EXPECT_EQ(tries_, 0);
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(tries_, 1);
}

TEST_F(ApiLinkTest, TriesAgainUntilThereIsAClient) {
  answer_ = {Code::kFailedPrecondition, "no token"};
  link_.Connect();
  loop_.AdvanceBy(seconds(15));
  EXPECT_THAT(told_, ElementsAre("no token", "no token"));
  EXPECT_EQ(link_.status().message(), "no token");
  EXPECT_EQ(link_.client(), nullptr);
  answer_ = Status::Ok();
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(told_, ElementsAre("no token", "no token", "ours"));
}

TEST_F(ApiLinkTest, WhereNobodyNeedsItNothingIsAsked) {
  ApiLink none(loop_, nullptr, Owner());
  EXPECT_FALSE(none.wanted());
  none.Connect();
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(told_, IsEmpty());
}

}  // namespace
}  // namespace tranche::daemon
