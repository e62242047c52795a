#include "agent/serve/holders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>

#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "kubelet/testing/fake_kubelet.h"

namespace tranche::agent::serve {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class HoldersTest : public ::testing::Test {
 protected:
  void Make() {
    holders_ = std::make_unique<Holders>(*loop_, *link_, socket_, [this] { ++changes_; });
  }
  bool Until(const std::function<bool()>& holds) { return loop_.RunUntil(holds); }

  base::testing::TempDir dir_;
  const std::string socket_ = dir_ / "pod-resources.sock";
  base::testing::RealLoop loop_;
  kubelet::testing::FakeKubelet kubelet_{*loop_, dir_.path()};
  std::unique_ptr<kubelet::PluginLink> link_ = kubelet::NewPluginLink(*loop_);
  int changes_ = 0;
  std::unique_ptr<Holders> holders_;
};

TEST_F(HoldersTest, TellsWhoHoldsWhat) {
  kubelet_.ServePodResources(socket_);
  kubelet_.held = {{"nvidia.com/gpu", {"GPU-0::1", "GPU-0::0"}}, {"example.com/nic", {"eth0"}}};
  Make();
  EXPECT_TRUE(holders_->Possible());
  EXPECT_FALSE(holders_->known());
  EXPECT_FALSE(holders_->ever_known());
  ASSERT_TRUE(Until([&] { return holders_->known(); }));
  EXPECT_TRUE(holders_->ever_known());
  EXPECT_EQ(changes_, 1);
  EXPECT_THAT(holders_->held(),
              UnorderedElementsAre(Pair("nvidia.com/gpu", ElementsAre("GPU-0::0", "GPU-0::1")),
                                   Pair("example.com/nic", ElementsAre("eth0"))));
  EXPECT_EQ(holders_->HeldOf("nvidia.com/gpu"), 2);
  EXPECT_EQ(holders_->HeldOf("nvidia.com/other"), 0);
}

TEST_F(HoldersTest, OnlyAnAnswerThatDiffersIsNews) {
  kubelet_.ServePodResources(socket_);
  Make();
  ASSERT_TRUE(Until([&] { return holders_->known(); }));
  holders_->Refresh();
  ASSERT_TRUE(Until([&] { return kubelet_.list_calls == 2; }));
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(changes_, 1);
  kubelet_.held = {{"nvidia.com/gpu", {"GPU-0"}}};
  holders_->Refresh();
  ASSERT_TRUE(Until([&] { return changes_ == 2; }));
  EXPECT_EQ(holders_->HeldOf("nvidia.com/gpu"), 1);
}

TEST_F(HoldersTest, RequestsCloseTogetherAreOne) {
  kubelet_.ServePodResources(socket_);
  Make();
  for (int i = 0; i < 50; ++i) holders_->Refresh();
  ASSERT_TRUE(Until([&] { return holders_->known(); }));
  loop_.RunFor(milliseconds(150));
  EXPECT_EQ(kubelet_.list_calls, 1);
}

// A pod admitted while the list was being made is not in it.
TEST_F(HoldersTest, WhatHappensDuringAnAnswerIsAskedForAfterIt) {
  kubelet_.ServePodResources(socket_);
  kubelet_.holds_lists_back = true;
  Make();
  ASSERT_TRUE(Until([&] { return kubelet_.list_calls == 1; }));
  kubelet_.AnswerLists();
  holders_->Refresh();
  kubelet_.holds_lists_back = false;
  kubelet_.held = {{"nvidia.com/gpu", {"GPU-0"}}};
  EXPECT_TRUE(Until([&] { return holders_->HeldOf("nvidia.com/gpu") == 1; }));
  EXPECT_EQ(kubelet_.list_calls, 2);
}

TEST_F(HoldersTest, WithoutASocketNothingIsKnown) {
  Make();
  EXPECT_FALSE(holders_->Possible());
  EXPECT_EQ(holders_->status().code(), base::Code::kNotFound);
  EXPECT_THAT(holders_->status().message(), HasSubstr(socket_));
  loop_.RunFor(milliseconds(150));
  EXPECT_FALSE(holders_->known());
  EXPECT_THAT(holders_->held(), IsEmpty());
}

TEST_F(HoldersTest, WhenTheKubeletGoesTheLastAnswerIsKeptAndSaidToBeOld) {
  kubelet_.ServePodResources(socket_);
  kubelet_.held = {{"nvidia.com/gpu", {"GPU-0"}}};
  Make();
  ASSERT_TRUE(Until([&] { return holders_->known(); }));
  kubelet_.StopPodResources();
  holders_->Refresh();
  ASSERT_TRUE(Until([&] { return !holders_->known(); }));
  EXPECT_TRUE(holders_->ever_known());
  EXPECT_EQ(holders_->HeldOf("nvidia.com/gpu"), 1);
  EXPECT_EQ(changes_, 2);
  kubelet_.ServePodResources(socket_);
  holders_->Refresh();
  EXPECT_TRUE(Until([&] { return holders_->known(); }));
}

TEST_F(HoldersTest, EndsWhileAnAnswerIsOnItsWay) {
  kubelet_.ServePodResources(socket_);
  kubelet_.holds_lists_back = true;
  Make();
  ASSERT_TRUE(Until([&] { return kubelet_.list_calls == 1; }));
  holders_.reset();
  kubelet_.AnswerLists();
  loop_.RunFor(milliseconds(50));
  EXPECT_EQ(changes_, 0);
}

TEST(HoldersPathTest, NoPathIsNeverAsked) {
  base::testing::FakeLoop loop;
  const auto link = kubelet::NewPluginLink(loop);
  Holders holders(loop, *link, "", [] { ADD_FAILURE(); });
  holders.Refresh();
  holders.SetUrgent(true);
  EXPECT_FALSE(holders.Possible());
  EXPECT_FALSE(holders.known());
  EXPECT_EQ(loop.timer_count(), 0U);
}

}  // namespace
}  // namespace tranche::agent::serve
