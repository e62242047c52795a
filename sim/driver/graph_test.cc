#include "sim/driver/graph.h"

#include <gtest/gtest.h>

#include <set>

namespace tranche::sim::driver {
namespace {

using link::GraphNode;
using link::Work;

GraphNode Kernel(std::uint64_t length, std::vector<std::uint32_t> after = {}) {
  GraphNode node{.work = Work::kKernel,
                 .name = 0,
                 .amount = length,
                 .dependency_count = static_cast<std::uint32_t>(after.size()),
                 .dependencies = {}};
  std::copy(after.begin(), after.end(), node.dependencies);
  return node;
}

// Steps that come before each step, in its lane or because it waits.
std::vector<std::set<unsigned>> Before(const GraphPlan& plan) {
  std::vector<std::set<unsigned>> before(plan.steps.size());
  std::vector<int> last(plan.lanes, -1);
  for (unsigned i = 0; i < plan.steps.size(); ++i) {
    const auto add = [&](unsigned step) {
      before[i].insert(step);
      before[i].insert(before[step].begin(), before[step].end());
    };
    int& previous = last[plan.steps[i].lane];
    if (previous >= 0) add(static_cast<unsigned>(previous));
    if (plan.steps[i].after) add(*plan.steps[i].after);
    previous = static_cast<int>(i);
  }
  return before;
}

// Amounts, which tests make different, of the kernels before the one with `amount`.
std::set<std::uint64_t> KernelsBefore(const GraphPlan& plan, std::uint64_t amount) {
  const auto before = Before(plan);
  std::set<std::uint64_t> amounts;
  for (unsigned i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].amount != amount) continue;
    for (const unsigned step : before[i]) {
      if (plan.steps[step].work == Work::kKernel) amounts.insert(plan.steps[step].amount);
    }
  }
  return amounts;
}

TEST(GraphPlanTest, AChainIsOneLane) {
  const std::vector<GraphNode> nodes{Kernel(1), Kernel(2, {0}), Kernel(3, {1})};
  const auto plan = PlanGraph(nodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lanes, 1U);
  EXPECT_EQ(plan->steps.size(), 3U);
  EXPECT_EQ(plan->ends, (std::vector<unsigned>{2}));
}

TEST(GraphPlanTest, ADiamondKeepsItsOrderAndNoOther) {
  const std::vector<GraphNode> nodes{Kernel(1), Kernel(2, {0}), Kernel(3, {0}), Kernel(4, {1, 2})};
  const auto plan = PlanGraph(nodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lanes, 2U);
  EXPECT_EQ(KernelsBefore(*plan, 2), (std::set<std::uint64_t>{1}));
  EXPECT_EQ(KernelsBefore(*plan, 3), (std::set<std::uint64_t>{1}));
  EXPECT_EQ(KernelsBefore(*plan, 4), (std::set<std::uint64_t>{1, 2, 3}));
}

TEST(GraphPlanTest, MoreRootsThanLanesShareThem) {
  std::vector<GraphNode> nodes;
  for (unsigned i = 0; i < 3 * kMaxLanes; ++i) nodes.push_back(Kernel(i + 1));
  nodes.push_back(Kernel(1000, {0, 1, kMaxLanes, 2 * kMaxLanes}));
  const auto plan = PlanGraph(nodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lanes, kMaxLanes);
  const auto before = KernelsBefore(*plan, 1000);
  for (const std::uint64_t needed : {1U, 2U, kMaxLanes + 1, 2 * kMaxLanes + 1}) {
    EXPECT_TRUE(before.contains(needed)) << needed;
  }
}

TEST(GraphPlanTest, WhatIsNoGraphIsRefused) {
  EXPECT_FALSE(PlanGraph(std::vector{Kernel(1, {0})})) << "waits for itself";
  EXPECT_FALSE(PlanGraph(std::vector{Kernel(1, {1}), Kernel(2)})) << "waits for a later one";
  GraphNode many = Kernel(1);
  many.dependency_count = 5;
  EXPECT_FALSE(PlanGraph(std::vector{many}));
  for (const Work work :
       {Work::kHost, Work::kMark, Work::kGraph, static_cast<Work>(0), static_cast<Work>(77)}) {
    GraphNode node = Kernel(1);
    node.work = work;
    EXPECT_FALSE(PlanGraph(std::vector{node})) << static_cast<unsigned>(work);
  }
}

TEST(GraphPlanTest, NothingIsAGraph) {
  const auto plan = PlanGraph({});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lanes, 0U);
}

}  // namespace
}  // namespace tranche::sim::driver
