#include "gpu/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "gpu/testing/fake_driver.h"

namespace tranche::gpu {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Time = HealthTracker::Time;

constexpr std::uint64_t kRecoverableXid = 94;
constexpr std::uint64_t kResetXid = 48;
const std::string kGpu0 = "GPU-0";
const std::string kGpu1 = "GPU-1";

// "+uuid" recovered, "-uuid" became unhealthy.
std::vector<std::string> Signs(const std::vector<HealthChange>& changes) {
  std::vector<std::string> signs;
  for (const HealthChange& change : changes) {
    EXPECT_FALSE(change.reason.empty());
    signs.push_back((change.healthy ? "+" : "-") + change.uuid);
  }
  return signs;
}

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { Make(RecoveryPolicy::kAuto); }

  void Make(RecoveryPolicy policy, XidFilter filter = {}) {
    tracker_ = std::make_unique<HealthTracker>(std::move(filter), policy, 60s);
    EXPECT_THAT(Scan(), IsEmpty());
  }
  static HealthEvent Xid(const std::string& uuid, std::uint64_t xid) {
    HealthEvent event;
    event.uuid = uuid;
    event.xid = xid;
    return event;
  }
  std::vector<std::string> Raise(const HealthEvent& event) {
    return Signs(tracker_->Happened(event, now_));
  }
  std::vector<std::string> Raise(std::uint64_t xid) { return Raise(Xid(kGpu0, xid)); }
  std::vector<std::string> Scan(const std::vector<std::string>& lost = {}) {
    return Signs(tracker_->Scanned(inventory_, lost, now_));
  }
  std::vector<std::string> After(std::chrono::nanoseconds span) {
    now_ += std::chrono::duration_cast<Time::duration>(span);
    return Signs(tracker_->Elapsed(now_));
  }
  void RemoveGpu0() { inventory_.gpus.erase(inventory_.gpus.begin()); }
  void CutGpu1() {
    Gpu& gpu = inventory_.gpus[1];
    gpu.mig_capable = gpu.mig_enabled = true;
    gpu.mig_devices.clear();
    for (unsigned i = 0; i < 2; ++i) {
      MigDevice mig;
      mig.uuid = "MIG-" + std::to_string(i);
      mig.index = static_cast<int>(i);
      mig.gpu_instance = i + 1;
      mig.compute_instance = 0;
      gpu.mig_devices.push_back(mig);
    }
  }

  Inventory inventory_ = testing::FakeDriver::Gpus(2);
  Inventory whole_ = inventory_;
  Time now_{1h};
  std::unique_ptr<HealthTracker> tracker_;
};

TEST_F(HealthTest, AllIsHealthyAtFirst) {
  EXPECT_TRUE(tracker_->Healthy(kGpu0));
  EXPECT_TRUE(tracker_->Healthy("GPU-never-heard-of"));
  EXPECT_EQ(tracker_->NextDeadline(), Time::max());
}

TEST_F(HealthTest, ARecoverableXidHealsAfterTheQuietPeriod) {
  EXPECT_THAT(Raise(kRecoverableXid), ElementsAre("-GPU-0"));
  EXPECT_FALSE(tracker_->Healthy(kGpu0));
  EXPECT_TRUE(tracker_->Healthy(kGpu1));
  EXPECT_EQ(tracker_->NextDeadline(), now_ + 60s);
  EXPECT_THAT(After(59s), IsEmpty());
  EXPECT_THAT(After(1s), ElementsAre("+GPU-0"));
  EXPECT_EQ(tracker_->NextDeadline(), Time::max());
}

TEST_F(HealthTest, TheReasonNamesTheXid) {
  const auto changes = tracker_->Happened(Xid(kGpu0, kResetXid), now_);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].reason, "XID 48 (double-bit ECC error)");
  EXPECT_EQ(tracker_->Find(kGpu0)->xid, kResetXid);
  EXPECT_EQ(tracker_->Find(kGpu0)->since, now_);
  EXPECT_EQ(tracker_->Happened(Xid(kGpu1, 4711), now_)[0].reason, "XID 4711");
}

TEST_F(HealthTest, ApplicationErrorsAreIgnored) {
  for (const std::uint64_t xid : {13U, 31U, 43U, 45U, 68U, 109U})
    EXPECT_THAT(Raise(xid), IsEmpty());
}

TEST_F(HealthTest, AnApplicationErrorEnabledByHandIsRecoverable) {
  Make(RecoveryPolicy::kAuto, ParseXidFilter("", "31").filter);
  EXPECT_THAT(Raise(31), ElementsAre("-GPU-0"));
  EXPECT_THAT(After(60s), ElementsAre("+GPU-0"));
}

TEST_F(HealthTest, EventsOfUnknownGpusAreIgnored) {
  EXPECT_THAT(Raise(Xid("GPU-9", kResetXid)), IsEmpty());
}

