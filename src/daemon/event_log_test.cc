#include "daemon/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/testing/fake_api.h"
#include "base/testing/fake_loop.h"

namespace tranche::daemon {
namespace {

using ::testing::MatchesRegex;
using ::testing::SizeIs;
using ::testing::StartsWith;

class EventLogTest : public ::testing::Test {
 protected:
  base::testing::FakeLoop loop_;
  int changes_ = 0;
  EventLog log_{loop_, "", [this] { ++changes_; }};
};

TEST_F(EventLogTest, KeepsWhatHappenedInItsOrder) {
  log_.Raise(EventType::kNormal, "ConfigApplied", "one");
  log_.raiser()(EventType::kWarning, "ConfigRejected", "two");
  ASSERT_THAT(log_.events(), SizeIs(2));
  EXPECT_EQ(log_.events()[0].message, "one");
  EXPECT_EQ(log_.events()[1].reason, "ConfigRejected");
  EXPECT_EQ(log_.events()[1].type, EventType::kWarning);
  EXPECT_EQ(changes_, 2);
}

TEST_F(EventLogTest, CountsARepeatAndOnlyThat) {
  log_.Raise(EventType::kWarning, "NoHttp", "taken");
  log_.Raise(EventType::kWarning, "NoHttp", "taken");
  log_.Raise(EventType::kWarning, "NoHttp", "denied");
  log_.Raise(EventType::kWarning, "NoHttp", "taken");
  ASSERT_THAT(log_.events(), SizeIs(3));
  EXPECT_EQ(log_.events()[0].count, 2U);
  EXPECT_EQ(log_.events()[2].count, 1U);
}

TEST_F(EventLogTest, ForgetsTheOldestWhenThereAreManyOfThem) {
  for (std::size_t i = 0; i <= EventLog::kMost; ++i) {
    log_.Raise(EventType::kNormal, "DeviceRecovered", std::to_string(i));
    loop_.AdvanceBy(std::chrono::seconds(1));
  }
  ASSERT_THAT(log_.events(), SizeIs(EventLog::kMost));
  EXPECT_EQ(log_.events().front().message, "1");
}

// A kubelet that asks for what cannot be had, thousands of times a second.
TEST_F(EventLogTest, AFloodOfOneReasonIsCutAndLeavesTheOthersTheirRoom) {
  log_.Raise(EventType::kWarning, "DeviceUnhealthy", "GPU-1: XID 79");
  for (int i = 0; i < 49'170; ++i) {
    log_.Raise(EventType::kWarning, "AllocationRefused", "no device " + std::to_string(i));
    loop_.AdvanceBy(std::chrono::microseconds(203));
  }
  const int most = 1 + static_cast<int>(EventLog::kBurst + 10 * EventLog::kPerSecond);
  EXPECT_LE(changes_, most);
  EXPECT_GE(changes_, most - 1);
  log_.Raise(EventType::kWarning, "DeviceUnhealthy", "GPU-2: XID 79");
  EXPECT_EQ(log_.events().back().message, "GPU-2: XID 79");
  loop_.AdvanceBy(std::chrono::seconds(1));
  log_.Raise(EventType::kWarning, "AllocationRefused", "no device at all");
  EXPECT_THAT(log_.events().back().message,
              MatchesRegex("no device at all \\([0-9]+ more like this came before and were left "
                           "out\\)"));
}

TEST_F(EventLogTest, AMessageFromOutsideIsEscapedAndCut) {
  log_.Raise(EventType::kWarning, "NoHttp", "\x1b[2J" + std::string(3000, 'x'));
  const std::string& message = log_.events().back().message;
  EXPECT_THAT(message, StartsWith("\\x1b[2Jxxx"));
  EXPECT_LE(message.size(), EventLog::kMaxMessage + 3);
}

TEST_F(EventLogTest, TellsKubernetesWhereItIsAsked) {
  EXPECT_EQ(log_.kubernetes_state(), "");
  apiserver::testing::FakeApi api(loop_);
  EventLog log(loop_, "gpu-node", [] {});
  EXPECT_EQ(log.kubernetes_state(), "not sent yet");
  log.Connect(api);
  log.Raise(EventType::kNormal, "ConfigApplied", "one");
  loop_.AdvanceBy(NodeEvents::kNormalSpread);
  EXPECT_EQ(log.kubernetes_state(), "sent");
}

}  // namespace
}  // namespace tranche::daemon
