#include "sim/kubelet/checkpoint.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/testing/real_loop.h"

namespace tranche::sim {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  base::testing::TempDir folder_;
  std::string path_ = folder_ / "kubelet_internal_checkpoint";
  Checkpoint checkpoint_{{{"uid",
                           "main",
                           "nvidia.com/gpu",
                           {{-1, {"a"}}, {1, {"b", "c"}}},
                           std::string("\0\x01\xff bytes", 9)}},
                         {{"nvidia.com/gpu", {"a", "b", "c", "d"}}, {"none", {}}}};
};

TEST_F(CheckpointTest, ComesBackAsItWas) {
  for (const char* answer : {"", "1", "12", "123", "1234"}) {
    checkpoint_.entries[0].answer = answer;
    ASSERT_TRUE(SaveCheckpoint(path_, checkpoint_).ok());
    const auto loaded = LoadCheckpoint(path_);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(*loaded, checkpoint_);
  }
}

TEST_F(CheckpointTest, HasTheKubeletsLayout) {
  ASSERT_TRUE(SaveCheckpoint(path_, checkpoint_).ok());
  const std::string text = base::ReadFile(path_, 1 << 20).value();
  EXPECT_NE(text.find(R"("PodDeviceEntries":[{"PodUID":"uid","ContainerName":"main",)"
                      R"("ResourceName":"nvidia.com/gpu","DeviceIDs":{"-1":["a"],"1":["b","c"]},)"
                      R"("AllocResp":"AAH/IGJ5dGVz"}])"),
            std::string::npos)
      << text;
}

TEST_F(CheckpointTest, DamageIsNoticed) {
  EXPECT_EQ(LoadCheckpoint(path_).status().code(), base::Code::kNotFound);
  ASSERT_TRUE(SaveCheckpoint(path_, checkpoint_).ok());
  const std::string text = base::ReadFile(path_, 1 << 20).value();
  std::string changed = text;
  changed.replace(changed.find("\"b\""), 3, "\"x\"");
  for (const std::string& bad : {changed, text.substr(0, text.size() / 2), std::string("[]"),
                                 std::string(), std::string("{\"Data\":{},\"Checksum\":1}")}) {
    ASSERT_TRUE(base::WriteFileAtomic(path_, bad).ok());
    EXPECT_EQ(LoadCheckpoint(path_).status().code(), base::Code::kDataLoss) << bad;
  }
}

}  // namespace
}  // namespace tranche::sim
