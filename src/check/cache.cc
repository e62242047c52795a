#include "check/cache.h"

#include <cstdint>
#include <cstring>

#include "hook/memory.h"

namespace tranche::check {
namespace {

constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr std::string_view kOldMagic = "ld.so-1.7.0";
constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr std::size_t kOldHeader = 16;  // the magic and the number of entries
constexpr std::size_t kOldEntry = 12;
constexpr std::size_t kHeader = 48;
#ifdef __aarch64__
constexpr std::uint32_t kFlags = 0x0A03;
#else
constexpr std::uint32_t kFlags = 0x0303;  // for glibc, of 64 bits
#endif

struct Entry {
  std::uint32_t flags;
  std::uint32_t name;  // from the beginning of the header
  std::uint32_t path;
  std::uint32_t system;
  std::uint64_t hardware;
};

std::uint32_t NumberAt(std::string_view text, std::size_t at) {
  std::uint32_t number = 0;
  if (text.size() >= sizeof number && at <= text.size() - sizeof number) {
    std::memcpy(&number, text.data() + at, sizeof number);
  }
  return number;
}

std::string_view TextAt(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  text.remove_prefix(at);
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return {};
  text.remove_suffix(text.size() - end);
  return text;
}

}  // namespace

std::string_view InCache(std::string_view cache, std::string_view library) {
  if (cache.starts_with(kOldMagic)) {
    const std::size_t old = kOldHeader + std::size_t{NumberAt(cache, kOldHeader - 4)} * kOldEntry;
    cache.remove_prefix(old + 7 < cache.size() ? (old + 7) / 8 * 8 : cache.size());
  }
  if (!cache.starts_with(kMagic) || cache.size() < kHeader) return {};
  const std::size_t count = NumberAt(cache, kMagic.size());
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry = {};
    const std::size_t at = kHeader + i * sizeof entry;
    if (at + sizeof entry > cache.size()) break;
    std::memcpy(&entry, cache.data() + at, sizeof entry);
    if (entry.flags == kFlags && entry.hardware == 0 && TextAt(cache, entry.name) == library) {
      return TextAt(cache, entry.path);
    }
  }
  return {};
}

hook::Path FindInCache(const hook::Root& root, std::string_view library) {
  const hook::Descriptor file = root.OpenFile("/etc/ld.so.cache");
  const hook::Memory text(kMostBytes);
  if (!file.valid() || text.data() == nullptr) return {};
  const ssize_t size = hook::ReadAll(file.get(), text.data(), text.size());
  if (size <= 0) return {};
  return hook::Path(InCache({text.data(), static_cast<std::size_t>(size)}, library));
}

}  // namespace tranche::check
