// Memory of the kernel's, of a size that is known before, zeroed; and a descriptor with an owner.
//
// Threading: plain objects.
// Errors: data() is null where the kernel gave none; a descriptor below 0 is none.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <string_view>

namespace tranche::hook {

class Memory {
 public:
  explicit Memory(std::size_t size) : size_(size) {
    if (size == 0) return;
    void* made = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made != MAP_FAILED) data_ = static_cast<char*>(made);
  }
  ~Memory() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  [[nodiscard]] char* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return data_ == nullptr ? 0 : size_; }

 private:
  std::size_t size_;
  char* data_ = nullptr;
};

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Close();
      number_ = other.number_;
      other.number_ = -1;
    }
    return *this;
  }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool valid() const { return number_ >= 0; }

 private:
  void Close() const {
    if (number_ >= 0) close(number_);
  }

  int number_;
};

// Reads until the end or until `size` bytes; how many, or -1 where reading failed.
ssize_t ReadAll(int descriptor, char* to, std::size_t size);
// The same from a place in a file.
std::size_t ReadAt(int descriptor, unsigned long long offset, void* to, std::size_t size);
// Writes all of the text, or as much as can be written.
void Print(int descriptor, std::string_view text);

}  // namespace tranche::hook
