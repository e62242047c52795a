#include "share/replica.h"

#include <gtest/gtest.h>

namespace tranche::share {
namespace {

TEST(ReplicaIdTest, SplitsAReplica) {
  const ReplicaId id = ParseReplicaId("GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c::17");
  EXPECT_EQ(id.device, "GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c");
  EXPECT_EQ(id.replica, 17);
}

TEST(ReplicaIdTest, OldMigUuidsMayBeReplicatedToo) {
  const ReplicaId id = ParseReplicaId("MIG-GPU-4cf8db2d/1/0::3");
  EXPECT_EQ(id.device, "MIG-GPU-4cf8db2d/1/0");
  EXPECT_EQ(id.replica, 3);
}

TEST(ReplicaIdTest, AnythingElseIsAWholeDevice) {
  for (const std::string_view whole :
       {"", "GPU-a", "GPU-12", "GPU-a::", "GPU-a::x", "GPU-a::1x", "GPU-a:1", "::1", "GPU-a::-1",
        "GPU-a::01", "GPU-a::1234567890", "GPU-a::1::"}) {
    const ReplicaId id = ParseReplicaId(whole);
    EXPECT_EQ(id.device, whole);
    EXPECT_EQ(id.replica, -1) << whole;
  }
}

TEST(ReplicaIdTest, SplitsAtTheLastColons) {
  const ReplicaId id = ParseReplicaId("GPU-a::1::2");
  EXPECT_EQ(id.device, "GPU-a::1");
  EXPECT_EQ(id.replica, 2);
}

TEST(ReplicaIdTest, MakingAndParsingAreInverse) {
  for (const int k : {0, 1, 9, 10, 99, 7499, 999999999}) {
    const std::string id = MakeReplicaId("GPU-a", k);
    EXPECT_EQ(ParseReplicaId(id).device, "GPU-a");
    EXPECT_EQ(ParseReplicaId(id).replica, k);
  }
  EXPECT_EQ(MakeReplicaId("GPU-a", 0), "GPU-a::0");
}

TEST(ReplicaIdTest, TheRefusalOfManyLooksForColonsOnly) {
  EXPECT_TRUE(IsReplicaId("GPU-a::x"));
  EXPECT_FALSE(IsReplicaId("GPU-a:1"));
}

TEST(ReplicaIdTest, TheIdsOfADevice) {
  EXPECT_EQ(IdOf("GPU-a", 2, 1), "GPU-a::1");
  EXPECT_EQ(IdOf("GPU-a", 1, 0), "GPU-a");
  for (const int replicas : {1, 2, 10, 11, 1'000'000}) {
    for (const int k : {0, 1, 9, 10, 999'999, 1'000'000}) {
      const bool among = k < replicas;
      const std::string id = among ? IdOf("GPU-a", replicas, k) : MakeReplicaId("GPU-a", k);
      EXPECT_EQ(IsAmongIds(ParseReplicaId(id), replicas), among) << id << " of " << replicas;
    }
  }
}

TEST(ReplicaIdTest, OneReplicaHasNoNumberAndOneOfSeveralHasOne) {
  EXPECT_FALSE(IsAmongIds(ParseReplicaId("GPU-a::0"), 1));
  EXPECT_FALSE(IsAmongIds(ParseReplicaId("GPU-a"), 2));
}

TEST(ReplicaIdTest, DevicesComeOnceAndInOrder) {
  EXPECT_EQ(DevicesOf({"GPU-b::1", "GPU-a::0", "GPU-b::0", "GPU-c", "GPU-a::7"}),
            (std::vector<std::string>{"GPU-b", "GPU-a", "GPU-c"}));
  EXPECT_TRUE(DevicesOf({}).empty());
}

}  // namespace
}  // namespace tranche::share
