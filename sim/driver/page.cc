#include "sim/driver/page.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <utility>

namespace tranche::sim::driver {

using base::ErrnoStatus;

base::Result<std::unique_ptr<PageFile>> PageFile::Make() {
  const base::UniqueFd file(memfd_create("tranche-sim-page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  if (ftruncate(file.get(), sizeof(link::Page)) != 0) return ErrnoStatus(errno, "a client's page");
  void* mapped =
      mmap(nullptr, sizeof(link::Page), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, "a client's page");
  // No other mapping for writing from now on, whoever opens the file again.
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  base::UniqueFd reading;
  if (fcntl(file.get(), F_ADD_SEALS, kSeals) == 0) {
    const std::string again = "/proc/self/fd/" + std::to_string(file.get());
    reading = base::UniqueFd(open(again.c_str(), O_RDONLY | O_CLOEXEC));
  }
  if (!reading.valid()) {
    const int error = errno;
    munmap(mapped, sizeof(link::Page));
    return ErrnoStatus(error, "sealing a client's page");
  }
  return std::unique_ptr<PageFile>(
      new PageFile(std::move(reading), static_cast<link::Page*>(mapped)));
}

PageFile::~PageFile() { munmap(page_, sizeof(link::Page)); }

void PageFile::Set(std::uint64_t& counter, std::uint64_t value) {
  __atomic_store_n(&counter, value, __ATOMIC_RELEASE);
}

void PageFile::Set(std::uint32_t& word, std::uint32_t value) {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}

void PageFile::Wake(const std::uint64_t& counter) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&counter), FUTEX_WAKE, INT_MAX, nullptr,
          nullptr, 0);
}

}  // namespace tranche::sim::driver
