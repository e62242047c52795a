#include "daemon/node_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/testing/fake_api.h"
#include "apiserver/testing/object_patch.h"
#include "base/json_read.h"
#include "base/testing/fake_loop.h"

namespace tranche::daemon {
namespace {

using apiserver::Method;
using apiserver::testing::FakeApi;
using base::Code;
using base::Json;
using base::TextAt;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kEvents[] = "/api/v1/namespaces/default/events";

class NodeEventsTest : public ::testing::Test {
 protected:
  NodeEventsTest() { events_.Connect(api_); }
  void Raise(const std::string& message, const std::string& time = "2026-01-01T00:00:00Z") {
    events_.Raise({.type = EventType::kWarning,
                   .reason = "ConfigRejected",
                   .message = message,
                   .wall_time = time});
  }
  std::vector<Json> Settle(base::Duration time = NodeEvents::kWarningSpread) {
    loop_.AdvanceBy(time);
    return api_.List(kEvents);
  }
  std::int64_t CountOf(const Json& event) { return event.Find("count")->as_int(); }

  base::testing::FakeLoop loop_;
  FakeApi api_{loop_};
  int changes_ = 0;
  NodeEvents events_{loop_, "gpu-node", [this] { ++changes_; }};
};

TEST_F(NodeEventsTest, OneIsOnTheNodeAsKubectlLooksForIt) {
  Raise("profile 'typo': specified config typo does not exist");
  EXPECT_EQ(api_.requests().size(), 0U) << "never within the call";
  const auto all = Settle();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "kind"}), "Node");
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "name"}), "gpu-node");
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "uid"}), "gpu-node");
  EXPECT_EQ(TextAt(all[0], {"metadata", "namespace"}), "default");
  EXPECT_THAT(TextAt(all[0], {"metadata", "name"}), StartsWith("gpu-node."));
  EXPECT_EQ(TextAt(all[0], "reason"), "ConfigRejected");
  EXPECT_EQ(TextAt(all[0], "type"), "Warning");
  EXPECT_EQ(TextAt(all[0], {"source", "component"}), "tranche");
  EXPECT_EQ(TextAt(all[0], "message"), "profile 'typo': specified config typo does not exist");
  EXPECT_EQ(CountOf(all[0]), 1);
  EXPECT_EQ(events_.state(), "sent");
}

