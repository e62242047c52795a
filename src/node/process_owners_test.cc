#include "node/process_owners.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/testing/fake_loop.h"
#include "node/identity/testing/fake_proc.h"
#include "node/testing/pod_object.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Status;
using identity::testing::FakeProc;
using identity::testing::GroupText;
using sight::Holder;
using sight::Whose;

const std::string kUid = "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5";
const std::string kOtherUid = "0000000000000000000000000000000b";
const std::string kId(64, 'a');
const std::string kOtherId(64, 'b');
const identity::PodGroup kGroup{.pod_uid = kUid, .container_id = kId};
constexpr char kPods[] = "/api/v1/namespaces/team/pods/";

class ProcessOwnersTest : public ::testing::Test {
 protected:
  ProcessOwnersTest() {
    proc_->Put(7, GroupText(kUid, kId));
    proc_->Put(9, identity::testing::kHostGroup);
  }
  static Holder Main(const std::string& pod, const std::string& uid = kUid) {
    return {.pod_namespace = "team", .pod = pod, .container = "main", .pod_uid = uid};
  }
  void Put(const std::string& name, const testing::StaticPod& pod) {
    api_.Put(kPods + name, testing::PodObject(pod));
    loop_.RunPosted();
  }
  void Connect() {
    owners_->Connect(api_);
    loop_.RunPosted();
  }
  std::unique_ptr<ProcessOwners> New(const std::string& node_name) {
    auto proc = std::make_unique<FakeProc>();
    proc_ = proc.get();
    return std::make_unique<ProcessOwners>(
        loop_, std::move(proc), node_name,
        ProcessOwners::Owner{.status_changed = [this] { ++status_changes_; },
                             .pods_changed = [this] { ++pods_changes_; }});
  }
  // A look at the GPUs that showed these processes.
  void Look(const std::vector<unsigned>& pids) {
    gpu::DeviceUsage device{.uuid = "GPU-0"};
    device.processes.emplace();
    for (const unsigned pid : pids) device.processes->push_back({.pid = pid});
    owners_->UsageRead({.status = {}, .time_us = 1, .devices = {device}});
  }

  base::testing::FakeLoop loop_;
  apiserver::testing::FakeApi api_{loop_};
  FakeProc* proc_ = nullptr;
  int status_changes_ = 0;
  int pods_changes_ = 0;
  std::unique_ptr<ProcessOwners> owners_ = New("n");
};

TEST_F(ProcessOwnersTest, AProcessIsOfAContainerOrOfTheHostOrOfNobodyKnown) {
  Put("running", {.hash = kUid, .ids = {kId, kOtherId}});
  Connect();
  const Whose whose = owners_->WhoseIs(7);
  EXPECT_EQ(whose.kind, Whose::Kind::kPod);
  EXPECT_EQ(whose.holder, Main("running"));
  EXPECT_EQ(whose.unnamed_id, "");
  EXPECT_FALSE(whose.memory_only);
  EXPECT_EQ(owners_->WhoseIs(9).kind, Whose::Kind::kHost);
  EXPECT_EQ(owners_->WhoseIs(11).kind, Whose::Kind::kUnknown) << "there is no such process";
  EXPECT_TRUE(owners_->status().ok());
}

TEST_F(ProcessOwnersTest, BeforeTheApiServerTellsAPodGoesByItsUidUntilItsNameIsKnown) {
  EXPECT_EQ(owners_->status().message(), "not asked yet");
  const Whose whose = owners_->WhoseIs(7);
  EXPECT_EQ(whose.kind, Whose::Kind::kPod);
  EXPECT_EQ(
      whose.holder,
      (Holder{
          .pod_namespace = "", .pod = kUid, .container = std::string(12, 'a'), .pod_uid = kUid}));
  EXPECT_EQ(whose.unnamed_id, kId) << "whose it is may become known";
  EXPECT_EQ(owners_->Named(kGroup), std::nullopt);
  Connect();
  Put("running", {.hash = kUid, .ids = {}});
  EXPECT_EQ(owners_->Named(kGroup), std::nullopt) << "the pod is known, and not which container";
  EXPECT_EQ(owners_->WhoseIs(7).unnamed_id, kId);
  Put("running", {.hash = kUid, .ids = {kId}});
  EXPECT_EQ(owners_->Named(kGroup), Main("running"));
  EXPECT_EQ(owners_->WhoseIs(7).unnamed_id, "");
}

