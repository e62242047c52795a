#include "node/identity/given.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/testing/inventories.h"

namespace tranche::node::identity {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class GivenTest : public ::testing::Test {
 protected:
  GivenTest() { given_.SetInventory(gpu::testing::Gpus(2)); }
  void Answer(std::vector<kubelet::Holding> holdings) {
    given_.SetAnswer(std::move(holdings),
                     {{{"nvidia.com/gpu", {"GPU-0::0", "GPU-0::1", "GPU-1::0"}}}});
  }
  Given given_;
};

const kubelet::Holding kOfA{"ns", "a", "main", "nvidia.com/gpu", {"GPU-0::0", "GPU-0::1"}};
const kubelet::Holding kOfB{"ns", "b", "main", "nvidia.com/gpu", {"GPU-1::0"}};

TEST_F(GivenTest, AnAnswerInAnotherOrderIsTheSameAndAnyOtherIsNot) {
  Answer({kOfA, kOfB});
  EXPECT_THAT(given_.held(), ElementsAre(Held{"ns", "a", "main", "GPU-0", 2, 2, ""},
                                         Held{"ns", "b", "main", "GPU-1", 1, 1, ""}));
  const std::uint64_t version = given_.version();
  Answer({kOfB, {"ns", "a", "main", "nvidia.com/gpu", {"GPU-0::1", "GPU-0::0"}}});
  EXPECT_EQ(given_.version(), version);
  Answer({kOfB});
  EXPECT_NE(given_.version(), version);
  EXPECT_THAT(given_.held(), ElementsAre(Held{"ns", "b", "main", "GPU-1", 1, 1, ""}));
  EXPECT_EQ(given_.shares().at("GPU-0").free, 2);
}

TEST_F(GivenTest, DevicesThatChangeAreSeenInTheAnswerThatIsThere) {
  Answer({kOfA, kOfB});
  const std::uint64_t version = given_.version();
  given_.SetInventory(gpu::testing::Gpus(2));
  EXPECT_EQ(given_.version(), version);
  given_.SetInventory(gpu::testing::Gpus(1));
  EXPECT_NE(given_.version(), version);
  EXPECT_THAT(given_.held(), ElementsAre(Held{"ns", "a", "main", "GPU-0", 2, 2, ""}));
  EXPECT_FALSE(given_.shares().contains("GPU-1"));
}

TEST_F(GivenTest, OffersThatAreNoLongerToldLeaveNoShares) {
  Answer({kOfA});
  EXPECT_EQ(given_.shares().at("GPU-0").held, 2);
  given_.SetAnswer({kOfA}, std::nullopt);
  EXPECT_THAT(given_.shares(), IsEmpty());
  EXPECT_THAT(given_.held(), ElementsAre(Held{"ns", "a", "main", "GPU-0", 2, 2, ""}));
}

}  // namespace
}  // namespace tranche::node::identity