TEST_F(NodeEventsTest, RepeatsAreCountedInOne) {
  Raise("x", "2026-01-01T00:00:00Z");
  Settle();
  for (int i = 0; i < 100; ++i) Raise("x", "2026-01-01T00:00:05Z");
  const auto all = Settle(seconds(11));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(CountOf(all[0]), 101);
  EXPECT_EQ(TextAt(all[0], "firstTimestamp"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(TextAt(all[0], "lastTimestamp"), "2026-01-01T00:00:05Z");
  EXPECT_EQ(api_.Count(Method::kPatch, kEvents), 1);
  Settle(minutes(11));
  Raise("x");
  EXPECT_EQ(Settle().size(), 2U) << "long after, it is another";
}

TEST_F(NodeEventsTest, AStormIsRateLimitedAndBounded) {
  for (int i = 0; i < 1000; ++i) Raise("message " + std::to_string(i));
  EXPECT_EQ(Settle().size(), 10U);
  EXPECT_EQ(Settle(minutes(1)).size(), 20U);
  EXPECT_EQ(Settle(minutes(60)).size(), NodeEvents::kMaxKept);
}

TEST(NodeEventsOfAFleetTest, WhatAllSayAtOnceIsSpread) {
  base::testing::FakeLoop loop;
  FakeApi api(loop);
  std::vector<std::unique_ptr<NodeEvents>> fleet;
  for (int i = 0; i < 1000; ++i) {
    fleet.push_back(std::make_unique<NodeEvents>(loop, "n" + std::to_string(i), [] {}));
    fleet.back()->Connect(api);
  }
  loop.AdvanceBy(seconds(1));
  for (const auto& node : fleet) {
    node->Raise({.type = EventType::kNormal, .reason = "A", .message = "m", .wall_time = "t"});
  }
  std::size_t before = 0;
  for (int second = 0; second < 10; ++second) {
    loop.AdvanceBy(seconds(1));
    const std::size_t now = api.List(kEvents).size();
    EXPECT_LE(now - before, 200U) << "in second " << second;
    before = now;
  }
  EXPECT_EQ(before, 1000U);
}

TEST_F(NodeEventsTest, ALongOrHostileMessageIsCutAndEscaped) {
  Raise("a\n\x1b[31m" + std::string(5000, 'x'));
  const auto all = Settle();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_LE(TextAt(all[0], "message").size(), 1024U);
  EXPECT_THAT(TextAt(all[0], "message"), StartsWith("a\\n\\x1b"));
}

TEST_F(NodeEventsTest, AnAccountThatMayNotIsAskedAgainLater) {
  api_.Deny(Method::kPost, kEvents);
  Raise("x");
  Settle();
  EXPECT_EQ(events_.state(), "not permitted");
  for (int i = 0; i < 50; ++i) Raise("y" + std::to_string(i));
  Settle(minutes(9));
  EXPECT_EQ(api_.requests().size(), 1U);
  api_.StopFailing();
  Settle(minutes(2));
  Raise("z");
  EXPECT_EQ(Settle().size(), 1U);
  EXPECT_EQ(events_.state(), "sent");
}

TEST_F(NodeEventsTest, WhileTheServerIsAwayTheyWait) {
  api_.SetAway(true);
  for (int i = 0; i < 200; ++i) Raise("message " + std::to_string(i));
  Settle(minutes(30));
  EXPECT_THAT(events_.state(), HasSubstr("waiting: connection refused"));
  EXPECT_LE(api_.requests().size(), 40U) << "it is asked less and less often";
  api_.SetAway(false);
  EXPECT_EQ(Settle(minutes(20)).size(), NodeEvents::kMaxKept);
  EXPECT_EQ(events_.state(), "sent");
}

TEST_F(NodeEventsTest, OneThatTheServerHasForgottenIsMadeAgain) {
  Raise("x");
  const auto first = Settle();
  api_.Remove(std::string(kEvents) + "/" + TextAt(first[0], {"metadata", "name"}));
  Raise("x");
  const auto all = Settle(seconds(30));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(CountOf(all[0]), 2);
}

TEST_F(NodeEventsTest, WhatTheServerDoesNotTakeIsDropped) {
  api_.Fail(Method::kPost, kEvents, {Code::kInvalidArgument, "bad"}, 1);
  Raise("x");
  Raise("y");
  const auto all = Settle(minutes(1));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(TextAt(all[0], "message"), "y");
  EXPECT_EQ(api_.requests().size(), 2U);
}

TEST(NodeEventsBeforeConnectTest, TheyAreKept) {
  base::testing::FakeLoop loop;
  FakeApi api(loop);
  NodeEvents events(loop, "n", [] {});
  events.Raise({.type = EventType::kNormal, .reason = "A", .message = "m", .wall_time = "t"});
  loop.AdvanceBy(minutes(1));
  events.Connect(api);
  loop.AdvanceBy(seconds(1));
  EXPECT_EQ(api.List(kEvents).size(), 1U);
}

constexpr char kPodEvents[] = "/api/v1/namespaces/team/events";

Event OnPod(const std::string& message) {
  return {.type = EventType::kWarning,
          .reason = "MemoryLimitReduced",
          .message = message,
          .wall_time = "2026-01-01T00:00:00Z",
          .pod = EventPod{"team", "trainer", "u1"}};
}

TEST_F(NodeEventsTest, OneOnAPodLiesBesideItAsKubectlLooksForIt) {
  events_.Raise(OnPod("less"));
  EXPECT_EQ(Settle().size(), 0U) << "none on the node";
  const auto all = api_.List(kPodEvents);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "kind"}), "Pod");
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "namespace"}), "team");
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "name"}), "trainer");
  EXPECT_EQ(TextAt(all[0], {"involvedObject", "uid"}), "u1");
  EXPECT_EQ(TextAt(all[0], {"metadata", "namespace"}), "team");
  EXPECT_EQ(TextAt(all[0], {"source", "host"}), "gpu-node");
}

// Where a namespace ends, the server takes no new Events in it.
TEST_F(NodeEventsTest, OneOnAPodThatMayNotBeWrittenKeepsNoOtherBack) {
  api_.Deny(Method::kPost, kPodEvents);
  for (int i = 0; i < 5; ++i) events_.Raise(OnPod(std::to_string(i)));
  Raise("on the node");
  EXPECT_EQ(Settle().size(), 1U);
  EXPECT_EQ(api_.Count(Method::kPost, kPodEvents), 5);
}

}  // namespace
}  // namespace tranche::daemon
