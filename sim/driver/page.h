// PageFile is the page of one client (link::Page): a memfd that the driver writes and the client
// can only read. Whoever waits on a counter is woken through it.
//
// Threading: one thread writes; readers are other processes.
// Errors: Make fails where the kernel gives no memory file.
#pragma once

#include <cstdint>
#include <memory>

#include "base/file.h"
#include "base/status.h"
#include "sim/link/protocol.h"

namespace tranche::sim::driver {

class PageFile {
 public:
  static base::Result<std::unique_ptr<PageFile>> Make();
  ~PageFile();
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  [[nodiscard]] int fd() const { return reading_.get(); }  // to give away: for reading only
  [[nodiscard]] link::Page& page() { return *page_; }

  // Readers see what was written before, too.
  static void Set(std::uint64_t& counter, std::uint64_t value);
  static void Set(std::uint32_t& word, std::uint32_t value);
  static void Wake(const std::uint64_t& counter);  // all that wait on its low half

 private:
  PageFile(base::UniqueFd reading, link::Page* page) : reading_(std::move(reading)), page_(page) {}

  base::UniqueFd reading_;
  link::Page* page_;
};

}  // namespace tranche::sim::driver