TEST_F(HealthTest, NeedsResetStaysUntilTheGpuWasGoneAndIsBack) {
  EXPECT_THAT(Raise(kResetXid), ElementsAre("-GPU-0"));
  EXPECT_THAT(After(1000h), IsEmpty());
  EXPECT_THAT(Scan(), IsEmpty());         // still there: no reset
  EXPECT_THAT(Scan({kGpu0}), IsEmpty());  // unhealthy it is already
  EXPECT_TRUE(tracker_->Find(kGpu0)->lost);
  EXPECT_THAT(tracker_->Find(kGpu0)->reason, HasSubstr("XID 48"));
  EXPECT_THAT(Scan(), ElementsAre("+GPU-0"));
}

TEST_F(HealthTest, RepeatedTripsDoubleTheWaitUpToAnHour) {
  std::chrono::seconds wait = 60s;
  for (int trip = 0; trip < 9; ++trip) {
    Raise(kRecoverableXid);
    EXPECT_EQ(tracker_->NextDeadline(), now_ + wait) << trip;
    EXPECT_THAT(After(wait), ElementsAre("+GPU-0"));
    wait = std::min<std::chrono::seconds>(wait * 2, 1h);
  }
}

TEST_F(HealthTest, AnXidDuringTheWaitBeginsALongerOne) {
  Raise(kRecoverableXid);
  EXPECT_THAT(After(30s), IsEmpty());
  EXPECT_THAT(Raise(kRecoverableXid), IsEmpty());  // no change to tell
  EXPECT_EQ(tracker_->NextDeadline(), now_ + 120s);
}

TEST_F(HealthTest, TripsAreForgottenAfterAnHourOfHealth) {
  Raise(kRecoverableXid);
  After(60s);
  After(1h + 1s);
  Raise(kRecoverableXid);
  EXPECT_EQ(tracker_->NextDeadline(), now_ + 60s);
}

TEST_F(HealthTest, ARecoverableXidDoesNotShortenTheWaitForAReset) {
  Raise(kResetXid);
  Raise(kRecoverableXid);
  EXPECT_EQ(tracker_->Find(kGpu0)->xid, kResetXid);
  EXPECT_EQ(tracker_->NextDeadline(), Time::max());
}

TEST_F(HealthTest, AWorseXidDuringTheWaitPrevails) {
  Raise(kRecoverableXid);
  Raise(kResetXid);
  EXPECT_EQ(tracker_->Find(kGpu0)->xid, kResetXid);
  EXPECT_THAT(After(1000h), IsEmpty());
}

TEST_F(HealthTest, ALostGpuIsUnhealthyAtOnceAndBackAtOnceTheFirstTime) {
  EXPECT_THAT(Scan({kGpu0}), ElementsAre("-GPU-0"));
  EXPECT_EQ(tracker_->NextDeadline(), Time::max());
  EXPECT_THAT(Scan({kGpu0}), IsEmpty());
  EXPECT_THAT(Scan(), ElementsAre("+GPU-0"));
}

TEST_F(HealthTest, AGpuThatKeepsGoingAndComingWaits) {
  Scan({kGpu0});
  Scan();
  EXPECT_THAT(Scan({kGpu0}), ElementsAre("-GPU-0"));
  EXPECT_THAT(Scan(), IsEmpty());
  EXPECT_FALSE(tracker_->Find(kGpu0)->lost);
  EXPECT_THAT(After(60s), ElementsAre("+GPU-0"));
  Scan({kGpu0});
  Scan();
  EXPECT_EQ(tracker_->NextDeadline(), now_ + 120s);
}

TEST_F(HealthTest, AGpuThatIsNoLongerListedIsLostToo) {
  RemoveGpu0();
  EXPECT_THAT(Scan(), ElementsAre("-GPU-0"));
  EXPECT_TRUE(tracker_->Find(kGpu0)->lost);
  inventory_ = whole_;
  EXPECT_THAT(Scan(), ElementsAre("+GPU-0"));
}

TEST_F(HealthTest, WithoutADriverAllAreLost) {
  inventory_ = {};
  EXPECT_THAT(Scan({kGpu0, kGpu1}), UnorderedElementsAre("-GPU-0", "-GPU-1"));
  inventory_ = whole_;
  EXPECT_THAT(Scan(), UnorderedElementsAre("+GPU-0", "+GPU-1"));
}

TEST_F(HealthTest, PolicyResetWaitsForAResetEvenAfterARecoverableXid) {
  Make(RecoveryPolicy::kReset);
  Raise(kRecoverableXid);
  EXPECT_THAT(After(1000h), IsEmpty());
  Scan({kGpu0});
  EXPECT_THAT(Scan(), ElementsAre("+GPU-0"));
}

TEST_F(HealthTest, PolicyNeverTakesACommand) {
  Make(RecoveryPolicy::kNever);
  Raise(kRecoverableXid);
  Scan({kGpu0});
  EXPECT_THAT(Scan(), IsEmpty());
  EXPECT_THAT(After(1000h), IsEmpty());
  EXPECT_THAT(Signs(tracker_->Clear(now_)), ElementsAre("+GPU-0"));
}

