#include "node/identity/pods.h"

#include <gtest/gtest.h>

#include <string>

#include "base/testing/fake_loop.h"

namespace tranche::node::identity {
namespace {

using base::Json;

const std::string kId(64, 'a');
const std::string kOtherId(64, 'b');

Json PodObject(const std::string& uid, const std::string& name, const std::string& status) {
  return Json::Parse(R"({"metadata": {"namespace": "team", "name": ")" + name + R"(", "uid": ")" +
                     uid + R"("}, "status": )" + status + "}")
      .value();
}

std::string Running(const std::string& container, const std::string& id) {
  return R"({"containerStatuses": [{"name": ")" + container +
         R"(", "containerID": "containerd://)" + id + R"("}]})";
}

class PodsTest : public ::testing::Test {
 protected:
  base::testing::FakeLoop loop_;
  Pods pods_{loop_};
};

TEST_F(PodsTest, AContainerIsKnownByItsId) {
  pods_.Changed(PodObject("u1", "trainer", Running("main", kId)));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}), (Owner{"team", "trainer", "main", "u1"}));
  EXPECT_EQ(pods_.OwnerOf({"u1", kOtherId}), (Owner{"team", "trainer", "", "u1"}));
  EXPECT_EQ(pods_.OwnerOf({"u1", ""}), (Owner{"team", "trainer", "", "u1"}));
}

TEST_F(PodsTest, TheOnlyContainerOfAPodIsKnownBeforeItsId) {
  const auto pod = [](const std::string& spec) {
    return Json::Parse(R"({"metadata": {"namespace": "team", "name": "trainer", "uid": "u1"},
        "spec": )" + spec +
                       "}")
        .value();
  };
  pods_.Changed(pod(R"({"containers": [{"name": "main"}]})"));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).container, "main");
  EXPECT_EQ(pods_.OwnerOf({"u1", ""}).container, "") << "the pod's own process";
  for (const char* more :
       {R"({"containers": [{"name": "main"}, {"name": "other"}]})",
        R"({"containers": [{"name": "main"}], "initContainers": [{"name": "first"}]})",
        R"({"containers": [{"name": "main"}], "ephemeralContainers": [{"name": "debug"}]})"}) {
    pods_.Changed(pod(more));
    EXPECT_EQ(pods_.OwnerOf({"u1", kId}).container, "") << more;
  }
}

TEST_F(PodsTest, InitContainersAndThoseForDebuggingAreKnownToo) {
  pods_.Changed(
      PodObject("u1", "trainer",
                R"({"initContainerStatuses": [{"name": "side-car", "containerID": "cri-o://)" +
                    kId + R"("}], "ephemeralContainerStatuses": [{"name": "debug", )" +
                    R"("containerID": "containerd://)" + kOtherId + R"("}]})"));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).container, "side-car");
  EXPECT_EQ(pods_.OwnerOf({"u1", kOtherId}).container, "debug");
}

TEST_F(PodsTest, APodThatIsNotKnownHasItsUidAlone) {
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}), (Owner{"", "", "", "u1"}));
}

TEST_F(PodsTest, AStaticPodIsFoundByTheHashOfItsManifest) {
  pods_.Changed(Json::Parse(R"({"metadata": {"namespace": "kube-system", "name": "probe-node1",
      "uid": "u1", "annotations": {"kubernetes.io/config.hash": "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5",
      "kubernetes.io/config.mirror": "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5"}}, "status": )" +
                            Running("probe", kId) + "}")
                    .value());
  const std::string hash = "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5";
  EXPECT_EQ(pods_.OwnerOf({hash, kId}), (Owner{"kube-system", "probe-node1", "probe", hash}));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).pod, "") << "no group is called so";
}

// Whoever may write a pod's annotations must not become another pod by them.
TEST_F(PodsTest, AHashInAnAnnotationAloneMakesNoStaticPod) {
  pods_.Changed(PodObject("victim", "trainer", Running("main", kId)));
  pods_.Changed(Json::Parse(R"({"metadata": {"namespace": "evil", "name": "thief", "uid": "u2",
      "annotations": {"kubernetes.io/config.hash": "victim", "kubernetes.io/config.mirror": "x"}}})")
                    .value());
  EXPECT_EQ(pods_.OwnerOf({"victim", kId}).pod, "trainer");
}

TEST_F(PodsTest, AContainerThatIsRestartedKeepsItsNameUnderBothIds) {
  pods_.Changed(PodObject("u1", "trainer", Running("main", kId)));
  pods_.Changed(PodObject("u1", "trainer", Running("main", kOtherId)));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).container, "main");
  EXPECT_EQ(pods_.OwnerOf({"u1", kOtherId}).container, "main");
}

TEST_F(PodsTest, APodThatHasGoneIsRememberedForAWhile) {
  pods_.Changed(PodObject("u1", "trainer", Running("main", kId)));
  pods_.Removed(PodObject("u1", "trainer", "{}"));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).container, "main");
  loop_.AdvanceBy(kRememberGone);
  pods_.Changed(PodObject("u2", "other", "{}"));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).pod, "");
  EXPECT_EQ(pods_.size(), 1U);
}

TEST_F(PodsTest, WhatAListLacksHasGone) {
  pods_.Changed(PodObject("u1", "trainer", "{}"));
  const Json list = Json::MakeArray({PodObject("u2", "other", "{}")});
  pods_.Listed(list.as_array());
  loop_.AdvanceBy(kRememberGone);
  pods_.Listed(list.as_array());
  EXPECT_EQ(pods_.size(), 1U);
  EXPECT_EQ(pods_.OwnerOf({"u2", ""}).pod, "other");
}

