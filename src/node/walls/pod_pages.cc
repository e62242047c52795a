#include "node/walls/pod_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tranche::node::walls {
namespace {

using base::Code;
using base::Result;
using base::Status;
using base::UniqueFd;

Result<UniqueFd> MakeFile(const char* name, std::size_t bytes) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return base::ErrnoStatus(errno, "memfd_create");
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return base::ErrnoStatus(errno, "ftruncate");
  }
  return fd;
}

Result<void*> Map(int fd, std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return base::ErrnoStatus(errno, "mmap");
  return memory;
}

Status Seal(int fd, int seals) {
  if (fcntl(fd, F_ADD_SEALS, seals) != 0) return base::ErrnoStatus(errno, "F_ADD_SEALS");
  return Status::Ok();
}

}  // namespace

Result<PageIdentity> IdentityOfPage(int fd) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return base::ErrnoStatus(errno, "fstat");
  return PageIdentity{.device = facts.st_dev, .inode = facts.st_ino};
}

PodPages::PodPages(PodPages&& other) noexcept
    : limits_fd_(std::move(other.limits_fd_)),
      counters_fd_(std::move(other.counters_fd_)),
      limits_(std::exchange(other.limits_, nullptr)),
      counters_(std::exchange(other.counters_, nullptr)),
      identity_(other.identity_) {}

PodPages::~PodPages() {
  if (limits_ != nullptr) munmap(limits_, sizeof(wire::Limits));
  if (counters_ != nullptr) munmap(counters_, sizeof(wire::Counters));
}

Status PodPages::MakeLimits(const std::vector<WalledDevice>& devices, Away away) {
  auto fd = MakeFile("tranche-limits", sizeof(wire::Limits));
  if (!fd.ok()) return fd.status();
  const auto memory = Map(fd->get(), sizeof(wire::Limits));
  if (!memory.ok()) return memory.status();
  limits_ = static_cast<wire::Limits*>(*memory);
  TRANCHE_CHECK(devices.size() <= wire::kMaxDevices);
  for (std::size_t i = 0; i < devices.size(); ++i) {
    wire::DeviceLimits& limits = limits_->devices[i];
    limits.uuid = devices[i].uuid;
    limits.device_bytes = devices[i].device_bytes;
    limits.limit_bytes.store(devices[i].limit_bytes);
    limits.context_bound.store(kMostContextBytes);
  }
  limits_->device_count = static_cast<std::uint32_t>(devices.size());
  limits_->arbiter_away_open.store(away == Away::kOpen ? 1 : 0);
  limits_->version = wire::kVersion;
  limits_->bytes = sizeof(wire::Limits);
  limits_->magic = wire::kLimitsMagic;
  // After this nobody makes another mapping that can be written, and ours stays one.
  TRANCHE_TRY(Seal(fd->get(), wire::kLimitsSeals));
  limits_fd_ = std::move(*fd);
  return Status::Ok();
}

Result<PodPages> PodPages::New(const std::vector<WalledDevice>& devices, Away away) {
  PodPages pages;
  TRANCHE_TRY(pages.MakeLimits(devices, away));
  auto fd = MakeFile(kCountersName, sizeof(wire::Counters));
  if (!fd.ok()) return fd.status();
  TRANCHE_TRY(Seal(fd->get(), wire::kCountersSeals));
  const auto memory = Map(fd->get(), sizeof(wire::Counters));
  if (!memory.ok()) return memory.status();
  pages.counters_ = static_cast<wire::Counters*>(*memory);
  pages.counters_->version = wire::kVersion;
  pages.counters_->bytes = sizeof(wire::Counters);
  pages.counters_->slot_count = wire::kMaxSlots;
  pages.counters_->epoch.store(1);
  pages.counters_->magic = wire::kCountersMagic;
  const auto identity = IdentityOfPage(fd->get());
  if (!identity.ok()) return identity.status();
  pages.identity_ = *identity;
  pages.counters_fd_ = std::move(*fd);
  return pages;
}

Result<PodPages> PodPages::TakeOver(UniqueFd counters, const PageIdentity& recorded,
                                    const std::vector<WalledDevice>& devices, Away away) {
  const auto identity = IdentityOfPage(counters.get());
  if (!identity.ok()) return identity.status();
  struct stat facts {};
  if (*identity != recorded || fcntl(counters.get(), F_GET_SEALS) != wire::kCountersSeals ||
      fstat(counters.get(), &facts) != 0 || facts.st_size != sizeof(wire::Counters)) {
    return Status(Code::kPermissionDenied, "it is not the page that was recorded");
  }
  PodPages pages;
  TRANCHE_TRY(pages.MakeLimits(devices, away));
  const auto memory = Map(counters.get(), sizeof(wire::Counters));
  if (!memory.ok()) return memory.status();
  pages.counters_ = static_cast<wire::Counters*>(*memory);
  pages.identity_ = recorded;
  pages.counters_fd_ = std::move(counters);
  pages.counters_->epoch.fetch_add(1);
  return pages;
}

void PodPages::SetLimit(unsigned device, std::uint64_t bytes) {
  limits_->devices[device].limit_bytes.store(bytes);
}

std::uint64_t PodPages::LimitOf(unsigned device) const {
  return limits_->devices[device].limit_bytes.load();
}

void PodPages::SetContextBytes(unsigned device, std::uint64_t bytes) {
  limits_->devices[device].context_bound.store(bytes);
  limits_->devices[device].context_known.store(1);
}

}  // namespace tranche::node::walls
