#include "agent/status/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::agent::status {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AgentState Well() {
  AgentState state;
  state.config.usable = true;
  state.driver.ready = true;
  state.gpus.push_back({.uuid = "GPU-1", .index = "0"});
  state.resources.push_back({.name = "nvidia.com/gpu", .phase = "serving", .registrations = 1});
  return state;
}

TEST(AgentStateTest, WellIsReadyAndNotDegraded) {
  EXPECT_TRUE(Well().Ready());
  EXPECT_THAT(Well().Degraded(), IsEmpty());
}

TEST(AgentStateTest, NotReadyBeforeTheFirstListAndWatchOfEveryResource) {
  AgentState state = Well();
  state.resources.push_back({.name = "nvidia.com/mig-1g.5gb", .phase = "registering"});
  EXPECT_FALSE(state.Ready());
  EXPECT_THAT(state.Degraded(), ElementsAre("resource nvidia.com/mig-1g.5gb: registering"));
}

TEST(AgentStateTest, AKubeletRestartDegradesButStaysReady) {
  AgentState state = Well();
  state.resources[0].phase = "waiting for the kubelet";
  EXPECT_TRUE(state.Ready());
  EXPECT_THAT(state.Degraded(), ElementsAre("resource nvidia.com/gpu: waiting for the kubelet"));
}

TEST(AgentStateTest, NotReadyWithoutAUsableConfigWhateverIsServed) {
  AgentState state = Well();
  state.config.usable = false;
  state.config.error = "specified config x does not exist";
  EXPECT_FALSE(state.Ready());
  EXPECT_THAT(state.Degraded(), ElementsAre("config: specified config x does not exist"));
}

TEST(AgentStateTest, TheLastGoodConfigIsReadyAndDegraded) {
  AgentState state = Well();
  state.config.from_last_good = true;
  state.config.profile = "dev";
  state.config.error = "bad";
  EXPECT_TRUE(state.Ready());
  EXPECT_THAT(
      state.Degraded(),
      ElementsAre("config: bad", "config: the last good one (profile dev) is in force instead"));
}

TEST(AgentStateTest, ANodeWithoutGpusIsReady) {
  AgentState state = Well();
  state.gpus.clear();
  state.resources.clear();
  EXPECT_TRUE(state.Ready());
}

TEST(AgentStateTest, EveryKindOfTroubleIsAReason) {
  AgentState state = Well();
  state.config.not_in_force = {"tranche.time"};
  state.config.not_saved = "No space left on device";
  state.driver = {.error = "no driver", .stuck_call = "nvmlInit", .stuck_seconds = 12.4};
  state.gpus[0].lost = true;
  state.gpus.push_back({.uuid = "GPU-2", .healthy = false, .reason = "XID 79"});
  state.gpus.push_back({.index = "3", .error = "the driver would not tell"});
  state.resources[0].error = "device plugin already connected";
  state.walls = {.asked = true, .why_not = "nothing publishes it"};
  state.warnings = {"CDI spec not written"};
  EXPECT_THAT(state.Degraded(),
              ElementsAre("config: the last good one is not saved: No space left on device",
                          "config: tranche.time is asked for but not in force", "driver: no driver",
                          "driver: nvmlInit has not returned for 12 s", "gpu GPU-1: lost",
                          "gpu GPU-2: unhealthy: XID 79", "gpu 3: the driver would not tell",
                          "resource nvidia.com/gpu: device plugin already connected",
                          "walls: not installed: nothing publishes it", "CDI spec not written"));
}

TEST(AgentStateTest, ANewAgentSaysThatItHasNoConfigYet) {
  EXPECT_FALSE(AgentState{}.Ready());
  EXPECT_THAT(AgentState{}.Degraded()[0], HasSubstr("none is in force"));
}

TEST(AgentStateTest, WhatTheDriverFailsToTellIsAReasonAndSoIsADriverWithoutAGpu) {
  AgentState state = Well();
  state.driver.error = "it lists no GPU";
  state.driver.warnings = {"waiting for GPU events fails"};
  state.gpus[0].warnings = {"nvmlDeviceGetMemoryInfo: insufficient permissions (4)"};
  EXPECT_TRUE(state.Ready());
  EXPECT_THAT(state.Degraded(),
              ElementsAre("driver: it lists no GPU", "driver: waiting for GPU events fails",
                          "gpu GPU-1: nvmlDeviceGetMemoryInfo: insufficient permissions (4)"));
}

}  // namespace
}  // namespace tranche::agent::status