TEST_F(HealthTest, AChangeOfPolicyCountsForWhatIsWaiting) {
  Raise(kRecoverableXid);
  tracker_->SetPolicy(RecoveryPolicy::kNever, 60s);
  EXPECT_EQ(tracker_->NextDeadline(), Time::max());
  tracker_->SetPolicy(RecoveryPolicy::kAuto, 10s);
  EXPECT_EQ(tracker_->NextDeadline(), now_ + 10s);
}

TEST_F(HealthTest, Commands) {
  EXPECT_THAT(tracker_->Clear(now_), IsEmpty());
  Raise(kResetXid);
  EXPECT_THAT(Signs(tracker_->Clear(now_)), ElementsAre("+GPU-0"));
  Scan({kGpu0});
  EXPECT_THAT(tracker_->Clear(now_), IsEmpty()) << "a GPU that is lost stays so";
}

TEST_F(HealthTest, AFailedWaitChangesNothingByItself) {
  HealthEvent event;
  event.kind = HealthEvent::Kind::kWaitFailed;
  EXPECT_THAT(Raise(event), IsEmpty());
}

TEST_F(HealthTest, AnXidOfNoNamedGpuMakesAllSuspectForAWhile) {
  EXPECT_THAT(Raise(Xid("", kResetXid)), UnorderedElementsAre("-GPU-0", "-GPU-1"));
  EXPECT_THAT(After(60s), UnorderedElementsAre("+GPU-0", "+GPU-1"));
}

class MigHealthTest : public HealthTest {
 protected:
  MigHealthTest() {
    CutGpu1();
    EXPECT_THAT(Scan(), IsEmpty());
  }
  static HealthEvent MigXid(unsigned gi, unsigned ci) {
    HealthEvent event = Xid(kGpu1, kResetXid);
    event.gpu_instance = gi;
    event.compute_instance = ci;
    return event;
  }
};

TEST_F(MigHealthTest, AnXidOfTheWholeGpuStrikesItsMigDevices) {
  EXPECT_THAT(Raise(Xid(kGpu1, kResetXid)), UnorderedElementsAre("-GPU-1", "-MIG-0", "-MIG-1"));
}

TEST_F(MigHealthTest, AnXidOfOneInstanceStrikesItAndTheGpuAsAWhole) {
  EXPECT_THAT(Raise(MigXid(2, 0)), UnorderedElementsAre("-GPU-1", "-MIG-1"));
  EXPECT_TRUE(tracker_->Healthy("MIG-0"));
}

TEST_F(MigHealthTest, AGpuInstanceWithoutComputeInstanceStrikesAllInIt) {
  HealthEvent event = Xid(kGpu1, kResetXid);
  event.gpu_instance = 1;
  EXPECT_THAT(Raise(event), UnorderedElementsAre("-GPU-1", "-MIG-0"));
}

TEST_F(MigHealthTest, MigDevicesAreLostAndReturnWithTheirGpu) {
  EXPECT_THAT(Scan({kGpu1}), UnorderedElementsAre("-GPU-1", "-MIG-0", "-MIG-1"));
  EXPECT_THAT(Scan(), UnorderedElementsAre("+GPU-1", "+MIG-0", "+MIG-1"));
  inventory_ = {};
  EXPECT_THAT(Scan({kGpu0, kGpu1}), UnorderedElementsAre("-GPU-0", "-GPU-1", "-MIG-0", "-MIG-1"));
}

TEST_F(MigHealthTest, ADeviceCutAwayIsForgotten) {
  Raise(MigXid(2, 0));
  inventory_.gpus[1].mig_devices.pop_back();
  EXPECT_THAT(Scan(), IsEmpty());
  EXPECT_TRUE(tracker_->Healthy("MIG-1"));
}

TEST_F(MigHealthTest, CuttingASickGpuAnewDoesNotHealIt) {
  Raise(Xid(kGpu1, kResetXid));
  MigDevice fresh = inventory_.gpus[1].mig_devices[0];
  fresh.uuid = "MIG-new";
  inventory_.gpus[1].mig_devices = {fresh};
  EXPECT_THAT(Scan(), ElementsAre("-MIG-new"));
}

TEST_F(MigHealthTest, ANewDeviceBesideASickInstanceIsHealthy) {
  Raise(MigXid(2, 0));
  MigDevice fresh = inventory_.gpus[1].mig_devices[0];
  fresh.uuid = "MIG-new";
  fresh.gpu_instance = 5;
  inventory_.gpus[1].mig_devices.push_back(fresh);
  EXPECT_THAT(Scan(), IsEmpty());
}

TEST_F(MigHealthTest, ClearingAGpuClearsItsMigDevices) {
  Raise(Xid(kGpu1, kResetXid));
  EXPECT_THAT(Signs(tracker_->Clear(now_)), UnorderedElementsAre("+GPU-1", "+MIG-0", "+MIG-1"));
}

}  // namespace
}  // namespace tranche::gpu
