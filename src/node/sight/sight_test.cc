#include "node/sight/sight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "base/testing/heap.h"
#include "gpu/testing/inventories.h"
#include "node/sight/testing/sight_case.h"

namespace tranche::node::sight {
namespace {

using ::testing::IsEmpty;
using testing::kGi;
using testing::kStart;
using testing::PodNamed;
using ::testing::SizeIs;
using SightTest = testing::SightTest;

TEST_F(SightTest, GoingOverTheLimitIsCountedOnceEachTime) {
  sight_.SetShares({{"GPU-0", {.device_bytes = 8 * kGi, .limit_bytes = 2 * kGi}}});
  sight_.SetHeld(std::vector<identity::Held>{{"team", "a", "main", "GPU-0", 2, 2, ""},
                                             {"team", "b", "main", "GPU-0", 1, 1, ""}});
  Put(7, 4 * kGi);
  Put(8, 2 * kGi + 1);
  for (int i = 0; i < 3; ++i) Second({});
  EXPECT_EQ(Of("a").memory_limit, 4 * kGi) << "two shares";
  EXPECT_EQ(Of("a").would_refuse, 0U) << "just as much as it may";
  EXPECT_EQ(Of("b").memory_limit, 2 * kGi);
  EXPECT_EQ(Of("b").would_refuse, 1U) << "it stays over it";
  Put(8, kGi);
  Second({});
  Put(8, 3 * kGi);
  Second({});
  EXPECT_EQ(Of("b").would_refuse, 2U);
  sight_.SetHeld(std::nullopt);
  Second({});
  EXPECT_EQ(Of("b").memory_limit, std::nullopt) << "nobody says how many shares it has";
  sight_.SetHeld(std::vector<identity::Held>{{"team", "b", "main", "GPU-0", 1, 1, ""}});
  Second({});
  EXPECT_EQ(Of("b").would_refuse, 2U) << "it was over it all the while";
}

TEST_F(SightTest, AGrantHoldsThroughLooksThatBringNothingNew) {
  const Holder told{.pod_namespace = "team", .pod = "c", .container = "main", .pod_uid = ""};
  sight_.SetShares({{"GPU-0", {.device_bytes = 8 * kGi, .limit_bytes = 2 * kGi}}});
  sight_.SetHeld(std::vector<identity::Held>{{"team", "c", "main", "GPU-0", 1, 1, ""}});
  // Longer than what is known of nobody is kept.
  for (std::uint64_t us = 0; us < 2 * Sight::kForgetUs; us += 1'000'000) Second({});
  ASSERT_TRUE(Gpu().pods.contains(told));
  EXPECT_TRUE(Gpu().pods.at(told).granted);
  EXPECT_EQ(Gpu().pods.at(told).replicas, 1);
  // What comes meanwhile is what a look that gives anew would make of it.
  PutPod(10, "c");
  whose_[11] = {.kind = Whose::Kind::kPod, .holder = PodNamed("c")};
  whose_[11].holder.container = "side-car";
  Put(10, kGi);
  Put(11, kGi);
  for (int i = 0; i < 3; ++i) Second({});
  EXPECT_TRUE(Of("c").granted);
  EXPECT_EQ(Of("c").memory_limit, 2 * kGi);
  const PodUse& side_car = Gpu().pods.at(whose_[11].holder);
  EXPECT_TRUE(side_car.granted)
      << "what one container of a pod was given is not strange in another";
  EXPECT_EQ(side_car.replicas, 0);
  sight_.SetShares({{"GPU-0", {.device_bytes = 8 * kGi, .limit_bytes = 3 * kGi}}});
  Second({});
  EXPECT_EQ(Of("c").memory_limit, 3 * kGi);
  sight_.SetHeld(std::vector<identity::Held>{});
  Second({});
  EXPECT_FALSE(Of("c").granted);
  EXPECT_EQ(Of("c").memory_limit, std::nullopt);
}

TEST_F(SightTest, TenThousandLooksTakeNoMoreThanAHundred) {
  Put(7, kGi);
  const auto look = [&](int times) {
    const base::testing::HeapWatch watch;
    for (int i = 0; i < times; ++i) {
      // There is always another process that nobody knows, and sometimes a pod that goes.
      const unsigned stranger = 1000U + static_cast<unsigned>(i);
      alive_["b"] = i % 5 != 0;
      Second({{7, 40}, {8, 5}, {stranger, 3}});
      gpu_.Forget();
    }
    return watch.Most();
  };
  look(200);
  const std::size_t few = look(100);
  EXPECT_GT(few, 0U);
  EXPECT_LT(look(10'000), 2 * few + 4096) << "what has gone is not kept";
}

TEST_F(SightTest, PodsAndTheRestAreTheDevice) {
  Put(7, 4 * kGi);
  Put(8, 2 * kGi);
  Put(9, kGi);
  Second({});
  for (int i = 0; i < 60; ++i) Second({{7, 30.4}, {8, 20.2}, {9, 10.3}, {666, 5}});
  const double parts = Of("a").gpu_seconds + Of("b").gpu_seconds + Gpu().rest.gpu_seconds;
  EXPECT_NEAR(parts, Gpu().busy_seconds, 1e-6);
  EXPECT_NEAR(Of("a").gpu_seconds, gpu_.Seconds(7), 0.6);
  EXPECT_NEAR(Of("b").gpu_seconds, gpu_.Seconds(8), 0.6);
  EXPECT_NEAR(Gpu().rest.gpu_seconds, gpu_.Seconds(9) + gpu_.Seconds(666), 0.9);
  EXPECT_EQ(Of("a").memory_bytes, 4 * kGi);
  EXPECT_EQ(Of("b").memory_bytes, 2 * kGi);
  EXPECT_EQ(Gpu().rest.memory_bytes, 2 * kGi) << "the host's process, and what has none";
  EXPECT_EQ(Gpu().host_processes, 1);
  EXPECT_NEAR(*Of("a").busy.percent(), 30.4, 1.5);
}

TEST_F(SightTest, EnergyIsSharedByTime) {
  Put(7, kGi);
  Second({});
  const double before = Gpu().energy_joules;
  for (int i = 0; i < 40; ++i) Second({{7, 25}});
  const double joules = Gpu().energy_joules - before;
  EXPECT_NEAR(joules, 40 * 300, 600);
  EXPECT_NEAR(Of("a").energy_joules, joules / 4, joules / 50);
  EXPECT_NEAR(Of("a").energy_joules + Gpu().rest.energy_joules, Gpu().energy_joules, 1e-6);
}

TEST_F(SightTest, ContentionIsTimeInWhichMoreThanOnePodComputes) {
  Second({});
  for (int i = 0; i < 10; ++i) Second({{7, 50}});
  EXPECT_EQ(Gpu().contended_seconds, 0);
  for (int i = 0; i < 10; ++i) Second({{7, 50}, {9, 50}});
  EXPECT_EQ(Gpu().contended_seconds, 0) << "the host is no pod";
  for (int i = 0; i < 10; ++i) Second({{7, 50}, {8, 50}});
  EXPECT_NEAR(Gpu().contended_seconds, 10, 1.1);
}

TEST_F(SightTest, ContainersOfOnePodAreNotInEachOthersWay) {
  whose_[8] = {.kind = Whose::Kind::kPod, .holder = PodNamed("a")};
  whose_[8].holder.container = "side-car";
  Second({});
  for (int i = 0; i < 10; ++i) Second({{7, 50}, {8, 50}});
  EXPECT_THAT(Gpu().pods, SizeIs(2));
  EXPECT_EQ(Gpu().contended_seconds, 0);
  PutPod(8, "b");
  for (int i = 0; i < 10; ++i) Second({{7, 50}, {8, 50}});
  EXPECT_NEAR(Gpu().contended_seconds, 10, 1.1);
}

TEST_F(SightTest, BusyIsThePartOfTheLastTenSeconds) {
  Put(7, kGi);
  Second({});
  EXPECT_EQ(Gpu().busy.percent(), std::nullopt) << "before the first window";
  for (int i = 0; i < 30; ++i) Second({{7, 80}});
  EXPECT_NEAR(*Of("a").busy.percent(), 80, 1);
  for (int i = 0; i < 6; ++i) Second({});
  EXPECT_GT(*Of("a").busy.percent(), 20);
  EXPECT_LT(*Of("a").busy.percent(), 60);
  for (int i = 0; i < 10; ++i) Second({});
  EXPECT_EQ(*Of("a").busy.percent(), 0);
}

TEST_F(SightTest, AProcessThatWasNeverSeenIsTheRests) {
  Second({});
  Second({{4711, 30}});
  Second({});
  EXPECT_THAT(Gpu().pods, IsEmpty());
  EXPECT_NEAR(Gpu().rest.gpu_seconds, 0.3, 0.02);
}

TEST_F(SightTest, WhatMayBeAnotherProcessesIsTheRests) {
  Put(7, kGi);
  Second({});
  whose_[7].memory_only = true;
  Second({{7, 100}});
  EXPECT_EQ(Of("a").gpu_seconds, 0);
  EXPECT_EQ(Of("a").memory_bytes, kGi);
  whose_[7].memory_only = false;
  Second({{7, 100}});
  EXPECT_NEAR(Of("a").gpu_seconds, 1, 0.2);
}

TEST_F(SightTest, AnIdlePodSaysSinceWhen) {
  Put(7, kGi);
  Second({});
  Second({{7, 50}});
  const double active = Of("a").last_active;
  EXPECT_NEAR(active, static_cast<double>(gpu_.now_us()) / 1e6, 0.1);
  for (int i = 0; i < 20; ++i) Second({});
  EXPECT_EQ(Of("a").last_active, active);
  EXPECT_EQ(Of("a").busy.percent(), 0);
}

TEST_F(SightTest, ASeriesEndsWithThePodAndNotWithTheContainersProcess) {
  alive_["a"] = true;
  Put(7, kGi);
  Second({});
  Second({{7, 50}});
  memory_.clear();
  for (int i = 0; i < 100; ++i) Second({});
  EXPECT_THAT(Gpu().pods, SizeIs(1));
  alive_["a"] = false;
  Second({{7, 50}});
  EXPECT_THAT(Gpu().pods, IsEmpty());
  EXPECT_GT(Gpu().rest.gpu_seconds, 0.4) << "what comes late is the rest's";
}

TEST_F(SightTest, WhereNobodyTellsOfPodsOneThatIsNotSeenIsForgotten) {
  Put(7, kGi);
  Second({});
  memory_.clear();
  for (int i = 0; i < 59; ++i) Second({});
  EXPECT_THAT(Gpu().pods, SizeIs(1));
  for (int i = 0; i < 3; ++i) Second({});
  EXPECT_THAT(Gpu().pods, IsEmpty());
}

TEST_F(SightTest, AGrantWithoutAProcessIsSeenAndOneProcessTakesItsPlace) {
  sight_.SetHeld({{{"team", "a", "main", "GPU-0", 2, 2, ""}}});
  Second({});
  const Holder named{.pod_namespace = "team", .pod = "a", .container = "main", .pod_uid = ""};
  ASSERT_TRUE(Gpu().pods.contains(named));
  EXPECT_EQ(Gpu().pods.at(named).replicas, 2);
  Put(7, kGi);
  Second({});
  Second({});
  EXPECT_THAT(Gpu().pods, SizeIs(1));
  EXPECT_TRUE(Of("a").granted);
  EXPECT_EQ(Of("a").replicas, 2);
}

TEST_F(SightTest, APodThatSeesAGpuItWasNotGivenIsSaid) {
  sight_.SetHeld({{{"team", "a", "main", "GPU-0", 1, 1, ""}}});
  Put(7, kGi);
  Put(8, kGi);
  Second({});
  Second({});
  EXPECT_TRUE(Of("a").granted);
  EXPECT_FALSE(Of("b").granted);
}

TEST_F(SightTest, APodKnownByItsUidGoesOnUnderItsNameOnceThatIsKnown) {
  whose_[7].holder = {.pod_namespace = "", .pod = "uid-a", .container = "", .pod_uid = "uid-a"};
  Put(7, kGi);
  Second({});
  EXPECT_THAT(Gpu().pods, SizeIs(1));
  PutPod(7, "a");
  alive_["a"] = alive_["uid-a"] = true;
  Second({});
  EXPECT_THAT(Gpu().pods, SizeIs(1));
  EXPECT_TRUE(Gpu().pods.contains(PodNamed("a")));
}

TEST_F(SightTest, PodsAreBoundedAndTheOthersAreTheRest) {
  for (unsigned i = 0; i < 1000; ++i) {
    PutPod(1000 + i, "p" + std::to_string(i));
    Put(1000 + i, kGi / 100);
  }
  Second({});
  EXPECT_THAT(Gpu().pods, SizeIs(kMaxPods));
  EXPECT_GT(Gpu().pods_left_out, 0U);
  EXPECT_GT(Gpu().rest.memory_bytes, kGi);
}

TEST_F(SightTest, MigDevicesHaveMemoryAndNoTime) {
  gpu::testing::Cut(inventory_, 0, {"3g.40gb", "3g.40gb"});
  gpu::DeviceUsage usage{.uuid = "GPU-0"};
  usage.processes = {{{.pid = 7, .memory_bytes = 5, .gpu_instance = 1, .compute_instance = 0},
                      {.pid = 8, .memory_bytes = 6, .gpu_instance = 2, .compute_instance = 0}}};
  usage.unread = {{"nvmlDeviceGetProcessUtilization", base::Code::kUnimplemented, ""}};
  usage.mig = {{"MIG-0-0", gpu::MemoryUse{.total = 40, .used = 9}}, {"MIG-0-1", std::nullopt}};
  EXPECT_THAT(sight_.Queries(inventory_)[0].mig_uuids, SizeIs(2));
  for (gpu::MigDevice& mig : inventory_.gpus[0].mig_devices) mig.compute_instance = 0;
  sight_.Add(inventory_, {.status = {}, .time_us = kStart, .devices = {usage}});
  const Account& first = sight_.accounts().at("MIG-0-0");
  EXPECT_EQ(first.pods.at(PodNamed("a")).memory_bytes, 5U);
  EXPECT_EQ(first.pods.at(PodNamed("a")).busy.percent(), std::nullopt);
  EXPECT_EQ(first.unmeasured, "mig");
  EXPECT_EQ(first.rest.memory_bytes, 4U);
  EXPECT_EQ(sight_.accounts().at("MIG-0-1").pods.at(PodNamed("b")).memory_bytes, 6U);
  EXPECT_THAT(Gpu().pods, IsEmpty());
}

TEST_F(SightTest, AGpuThatIsGoneIsForgotten) {
  Second({});
  sight_.Add({}, {.status = {}, .time_us = gpu_.now_us(), .devices = {}});
  EXPECT_THAT(sight_.accounts(), IsEmpty());
}

}  // namespace
}  // namespace tranche::node::sight
