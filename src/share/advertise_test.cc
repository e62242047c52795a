#include "share/advertise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "share/replica.h"

namespace tranche::share {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kGpu[] = "nvidia.com/gpu";

Unit Whole(const std::string& uuid, const std::string& index, std::optional<int> numa = {}) {
  return {.uuid = uuid, .index = index, .resource = kGpu, .numa_node = numa};
}

Rule Replicas(int replicas) {
  Rule rule;
  rule.resource = kGpu;
  rule.advertise_as = kGpu;
  rule.replicas = replicas;
  return rule;
}

std::vector<std::string> Ids(const AdvertisedResource& resource) {
  std::vector<std::string> ids;
  for (const AdvertisedDevice& device : resource.devices) {
    for (int k = 0; k < device.replicas; ++k) {
      ids.push_back(IdOf(device.uuid, device.replicas, k));
    }
  }
  return ids;
}

TEST(AdvertiseTest, WithoutRulesEveryUnitIsItself) {
  const auto out = Advertise({Whole("GPU-b", "0", 1), Whole("GPU-a", "1")}, {});
  ASSERT_EQ(out.resources.size(), 1U);
  EXPECT_EQ(out.resources[0].name, kGpu);
  EXPECT_FALSE(out.resources[0].shared);
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-b", "GPU-a"));
  EXPECT_EQ(out.resources[0].devices[0].numa_node, 1);
  EXPECT_EQ(out.resources[0].devices[1].numa_node, std::nullopt);
}

TEST(AdvertiseTest, ReplicasComeInUnitOrderThenByNumber) {
  const auto out = Advertise({Whole("GPU-b", "0"), Whole("GPU-a", "1")}, {Replicas(2)});
  ASSERT_EQ(out.resources.size(), 1U);
  EXPECT_TRUE(out.resources[0].shared);
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-b::0", "GPU-b::1", "GPU-a::0", "GPU-a::1"));
  ASSERT_EQ(out.resources[0].devices.size(), 2U);
  EXPECT_EQ(out.resources[0].devices[1].uuid, "GPU-a");
  EXPECT_EQ(out.resources[0].devices[1].replicas, 2);
}

TEST(AdvertiseTest, OneReplicaIsNotShared) {
  const auto out = Advertise({Whole("GPU-a", "0")}, {Replicas(1)});
  EXPECT_FALSE(out.resources[0].shared);
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-a"));
  EXPECT_THAT(Ids(Advertise({Whole("GPU-a", "0")}, {Replicas(-3)}).resources[0]),
              ElementsAre("GPU-a"));
}

TEST(AdvertiseTest, TwoRulesForOneNameMergeToTheLargerCount) {
  for (const auto& [first, second] : {std::pair(4, 2), std::pair(2, 4)}) {
    const auto out = Advertise({Whole("GPU-a", "0")}, {Replicas(first), Replicas(second)});
    EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-a::0", "GPU-a::1", "GPU-a::2", "GPU-a::3"));
  }
}

TEST(AdvertiseTest, RenamingReplacesTheName) {
  Rule rule = Replicas(2);
  rule.advertise_as = "nvidia.com/gpu.shared";
  const auto out = Advertise({Whole("GPU-a", "0")}, {rule});
  ASSERT_EQ(out.resources.size(), 1U);
  EXPECT_EQ(out.resources[0].name, "nvidia.com/gpu.shared");
  EXPECT_EQ(out.resources[0].original, kGpu);
}

TEST(AdvertiseTest, ChosenDevicesAreSharedAndTheOthersStayWhole) {
  Rule rule = Replicas(2);
  rule.advertise_as = "nvidia.com/gpu.small";
  rule.all_devices = false;
  rule.devices = {"GPU-c", "0"};
  const auto out =
      Advertise({Whole("GPU-a", "0"), Whole("GPU-b", "1"), Whole("GPU-c", "2")}, {rule});
  ASSERT_EQ(out.resources.size(), 2U);
  EXPECT_EQ(out.resources[0].name, kGpu);
  EXPECT_FALSE(out.resources[0].shared);
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-b"));
  EXPECT_EQ(out.resources[1].name, "nvidia.com/gpu.small");
  EXPECT_THAT(Ids(out.resources[1]), ElementsAre("GPU-a::0", "GPU-a::1", "GPU-c::0", "GPU-c::1"));
}

TEST(AdvertiseTest, CountsPerDevice) {
  Rule rule = Replicas(2);
  rule.replicas_per_device = {{"GPU-a", 3}, {"1", 1}};
  const auto out =
      Advertise({Whole("GPU-a", "0"), Whole("GPU-b", "1"), Whole("GPU-c", "2")}, {rule});
  ASSERT_EQ(out.resources.size(), 1U);
  EXPECT_THAT(Ids(out.resources[0]),
              ElementsAre("GPU-a::0", "GPU-a::1", "GPU-a::2", "GPU-b", "GPU-c::0", "GPU-c::1"));
}

TEST(AdvertiseTest, AWholeDeviceAmongSharedOnesKeepsThePlainName) {
  Rule rule = Replicas(2);
  rule.advertise_as = "nvidia.com/gpu.shared";
  rule.replicas_per_device = {{"GPU-b", 1}};
  const auto out = Advertise({Whole("GPU-a", "0"), Whole("GPU-b", "1")}, {rule});
  ASSERT_EQ(out.resources.size(), 2U);
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-b"));
  EXPECT_EQ(out.resources[0].name, kGpu);
}

TEST(AdvertiseTest, ExplicitRenameOfAWholeDevice) {
  Rule rule = Replicas(1);
  rule.advertise_as = "nvidia.com/big";
  const auto out = Advertise({Whole("GPU-a", "0")}, {rule});
  ASSERT_EQ(out.resources.size(), 1U);
  EXPECT_EQ(out.resources[0].name, "nvidia.com/big");
  EXPECT_FALSE(out.resources[0].shared);
}

TEST(AdvertiseTest, RulesAreOfTheirOwnResource) {
  const Unit mig{
      .uuid = "MIG-a", .index = "1:0", .resource = "nvidia.com/mig-1g.10gb", .numa_node = {}};
  const auto out = Advertise({Whole("GPU-a", "0"), mig}, {Replicas(2)});
  ASSERT_EQ(out.resources.size(), 2U);
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-a::0", "GPU-a::1"));
  EXPECT_THAT(Ids(out.resources[1]), ElementsAre("MIG-a"));
}

TEST(AdvertiseTest, WhatMatchesNothingIsSaidOnce) {
  Rule typo = Replicas(2);
  typo.resource = "nvidia.com/gpus";
  typo.devices = {"9"};  // of no interest: the resource is not there at all
  Rule devices = Replicas(2);
  devices.devices = {"0", "GPU-x", "7"};
  devices.replicas_per_device = {{"7", 2}};
  const auto out = Advertise({Whole("GPU-a", "0")}, {typo, typo, devices});
  EXPECT_THAT(out.unmatched_rules, ElementsAre("nvidia.com/gpus"));
  EXPECT_THAT(out.unmatched_devices, ElementsAre("GPU-x", "7"));
}

TEST(AdvertiseTest, AUuidIsAdvertisedOnce) {
  const auto out = Advertise({Whole("GPU-a", "0"), Whole("GPU-a", "1")}, {Replicas(2)});
  EXPECT_THAT(Ids(out.resources[0]), ElementsAre("GPU-a::0", "GPU-a::1"));
}

TEST(AdvertiseTest, NoUnitsNoResources) {
  EXPECT_THAT(Advertise({}, {Replicas(4)}).resources, IsEmpty());
}

TEST(AdvertiseTest, AnAbsurdCountCostsNoIds) {
  const auto out = Advertise({Whole("a", "0"), Whole("b", "1")}, {Replicas(2000000000)});
  ASSERT_EQ(out.resources[0].devices.size(), 2U);
  EXPECT_EQ(CountIds(out.resources[0]), 4000000000U);
  EXPECT_GT(WorstMessageBytes(out.resources[0]), kKubeletMessageLimit);
}

// The answer as protobuf encodes it, written out byte by byte.
std::string Encode(const AdvertisedResource& resource) {
  const auto field = [](char tag, const std::string& value) {
    std::string out(1, tag);
    std::size_t length = value.size();
    for (; length >= 128; length /= 128) out += static_cast<char>(length % 128 + 128);
    out += static_cast<char>(length);
    return out + value;
  };
  std::string out;
  for (const AdvertisedDevice& device : resource.devices) {
    for (int k = 0; k < device.replicas; ++k) {
      const std::string id = IdOf(device.uuid, device.replicas, k);
      std::string body = field(0x0A, id) + field(0x12, "Unhealthy");
      if (device.numa_node) {
        std::string node;
        if (*device.numa_node != 0) {
          node = std::string("\x08") + static_cast<char>(*device.numa_node);
        }
        body += field(0x1A, field(0x0A, node));
      }
      out += field(0x0A, body);
    }
  }
  return out;
}

TEST(WorstMessageBytesTest, IsTheEncodedSize) {
  const std::string uuid = "GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c";
  // A length is written in one byte more from 128 on: of ids, and of devices with their ids.
  const std::vector<Unit> units = {Whole(uuid, "0"),
                                   Whole(uuid + "1", "1", 0),
                                   Whole(uuid + "2", "2", 3),
                                   Whole(std::string(103, 'w'), "3"),
                                   Whole(std::string(124, 'x'), "4"),
                                   Whole(std::string(200, 'y'), "5", 1)};
  for (const int replicas : {1, 2, 9, 10, 11, 99, 100, 101, 120, 1000, 1001, 12345}) {
    const auto out = Advertise(units, {Replicas(replicas)});
    EXPECT_EQ(WorstMessageBytes(out.resources[0]), Encode(out.resources[0]).size()) << replicas;
    EXPECT_EQ(CountIds(out.resources[0]), Ids(out.resources[0]).size()) << replicas;
  }
  EXPECT_EQ(WorstMessageBytes(AdvertisedResource{}), 0U);
}

TEST(WorstMessageBytesTest, EightTimes7500IsNearTheLimitOfTheKubelet) {
  std::vector<Unit> units;
  for (int i = 0; i < 8; ++i) {
    units.push_back(Whole("GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16" + std::to_string(i),
                          std::to_string(i), i / 4));
  }
  const auto fits = Advertise(units, {Replicas(7500)});
  EXPECT_LE(WorstMessageBytes(fits.resources[0]), kKubeletMessageLimit);
  const auto too_long = Advertise(units, {Replicas(8000)});
  EXPECT_GT(WorstMessageBytes(too_long.resources[0]), kKubeletMessageLimit);
}

}  // namespace
}  // namespace tranche::share