TEST_F(PodsTest, ANameIsGivenAgainOnlyByUid) {
  pods_.Changed(PodObject("u1", "db-0", Running("main", kId)));
  pods_.Removed(PodObject("u1", "db-0", "{}"));
  pods_.Changed(PodObject("u2", "db-0", Running("main", kOtherId)));
  EXPECT_EQ(pods_.OwnerOf({"u1", kId}).pod_uid, "u1");
  EXPECT_EQ(pods_.OwnerOf({"u2", kOtherId}).pod_uid, "u2");
}

TEST_F(PodsTest, TheirNumberIsBounded) {
  for (std::size_t i = 0; i < kMaxPods + 10; ++i) {
    pods_.Changed(PodObject("u" + std::to_string(i), "p", "{}"));
  }
  EXPECT_EQ(pods_.size(), kMaxPods);
}

TEST_F(PodsTest, APodIsAliveUntilItIsRemoved) {
  const Owner by_uid{.pod_uid = "u1"};
  const Owner by_name{.pod_namespace = "team", .pod = "trainer"};
  EXPECT_EQ(pods_.Alive(by_uid), std::nullopt);
  pods_.Changed(PodObject("u1", "trainer", Running("main", kId)));
  EXPECT_EQ(pods_.Alive(by_uid), true);
  EXPECT_EQ(pods_.Alive(by_name), true);
  pods_.Removed(PodObject("u1", "trainer", Running("main", kId)));
  EXPECT_EQ(pods_.Alive(by_uid), false);
  EXPECT_EQ(pods_.Alive(by_name), false);
  pods_.Changed(PodObject("u2", "trainer", Running("main", kOtherId)));
  EXPECT_EQ(pods_.Alive(by_uid), false);
  EXPECT_EQ(pods_.Alive(by_name), true) << "another pod of that name";
  pods_.Removed(PodObject("u2", "trainer", Running("main", kOtherId)));
  loop_.AdvanceBy(kRememberGone);
  pods_.Changed(PodObject("u3", "other", "{}"));
  EXPECT_EQ(pods_.Alive(by_name), std::nullopt) << "it is no longer remembered";
}

Json Asking(const std::string& annotations) {
  return Json::Parse(R"({"metadata": {"namespace": "team", "name": "trainer", "uid": "u1",
                          "annotations": )" +
                     annotations + "}}")
      .value();
}

TEST_F(PodsTest, WhatAnnotationsAskIsKeptAsFarAsItCanBeMeant) {
  EXPECT_EQ(pods_.AskOf("u1"), std::nullopt);
  pods_.Changed(Asking(R"({"other": "x", "tranche.dev/gpu-memory": "10Gi"})"));
  EXPECT_EQ(pods_.AskOf("u1"), (MemoryAsk{"10Gi", false}));
  pods_.Changed(Asking(R"({"tranche.dev/gpu-memory": ")" + std::string(1U << 20U, '9') +
                       R"(", "main.container.tranche.dev/gpu-memory": "1Gi"})"));
  EXPECT_EQ(pods_.AskOf("u1"), (MemoryAsk{std::string(kMaxAskBytes + 1, '9'), true}));
  pods_.Changed(Asking(R"({"tranche.dev/gpu-memory": 10})"));
  EXPECT_EQ(pods_.AskOf("u1"), MemoryAsk{}) << "no text";
  pods_.Changed(Asking("{}"));
  EXPECT_EQ(pods_.AskOf("u1"), MemoryAsk{});
}

std::string UidOfHolder(const Pods& pods, base::TimePoint asked) {
  std::vector<Held> held{{.pod_namespace = "team",
                          .pod = "trainer",
                          .container = "main",
                          .device = "GPU-0",
                          .replicas = 1,
                          .pod_uid = "stale"}};
  pods.WithUids(held, asked);
  return held[0].pod_uid;
}

// The kubelet names pods, and a name may be that of one pod now and of another one soon.
TEST_F(PodsTest, AHolderIsThePodOfThatNameThatWasThereWhenTheKubeletWasAsked) {
  loop_.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(UidOfHolder(pods_, loop_.Now()), "") << "not known";
  pods_.Changed(PodObject("u1", "trainer", Running("main", kId)));
  EXPECT_EQ(UidOfHolder(pods_, loop_.Now()), "") << "the answer may be older";
  loop_.AdvanceBy(std::chrono::seconds(1));
  const base::TimePoint asked = loop_.Now();
  EXPECT_EQ(UidOfHolder(pods_, asked), "u1");
  pods_.Removed(PodObject("u1", "trainer", Running("main", kId)));
  EXPECT_EQ(UidOfHolder(pods_, asked), "");
  loop_.AdvanceBy(std::chrono::seconds(1));
  pods_.Changed(PodObject("u2", "trainer", Running("main", kOtherId)));
  EXPECT_EQ(pods_.newest(), loop_.Now());
  EXPECT_EQ(UidOfHolder(pods_, asked), "") << "what the first pod held is not the second one's";
  loop_.AdvanceBy(std::chrono::seconds(1));
  pods_.Changed(PodObject("u2", "trainer", Running("main", kOtherId)));
  EXPECT_EQ(UidOfHolder(pods_, loop_.Now()), "u2");
  EXPECT_EQ(pods_.ObjectOf("u2")->name, "trainer");
  EXPECT_FALSE(pods_.ObjectOf("u3").has_value());
}

}  // namespace
}  // namespace tranche::node::identity