TEST_F(ProcessOwnersTest, OnlyThePodsOfThisNodeAreAskedFor) {
  Connect();
  Put("elsewhere", {.hash = kUid, .ids = {kId}, .node = "other"});
  EXPECT_EQ(owners_->Named(kGroup), std::nullopt);
  ASSERT_EQ(api_.watched().size(), 1U);
  EXPECT_EQ(api_.watched()[0].path, "/api/v1/pods");
  EXPECT_EQ(api_.watched()[0].field_selector, "spec.nodeName=n");
}

TEST_F(ProcessOwnersTest, WithoutANameOfTheNodeNobodyIsAskedAndNoNameIsWaitedFor) {
  owners_ = New("");
  proc_->Put(7, GroupText(kUid, kId));
  Put("running", {.hash = kUid, .ids = {kId}});
  const std::string why = owners_->status().message();
  EXPECT_THAT(why, ::testing::HasSubstr("--node-name"));
  Connect();
  owners_->CannotConnect(Status(Code::kUnavailable, "no config"));
  EXPECT_EQ(owners_->status().message(), why);
  EXPECT_TRUE(api_.watched().empty());
  const Whose whose = owners_->WhoseIs(7);
  EXPECT_EQ(whose.holder.pod, kUid);
  EXPECT_EQ(whose.unnamed_id, "");
}

TEST_F(ProcessOwnersTest, ItIsSaidWhyTheApiServerDoesNotTellAndWhatItToldStays) {
  owners_->CannotConnect(Status(Code::kUnavailable, "no config"));
  EXPECT_EQ(owners_->status().message(), "no config");
  Put("running", {.hash = kUid, .ids = {kId}});
  Connect();
  EXPECT_TRUE(owners_->status().ok());
  EXPECT_EQ(status_changes_, 1);
  api_.SetAway(true);
  loop_.RunPosted();
  EXPECT_FALSE(owners_->status().ok());
  EXPECT_EQ(status_changes_, 2);
  EXPECT_EQ(owners_->WhoseIs(7).holder, Main("running"));
  api_.SetAway(false);
  loop_.AdvanceBy(apiserver::testing::FakeApi::kWatchRetry);
  EXPECT_TRUE(owners_->status().ok());
  EXPECT_EQ(status_changes_, 3);
}

TEST_F(ProcessOwnersTest, ItIsToldOfPodsThatComeOrAreOthers) {
  Connect();
  EXPECT_EQ(pods_changes_, 1) << "all of them are listed";
  Put("running", {.hash = kUid, .ids = {}});
  EXPECT_EQ(pods_changes_, 2);
  Put("running", {.hash = kUid, .ids = {}, .memory = "1Gi"});
  EXPECT_EQ(pods_changes_, 3);
  EXPECT_EQ(owners_->pods().AskOf(kUid)->text, "1Gi");
}

TEST_F(ProcessOwnersTest, APodThatIsGoneKeepsItsNameForAWhileAndIsNotAlive) {
  Put("running", {.hash = kUid, .ids = {kId}});
  EXPECT_EQ(owners_->Alive(Main("running")), std::nullopt) << "nobody has told of it yet";
  Connect();
  EXPECT_EQ(owners_->Alive(Main("running")), true);
  api_.Remove(std::string(kPods) + "running");
  loop_.RunPosted();
  EXPECT_EQ(owners_->Alive(Main("running")), false);
  EXPECT_EQ(owners_->WhoseIs(7).holder, Main("running"));
  loop_.AdvanceBy(identity::kRememberGone);
  Put("another", {.hash = kOtherUid, .ids = {kOtherId}});
  EXPECT_EQ(owners_->Alive(Main("running")), std::nullopt);
  EXPECT_EQ(owners_->Named(kGroup), std::nullopt);
}

