#include "node/delivery/container_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "node/delivery/testing/fake_labels.h"

namespace tranche::node::delivery {
namespace {

using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(LabelForTest, WhatContainersMayUseStays) {
  for (const std::string label :
       {"system_u:object_r:container_file_t:s0", "unconfined_u:object_r:container_file_t:s0",
        "u:r:container_file_t"}) {
    EXPECT_EQ(LabelFor(label, ContainerUse::kRun), std::nullopt) << label;
    EXPECT_EQ(LabelFor(label, ContainerUse::kConnect), std::nullopt) << label;
  }
  EXPECT_EQ(LabelFor("system_u:object_r:container_ro_file_t:s0", ContainerUse::kRun), std::nullopt);
}

TEST(LabelForTest, WhatTheyMayNotIsGivenALabelOfTheirs) {
  EXPECT_EQ(LabelFor("system_u:object_r:var_lib_t:s0", ContainerUse::kRun),
            "system_u:object_r:container_ro_file_t:s0");
  EXPECT_EQ(LabelFor("system_u:object_r:var_lib_t:s0", ContainerUse::kConnect),
            "system_u:object_r:container_file_t:s0");
  // Nobody may connect to what may only be read.
  EXPECT_EQ(LabelFor("system_u:object_r:container_ro_file_t:s0", ContainerUse::kConnect),
            "system_u:object_r:container_file_t:s0");
}

TEST(LabelForTest, TheCategoriesOfOnePodAreTakenAway) {
  EXPECT_EQ(LabelFor("system_u:object_r:container_file_t:s0:c12,c345", ContainerUse::kConnect),
            "system_u:object_r:container_file_t:s0");
  EXPECT_EQ(LabelFor("system_u:object_r:container_file_t:s0-s0:c0.c1023", ContainerUse::kRun),
            "system_u:object_r:container_ro_file_t:s0");
}

TEST(LabelForTest, APolicyWithoutLevelsGetsNone) {
  EXPECT_EQ(LabelFor("system_u:object_r:var_lib_t", ContainerUse::kRun),
            "system_u:object_r:container_ro_file_t");
}

TEST(LabelForTest, NonsenseBecomesALabel) {
  EXPECT_EQ(LabelFor("", ContainerUse::kRun), "system_u:object_r:container_ro_file_t");
  EXPECT_EQ(LabelFor(":::", ContainerUse::kRun), "system_u:object_r:container_ro_file_t");
  EXPECT_EQ(LabelFor("unlabeled", ContainerUse::kRun), "unlabeled:object_r:container_ro_file_t");
}

class LetContainersUseTest : public ::testing::Test {
 protected:
  LetContainersUseTest() {
    for (const char* name : {"a", "b"}) std::ofstream(dir_ / name) << "text";
    labels_.on_disk[dir_ / "a"] = "system_u:object_r:container_ro_file_t:s0";
  }
  base::Status Use(ContainerUse use = ContainerUse::kRun) {
    return LetContainersUse(labels_, dir_.path(), use);
  }

  base::testing::TempDir dir_;
  testing::FakeLabels labels_;
};

TEST_F(LetContainersUseTest, TheFolderAndItsFilesAreLabelledOnce) {
  ASSERT_TRUE(Use().ok());
  const std::string label = "system_u:object_r:container_ro_file_t:s0";
  EXPECT_THAT(labels_.written, ElementsAre(Pair(dir_.path(), label), Pair(dir_ / "b", label)));
  labels_.written.clear();
  ASSERT_TRUE(Use().ok());
  EXPECT_THAT(labels_.written, IsEmpty());
}

TEST_F(LetContainersUseTest, WithoutSELinuxNothingIsTouched) {
  labels_.in_force = false;
  labels_.refuses = true;
  EXPECT_TRUE(Use().ok());
  EXPECT_THAT(labels_.written, IsEmpty());
}

TEST_F(LetContainersUseTest, WhereALabelCannotBeGivenItIsSaidWhichAndWhy) {
  labels_.refuses = true;
  const base::Status status = Use(ContainerUse::kConnect);
  EXPECT_EQ(status.code(), Code::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("container_file_t"));
  EXPECT_THAT(status.message(), HasSubstr(dir_.path()));
}

// This machine's own: with SELinux or without, asking does no harm.
TEST(KernelLabelsTest, AreAsked) {
  const base::testing::TempDir dir;
  std::ofstream(dir / "a") << "text";
  const auto labels = KernelLabels();
  const auto kinds = base::ReadFile("/proc/filesystems", 1U << 16U);
  ASSERT_TRUE(kinds.ok());
  EXPECT_EQ(labels->InForce(), kinds->find("selinuxfs") != std::string::npos);
  if (labels->InForce()) {
    EXPECT_TRUE(labels->Read(dir / "a").ok());
  } else {
    EXPECT_FALSE(labels->Read(dir / "a").ok());
    EXPECT_TRUE(LetContainersUse(*labels, dir.path(), ContainerUse::kRun).ok());
  }
  EXPECT_EQ(labels->Read(dir / "none").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace tranche::node::delivery
