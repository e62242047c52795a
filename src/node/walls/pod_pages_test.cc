// What a pod can do to its pages, and what it cannot.
#include "node/walls/pod_pages.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace tranche::node::walls {
namespace {

const std::vector<WalledDevice> kDevices{{.device = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
                                          .limit_bytes = 100,
                                          .device_bytes = 400}};

base::UniqueFd Again(int fd, int how) {
  return base::UniqueFd(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), how | O_CLOEXEC));
}

bool MapsForWriting(int fd, std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  munmap(memory, bytes);
  return true;
}

TEST(PodPagesTest, LimitsAreWrittenByTheirMakerOnly) {
  auto pages = PodPages::New(kDevices, Away::kOpen);
  ASSERT_TRUE(pages.ok());
  const int fd = pages->limits_fd();
  const base::UniqueFd again = Again(fd, O_RDWR);
  for (const int one : {fd, again.get()}) {
    EXPECT_FALSE(MapsForWriting(one, sizeof(wire::Limits)));
    EXPECT_EQ(pwrite(one, "x", 1, 0), -1);
    EXPECT_EQ(ftruncate(one, 0), -1);
    EXPECT_EQ(fallocate(one, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    EXPECT_EQ(fcntl(one, F_ADD_SEALS, F_SEAL_WRITE), -1);
  }
  // A mapping for reading does not become one for writing.
  void* memory = mmap(nullptr, sizeof(wire::Limits), PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(mprotect(memory, sizeof(wire::Limits), PROT_READ | PROT_WRITE), -1);
  // The maker goes on writing, and it shows there.
  pages->SetLimit(0, 70);
  EXPECT_EQ(static_cast<const wire::Limits*>(memory)->devices[0].limit_bytes.load(), 70U);
  munmap(memory, sizeof(wire::Limits));
}

TEST(PodPagesTest, CountersAreWrittenByAllAndKeepTheirSize) {
  auto pages = PodPages::New(kDevices, Away::kOpen);
  ASSERT_TRUE(pages.ok());
  EXPECT_TRUE(MapsForWriting(pages->counters_fd(), sizeof(wire::Counters)));
  EXPECT_EQ(ftruncate(pages->counters_fd(), 0), -1);
  EXPECT_EQ(ftruncate(pages->counters_fd(), 1 << 30), -1);
}

TEST(PodPagesTest, ASuccessorTakesOverWhatWasRecordedAndNothingElse) {
  auto pages = PodPages::New(kDevices, Away::kOpen);
  auto others = PodPages::New(kDevices, Away::kOpen);
  ASSERT_TRUE(pages.ok() && others.ok());
  pages->counters().devices[0].total_bytes.store(42);
  const auto epoch = pages->counters().epoch.load();
  EXPECT_FALSE(PodPages::TakeOver(Again(others->counters_fd(), O_RDWR), pages->identity(), kDevices,
                                  Away::kOpen)
                   .ok());
  const auto taken = PodPages::TakeOver(Again(pages->counters_fd(), O_RDWR), pages->identity(),
                                        kDevices, Away::kOpen);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->counters().devices[0].total_bytes.load(), 42U);
  EXPECT_EQ(pages->counters().epoch.load(), epoch + 1);
}

TEST(PodPagesTest, APageThatLacksASealIsNotTakenOver) {
  base::UniqueFd fd(memfd_create("tranche-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(fd.get(), sizeof(wire::Counters)), 0);
  const auto identity = IdentityOfPage(fd.get());
  ASSERT_TRUE(identity.ok());
  EXPECT_FALSE(PodPages::TakeOver(std::move(fd), *identity, kDevices, Away::kOpen).ok());
}

}  // namespace
}  // namespace tranche::node::walls
