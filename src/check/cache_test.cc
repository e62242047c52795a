#include "check/cache.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tranche::check {
namespace {

struct Listed {
  std::uint32_t flags;
  std::uint64_t hardware;
  std::string name;
  std::string path;
};

#ifdef __aarch64__
constexpr std::uint32_t kOurs = 0x0A03;
#else
constexpr std::uint32_t kOurs = 0x0303;
#endif

void Append(std::string& to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to.push_back(static_cast<char>(number >> (8 * i)));
}

std::string Cache(const std::vector<Listed>& listed) {
  std::string cache = "glibc-ld.so.cache1.1";
  Append(cache, listed.size(), 4);
  cache.resize(48);
  std::string strings;
  const std::size_t begin = 48 + 24 * listed.size();
  for (const Listed& entry : listed) {
    Append(cache, entry.flags, 4);
    Append(cache, begin + strings.size(), 4);
    strings += entry.name + '\0';
    Append(cache, begin + strings.size(), 4);
    strings += entry.path + '\0';
    Append(cache, 0, 4);
    Append(cache, entry.hardware, 8);
  }
  return cache + strings;
}

std::string BehindTheOldFormat(const std::string& cache, std::uint32_t entries) {
  std::string old("ld.so-1.7.0\0", 12);
  Append(old, entries, 4);
  old.resize((16 + 12 * std::size_t{entries} + 7) / 8 * 8);
  return old + cache;
}

const std::vector<Listed> kListed = {
    {kOurs, 0, "libc.so.6", "/lib/libc.so.6"},
    {0x0003, 0, "libcuda.so.1", "/usr/lib32/libcuda.so.1"},
    {kOurs, 2, "libcuda.so.1", "/usr/lib/hw/libcuda.so.1"},
    {kOurs, 0, "libcuda.so.1", "/usr/local/cuda/compat/libcuda.so.1"},
    {kOurs, 0, "libcuda.so.1", "/usr/lib/libcuda.so.1"}};

TEST(InCache, TheFirstOfThisMachineIsFound) {
  EXPECT_EQ(InCache(Cache(kListed), "libcuda.so.1"), "/usr/local/cuda/compat/libcuda.so.1");
  EXPECT_EQ(InCache(Cache(kListed), "libcuda.so"), "");
  for (const std::uint32_t entries : {0U, 1U, 2U, 1000U}) {
    EXPECT_EQ(InCache(BehindTheOldFormat(Cache(kListed), entries), "libc.so.6"), "/lib/libc.so.6");
  }
}

TEST(InCache, WhatIsCutShortOrNoCacheHasNothing) {
  const std::string whole = Cache({{kOurs, 0, "libcuda.so.1", "/usr/lib/libcuda.so.1"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(InCache(whole.substr(0, size), "libcuda.so.1"), "") << size;
  }
  EXPECT_EQ(InCache(BehindTheOldFormat(whole, 1).substr(0, 20), "libcuda.so.1"), "");
  std::string wild = Cache(kListed);
  for (std::size_t at = 20; at < wild.size(); ++at) {
    std::string spoiled = wild;
    spoiled[at] = '\xff';
    InCache(spoiled, "libcuda.so.1");
    InCache("ld.so-1.7.0" + spoiled, "libcuda.so.1");
  }
}

TEST(FindInCache, OfThisMachine) {
  const hook::Root root("/");
  const hook::Path path = FindInCache(root, "libc.so.6");
  EXPECT_TRUE(path.view().ends_with("/libc.so.6")) << path.view();
}

}  // namespace
}  // namespace tranche::check
