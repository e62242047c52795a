#include "node/identity/cgroup.h"

#include <gtest/gtest.h>

#include <string>

namespace tranche::node::identity {
namespace {

const std::string kUid = "0f6ad2e3-5d8c-4c0e-9a58-3f2b7c1d4e5f";
const std::string kSystemdUid = "0f6ad2e3_5d8c_4c0e_9a58_3f2b7c1d4e5f";
const std::string kOtherUid = "11111111-2222-3333-4444-555555555555";
const std::string kId(64, 'a');
const std::string kOtherId(64, 'b');
const PodGroup kContainer{kUid, kId};

TEST(CgroupTest, TheTreeOfSystemd) {
  EXPECT_EQ(ReadPodGroup("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" +
                         kSystemdUid + ".slice/cri-containerd-" + kId + ".scope\n")
                .value(),
            kContainer);
  EXPECT_EQ(ReadPodGroup("0::/kubepods.slice/kubepods-pod" + kSystemdUid + ".slice/crio-" + kId +
                         ".scope/container\n")
                .value(),
            kContainer);
}

TEST(CgroupTest, TheTreeOfCgroupfs) {
  EXPECT_EQ(ReadPodGroup("0::/kubepods/besteffort/pod" + kUid + "/" + kId + "\n").value(),
            kContainer);
  EXPECT_EQ(ReadPodGroup("0::/kubepods/pod" + kUid + "/" + kId).value(), kContainer);
}

TEST(CgroupTest, TheTreesOfTheFirstVersionMustAgree) {
  const std::string path = "/kubepods/burstable/pod" + kUid + "/" + kId;
  EXPECT_EQ(ReadPodGroup("12:memory:" + path + "\n3:cpu,cpuacct:" + path + "\n2:rdma:/\n" +
                         "1:name=systemd:" + path + "\n0::/system.slice/containerd.service\n")
                .value(),
            kContainer);
  const std::string other = "/kubepods/burstable/pod" + kOtherUid + "/" + kId;
  EXPECT_EQ(ReadPodGroup("12:memory:" + path + "\n1:name=systemd:" + other + "\n").status().code(),
            base::Code::kInvalidArgument);
  const std::string other_container = "/kubepods/burstable/pod" + kUid + "/" + kOtherId;
  EXPECT_EQ(ReadPodGroup("12:memory:" + path + "\n0::" + other_container + "\n").status().code(),
            base::Code::kInvalidArgument);
}

TEST(CgroupTest, ATreeBelowARootOfTheKubeletsOwn) {
  EXPECT_EQ(ReadPodGroup("0::/gpu/nodes/kubepods/pod" + kUid + "/" + kId + "\n").value(),
            kContainer);
  EXPECT_EQ(ReadPodGroup("0::/kubelet.slice/kubelet-kubepods.slice/"
                         "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" +
                         kSystemdUid + ".slice/cri-containerd-" + kId + ".scope\n")
                .value(),
            kContainer);
  EXPECT_EQ(ReadPodGroup("0::/docker/" + kOtherId + "/kubelet/kubepods/burstable/pod" + kUid + "/" +
                         kId + "\n")
                .value(),
            kContainer);
}

TEST(CgroupTest, AGroupThatRuntimeAndKubeletNameTogether) {
  EXPECT_EQ(ReadPodGroup("0::/system.slice/containerd.service/kubepods-besteffort-pod" +
                         kSystemdUid + ".slice:cri-containerd:" + kId + "\n")
                .value(),
            kContainer);
}

// As a real kubelet (1.37) and containerd (2.4) made it for a pod with `hostUsers: false`, whose
// process had the uid map "0 3537698816 65536": the groups are those of any other pod.
TEST(CgroupTest, APodWithAUserNamespaceOfItsOwn) {
  const std::string uid = "790b2bda-db37-4d85-98b8-da7d5ea3eab8";
  const std::string id = "2d27ddaffa1a0d691baaab12abbf688e51905c4de83a39742afab49daae59d4e";
  const std::string path =
      "/tranche-cluster-32596/dev-gpu-node/kubepods/besteffort/pod" + uid + "/" + id + "\n";
  std::string text;
  for (const char* hierarchy :
       {"9:name=systemd:", "8:pids:", "7:blkio:", "6:freezer:", "5:devices:", "4:memory:",
        "3:cpuset:", "2:cpuacct:", "1:cpu:", "0::"}) {
    text += hierarchy + path;
  }
  EXPECT_EQ(ReadPodGroup(text).value(), (PodGroup{uid, id}));
}

TEST(CgroupTest, AStaticPodIsKnownByTheHashOfItsManifest) {
  const std::string hash = "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5";
  EXPECT_EQ(ReadPodGroup("0::/kubepods/burstable/pod" + hash + "/" + kId).value(),
            (PodGroup{hash, kId}));
  EXPECT_EQ(ReadPodGroup("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" +
                         hash + ".slice/cri-containerd-" + kId + ".scope")
                .value(),
            (PodGroup{hash, kId}));
}

TEST(CgroupTest, WhatIsNoContainersIsThePodsOwn) {
  EXPECT_EQ(ReadPodGroup("0::/kubepods/pod" + kUid).value(), (PodGroup{kUid, ""}));
  EXPECT_EQ(ReadPodGroup("0::/kubepods.slice/kubepods-pod" + kSystemdUid + ".slice/crio-conmon-" +
                         kId + ".scope")
                .value(),
            (PodGroup{kUid, ""}));
}

TEST(CgroupTest, GroupsThatAPodMakesBelowItsOwnAreIgnored) {
  const std::string own = "0::/kubepods/pod" + kUid + "/" + kId;
  EXPECT_EQ(ReadPodGroup(own + "/kubepods/pod" + kOtherUid + "/" + kOtherId).value(), kContainer);
  EXPECT_EQ(ReadPodGroup(own +
                         "/kubepods.slice/kubepods-pod11111111_2222_3333_4444_555555555555"
                         ".slice/cri-containerd-" +
                         kOtherId + ".scope")
                .value(),
            kContainer);
  // Also where the container makes one beside the group that the runtime has given it.
  EXPECT_EQ(ReadPodGroup("0::/kubepods/pod" + kUid + "/pod" + kOtherUid + "/" + kOtherId).value(),
            (PodGroup{kUid, ""}));
}

TEST(CgroupTest, AProcessOfTheHostIsInNoPod) {
  for (const std::string path :
       {"/", "/system.slice/sshd.service", "/user.slice/user-0.slice/session-1.scope",
        "/kubepods.slice", "/kubepods/burstable", "/init.scope"}) {
    EXPECT_EQ(ReadPodGroup("0::" + path + "\n").status().code(), base::Code::kNotFound) << path;
  }
  EXPECT_EQ(ReadPodGroup("").status().code(), base::Code::kNotFound);
  // A service may be called like a pod's group; it does not lie below the kubelet's.
  EXPECT_EQ(ReadPodGroup("0::/system.slice/pod" + kUid + "/" + kId).status().code(),
            base::Code::kNotFound);
  EXPECT_EQ(
      ReadPodGroup("0::/system.slice/mykubepods-pod" + kSystemdUid + ".slice").status().code(),
      base::Code::kNotFound);
}

// What a container reads that has a control group namespace of its own, as the kernel wrote it.
TEST(CgroupTest, PathsAreReadFromWithinANamespace) {
  const std::string up = "0::/../..";
  EXPECT_EQ(ReadPodGroup(up + "/pod" + kUid + "/" + kId + "\n").value(), kContainer)
      << "of the same quality of service";
  EXPECT_EQ(ReadPodGroup(up + "/../pod" + kUid + "/" + kId + "\n").value(), kContainer)
      << "a guaranteed one";
  EXPECT_EQ(ReadPodGroup(up + "/../burstable/pod" + kUid + "/" + kId + "\n").value(), kContainer);
  EXPECT_EQ(ReadPodGroup(up + "/kubepods-besteffort-pod" + kSystemdUid + ".slice/cri-containerd-" +
                         kId + ".scope\n")
                .value(),
            kContainer);
  EXPECT_EQ(ReadPodGroup(up + "/../kubepods-burstable.slice/kubepods-burstable-pod" + kSystemdUid +
                         ".slice/crio-" + kId + ".scope/container\n")
                .value(),
            kContainer);
  EXPECT_EQ(ReadPodGroup(up + "/../../kubepods/pod" + kUid + "/" + kId + "\n").value(), kContainer);
  for (const std::string host : {"", "/..", "/../../..", "/../../system.slice/sshd.service",
                                 "/../../../docker/0123", "/../../system.slice/pod"}) {
    EXPECT_EQ(ReadPodGroup(up + host + "\n").status().code(), base::Code::kNotFound) << host;
  }
  EXPECT_EQ(ReadPodGroup(up + "/../../system.slice/pod" + kUid + "/" + kId).status().code(),
            base::Code::kNotFound)
      << "a service may be called like a pod";
}

TEST(CgroupTest, GroupsThatAPodMakesAreIgnoredFromWithinANamespaceToo) {
  const std::string own = "0::/../../pod" + kUid + "/" + kId;
  EXPECT_EQ(ReadPodGroup(own + "/kubepods/pod" + kOtherUid + "/" + kOtherId).value(), kContainer);
  EXPECT_EQ(ReadPodGroup("0::/../../pod" + kUid + "/pod" + kOtherUid + "/" + kOtherId).value(),
            (PodGroup{kUid, ""}));
}

TEST(CgroupTest, UpAfterANameIsRefused) {
  EXPECT_EQ(ReadPodGroup("0::/kubepods/../kubepods/pod" + kUid).status().code(),
            base::Code::kInvalidArgument);
  EXPECT_EQ(ReadPodGroup("0::/../a/../pod" + kUid).status().code(), base::Code::kInvalidArgument);
}

TEST(CgroupTest, WhatTheKernelWouldNotWriteIsRefused) {
  EXPECT_EQ(ReadPodGroup("nonsense\n").status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(ReadPodGroup("0::relative\n").status().code(), base::Code::kInvalidArgument);
  std::string deep = "0::";
  for (int i = 0; i < 1000; ++i) deep += "/a";
  EXPECT_EQ(ReadPodGroup(deep).status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(ReadPodGroup(std::string(100'000, 'x')).status().code(), base::Code::kInvalidArgument);
}

TEST(CgroupTest, AUidThatIsNoneIsNone) {
  for (const std::string uid :
       {"", "x", "0f6ad2e3-5d8c-4c0e-9a58-3f2b7c1d4e5", "0f6ad2e35d8c",
        "0F6AD2E3-5D8C-4C0E-9A58-3F2B7C1D4E5F", "0f6ad2e3_5d8c_4c0e_9a58_3f2b7c1d4e5f"}) {
    EXPECT_EQ(ReadPodGroup("0::/kubepods/pod" + uid + "/" + kId).status().code(),
              base::Code::kNotFound)
        << uid;
  }
}

}  // namespace
}  // namespace tranche::node::identity
