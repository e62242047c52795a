#include "cdi/ldcache.h"

#include <cstdint>
#include <cstring>
#include <set>

namespace tranche::cdi {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::string_view kOldMagic = "ld.so-1.7.0";
constexpr std::size_t kOldHeaderBytes = 16;  // magic with its zero, then the number of entries
constexpr std::size_t kOldEntryBytes = 12;
constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr std::size_t kHeaderBytes = 48;  // magic, entries, string bytes, 20 bytes of other use
constexpr std::size_t kEntryBytes = 24;   // flags, key, value, OS version, hardware capabilities
constexpr std::size_t kAlignment = 8;

constexpr std::uint32_t kTypeMask = 0x00ff;
constexpr std::uint32_t kTypeElf = 0x0001;  // bit of all ELF types
constexpr std::uint32_t kArchMask = 0xff00;
constexpr std::uint32_t kX8664 = 0x0300;
constexpr std::uint32_t kPpc64le = 0x0500;
constexpr std::uint32_t kAarch64 = 0x0a00;

std::uint32_t Number(std::string_view bytes, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.substr(offset, sizeof value).data(), sizeof value);
  return value;
}

bool IsLibrary64(std::uint32_t flags) {
  const std::uint32_t arch = flags & kArchMask;
  return (flags & kTypeMask & kTypeElf) != 0 &&
         (arch == kX8664 || arch == kAarch64 || arch == kPpc64le);
}

// Without the old part, where there is one.
std::string_view NewPart(std::string_view bytes) {
  if (!bytes.starts_with(kOldMagic) || bytes.size() < kOldHeaderBytes) return bytes;
  const std::size_t count = Number(bytes, kOldMagic.size() + 1);
  std::size_t end = kOldHeaderBytes + count * kOldEntryBytes;
  end = (end + kAlignment - 1) / kAlignment * kAlignment;
  return end < bytes.size() ? bytes.substr(end) : std::string_view();
}

std::string_view TextAt(std::string_view bytes, std::size_t offset) {
  if (offset >= bytes.size()) return {};
  const std::string_view rest = bytes.substr(offset);
  const std::size_t end = rest.find('\0');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

}  // namespace

Result<std::vector<std::string>> ParseLdCache(std::string_view bytes) {
  bytes = NewPart(bytes);
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) {
    return Status(Code::kInvalidArgument, "not an ld.so.cache");
  }
  const std::size_t count = Number(bytes, kMagic.size());
  if (count > (bytes.size() - kHeaderBytes) / kEntryBytes) {
    return Status(Code::kInvalidArgument, "ld.so.cache is cut short");
  }
  std::vector<std::string> paths;
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = kHeaderBytes + i * kEntryBytes;
    if (!IsLibrary64(Number(bytes, entry))) continue;
    const std::string_view path = TextAt(bytes, Number(bytes, entry + 2 * sizeof(std::uint32_t)));
    if (path.starts_with('/') && seen.insert(path).second) paths.emplace_back(path);
  }
  return paths;
}

}  // namespace tranche::cdi
