#include "labels/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace tranche::labels {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

class Recorder : public LabelOutlet {
 public:
  explicit Recorder(std::vector<Labels>& seen) : seen_(seen) {}
  void Publish(const Labels& labels) override { seen_.push_back(labels); }

 private:
  std::vector<Labels>& seen_;
};

TEST(LabelPublisherTest, PublishesWhatFollowsFromThePlanAndOnlyNews) {
  std::vector<Labels> seen;
  LabelPublisher publisher("/nowhere");
  publisher.Attach(std::make_unique<Recorder>(seen));
  config::Config config;
  gpu::Inventory node;
  node.gpus.push_back({.uuid = "GPU-0", .name = "T4"});
  plan::Plan plan;
  publisher.Update(config, node, &plan);
  publisher.Update(config, node, &plan);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_THAT(seen[0], Contains(Pair("nvidia.com/gpu.product", "T4")));
  EXPECT_THAT(seen[0], Contains(Key(kTimestampLabel)));
  config.flags.gfd.no_timestamp = true;
  publisher.Update(config, node, &plan);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_THAT(seen[1], Not(Contains(Key(kTimestampLabel))));
  publisher.Restart();
  publisher.Update(config, node, &plan);
  EXPECT_EQ(seen.size(), 3U);
}

TEST(LabelPublisherTest, AnOutletThatComesLaterGetsWhatThereIs) {
  std::vector<Labels> seen;
  LabelPublisher publisher("/nowhere");
  publisher.Withdraw();
  publisher.Update({}, {}, nullptr);
  EXPECT_THAT(publisher.labels(), Contains(Key(kTimestampLabel)));
  publisher.Attach(std::make_unique<Recorder>(seen));
  EXPECT_THAT(seen, ElementsAre(publisher.labels()));
}

}  // namespace
}  // namespace tranche::labels
