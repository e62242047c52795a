// PodPages are the two pages of one pod (wire/pages.h) as this program has them: sealed memfds,
// mapped.
//
// Threading: one thread. What programs of the pod write at the same time is atomic, and none of it
// is believed.
// Errors: those of memfd_create, mmap and the seals. A page that is to be taken over and is not the
// one that was recorded, or lacks a seal, is kPermissionDenied.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "wire/pages.h"

namespace tranche::node::walls {

struct WalledDevice {
  std::string device;  // UUID
  wire::Uuid uuid;
  std::uint64_t limit_bytes = 0;
  std::uint64_t device_bytes = 0;
};

// Of a memfd, for as long as somebody has it.
struct PageIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const PageIdentity&, const PageIdentity&) = default;
};
base::Result<PageIdentity> IdentityOfPage(int fd);

// What becomes of a program that is to attach anew while nobody answers: it goes on as it is, or
// gets no more memory.
enum class Away { kOpen, kClosed };

class PodPages {
 public:
  static constexpr char kCountersName[] = "tranche-counters";
  // More than drivers take for a context on the GPUs of today.
  static constexpr std::uint64_t kMostContextBytes = 768ULL << 20U;

  // At most wire::kMaxDevices devices.
  static base::Result<PodPages> New(const std::vector<WalledDevice>& devices, Away away);
  // Takes over the counters that a forerunner made, with limits of our own: the old ones cannot be
  // written any more. Programs of the pod then attach anew.
  static base::Result<PodPages> TakeOver(base::UniqueFd counters, const PageIdentity& recorded,
                                         const std::vector<WalledDevice>& devices, Away away);
  PodPages(PodPages&& other) noexcept;
  PodPages& operator=(PodPages&&) = delete;
  ~PodPages();

  [[nodiscard]] wire::Counters& counters() const { return *counters_; }
  [[nodiscard]] int limits_fd() const { return limits_fd_.get(); }
  [[nodiscard]] int counters_fd() const { return counters_fd_.get(); }
  [[nodiscard]] const PageIdentity& identity() const { return identity_; }

  void SetLimit(unsigned device, std::uint64_t bytes);
  [[nodiscard]] std::uint64_t LimitOf(unsigned device) const;
  // What a context of the pod was measured to take.
  void SetContextBytes(unsigned device, std::uint64_t bytes);

 private:
  PodPages() = default;
  base::Status MakeLimits(const std::vector<WalledDevice>& devices, Away away);

  base::UniqueFd limits_fd_;
  base::UniqueFd counters_fd_;
  wire::Limits* limits_ = nullptr;
  wire::Counters* counters_ = nullptr;
  PageIdentity identity_;
};

}  // namespace tranche::node::walls
