// FakeDevice is memory for the tests of kernels: buffers at addresses of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/ptx/interpreter.h"
#include "sim/ptx/parser.h"

namespace tranche::sim::ptx::testing {

class FakeDevice : public Memory {
 public:
  std::uint64_t Allocate(std::uint64_t bytes) {
    const std::uint64_t address = next_;
    next_ += bytes + 4096;
    buffers_[address].resize(bytes);
    return address;
  }
  template <typename Value>
  std::uint64_t Put(const std::vector<Value>& values) {
    const std::uint64_t address = Allocate(values.size() * sizeof(Value));
    std::memcpy(buffers_[address].data(), values.data(), values.size() * sizeof(Value));
    return address;
  }
  template <typename Value>
  std::vector<Value> Get(std::uint64_t address) {
    std::vector<Value> values(buffers_[address].size() / sizeof(Value));
    std::memcpy(values.data(), buffers_[address].data(), values.size() * sizeof(Value));
    return values;
  }
  bool Find(std::uint64_t address, Range* range) override {
    for (auto& [begin, bytes] : buffers_) {
      if (address < begin || address >= begin + bytes.size()) continue;
      *range = {.begin = begin, .end = begin + bytes.size(), .bytes = bytes.data()};
      return true;
    }
    return false;
  }

 private:
  std::map<std::uint64_t, std::vector<std::uint8_t>> buffers_;
  std::uint64_t next_ = 0x7F0000000000;
};

// Parameters one after the other, as a kernel takes them.
template <typename... Values>
std::vector<std::uint8_t> Params(Values... values) {
  std::vector<std::uint8_t> bytes;
  const auto add = [&](auto value) {
    while (bytes.size() % sizeof(value) != 0) bytes.push_back(0);
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof(value));
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  };
  (add(values), ...);
  return bytes;
}

inline std::string Module(std::string_view rest) {
  return ".version 8.4\n.target sm_80\n.address_size 64\n" + std::string(rest);
}

// A kernel `k` of one pointer, whose statements are given. There are registers of each type.
inline std::string KernelOf(std::string_view statements) {
  return Module(
      ".visible .entry k(.param .u64 out) {\n"
      ".reg .pred %p<8>; .reg .b16 %h<8>; .reg .b32 %r<8>; .reg .b64 %d<8>;\n"
      ".reg .f32 %f<8>; .reg .f64 %g<8>;\n"
      "ld.param.u64 %d0, [out];\n" +
      std::string(statements) + "\nret;\n}\n");
}

inline Image MustParse(std::string_view text) {
  Parsed parsed = ParsePtx(text);
  EXPECT_EQ(parsed.error, "") << "line " << parsed.line;
  return std::move(parsed.image);
}

// What the statements leave in %d1, by one thread.
inline std::uint64_t Result(std::string_view statements) {
  const Image image = MustParse(KernelOf(std::string(statements) + "\nst.global.u64 [%d0], %d1;"));
  if (image.kernels.size() != 1 || image.kernels[0].code == nullptr) {
    ADD_FAILURE() << (image.kernels.empty() ? "no kernel" : image.kernels[0].obstacle);
    return 0;
  }
  FakeDevice device;
  const std::uint64_t out = device.Allocate(8);
  const auto params = Params(out);
  const Ending ending = Interpret(image.kernels[0], {.params = params}, device);
  EXPECT_EQ(ending.end, End::kDone);
  return device.Get<std::uint64_t>(out)[0];
}

}  // namespace tranche::sim::ptx::testing