// One that is made again under its name is another pod, by its UID; by the name alone it is there.
TEST_F(ProcessOwnersTest, WhetherAPodIsAliveIsAskedByItsUidWhereThatIsKnown) {
  Connect();
  Put("running", {.hash = kUid, .ids = {kId}});
  api_.Remove(std::string(kPods) + "running");
  Put("running", {.hash = kOtherUid, .ids = {kOtherId}});
  EXPECT_EQ(owners_->Alive(Main("running")), false);
  EXPECT_EQ(owners_->Alive(Main("running", kOtherUid)), true);
  EXPECT_EQ(owners_->Alive(Main("running", "")), true);
  EXPECT_EQ(owners_->Alive(Main("never", "")), std::nullopt);
}

TEST_F(ProcessOwnersTest, APidThatIsUsedAgainIsNotTakenForItsFirstProcess) {
  Connect();
  Put("running", {.hash = kUid, .ids = {kId}});
  Put("next", {.hash = kOtherUid, .ids = {kOtherId}});
  EXPECT_EQ(owners_->WhoseIs(7).holder, Main("running"));
  proc_->Put(7, GroupText(kOtherUid, kOtherId), 2000);
  const Whose renewed = owners_->WhoseIs(7);
  EXPECT_EQ(renewed.holder, Main("next", kOtherUid));
  EXPECT_TRUE(renewed.memory_only) << "who has computed since the last look is not known";
  EXPECT_EQ(owners_->GroupOf(7).pod_uid, kOtherUid);
  EXPECT_FALSE(owners_->WhoseIs(7).memory_only);
}

TEST_F(ProcessOwnersTest, APidThatIsUsedAgainWhileItIsLookedAtIsNobodys) {
  proc_->OnRead([this](unsigned pid, std::string_view name) {
    if (pid == 7 && name == "cgroup") proc_->Put(7, GroupText(kOtherUid, kOtherId), 2000);
  });
  EXPECT_EQ(owners_->WhoseIs(7).kind, Whose::Kind::kUnknown);
  EXPECT_EQ(owners_->GroupOf(7).pod_uid, "");
}

TEST_F(ProcessOwnersTest, AProcessThatHasEndedIsKnownForOneLookMore) {
  (void)owners_->WhoseIs(7);
  Look({7});
  proc_->End(7);
  EXPECT_EQ(owners_->WhoseIs(7).kind, Whose::Kind::kPod) << "what it did since is counted";
  EXPECT_EQ(owners_->GroupOf(7), kGroup);
  Look({});
  EXPECT_EQ(owners_->GroupOf(7).pod_uid, "");
  EXPECT_EQ(owners_->WhoseIs(7).kind, Whose::Kind::kUnknown);
}

TEST_F(ProcessOwnersTest, AProcessThatEachLookShowsIsRemembered) {
  (void)owners_->WhoseIs(7);
  for (int i = 0; i < 3; ++i) Look({7});
  EXPECT_EQ(owners_->GroupOf(7), kGroup);
}

// A program that has ended is shown by its samples, and no longer among those that run.
TEST_F(ProcessOwnersTest, AProcessOfWhichThereAreOnlySamplesIsRemembered) {
  (void)owners_->WhoseIs(7);
  proc_->End(7);
  (void)owners_->WhoseIs(7);
  gpu::DeviceUsage device{.uuid = "GPU-0"};
  device.process_samples.emplace();
  device.process_samples->push_back({.pid = 7});
  owners_->UsageRead({.status = {}, .time_us = 1, .devices = {device}});
  EXPECT_EQ(owners_->GroupOf(7), kGroup);
}

TEST_F(ProcessOwnersTest, AProcessOfTheHostAndOneThatNobodyAskedForAreOfNoPod) {
  (void)owners_->WhoseIs(9);
  EXPECT_EQ(owners_->GroupOf(9).pod_uid, "");
  EXPECT_EQ(owners_->GroupOf(7).pod_uid, "") << "sight has not asked for it";
}

}  // namespace
}  // namespace tranche::node
