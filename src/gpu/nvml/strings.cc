#include "gpu/nvml/strings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <span>

#include "base/text.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;
using base::Status;

constexpr std::size_t kMostMinorLines = 65536;  // far above 8 GPUs × 8 × 8 instances

bool IsIdCharacter(char c) {
  return base::IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '/' || c == '.' || c == '_';
}

// Takes pieces off the front of a text; a piece that is not there leaves it as it was.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool TakeWord(std::string_view word) {
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  bool TakeNumber(unsigned& value, unsigned base = 10) {
    unsigned parsed = 0;
    const char* end = text_.data() + text_.size();
    const auto [next, error] = std::from_chars(text_.data(), end, parsed, static_cast<int>(base));
    if (error != std::errc()) return false;
    text_.remove_prefix(static_cast<std::size_t>(next - text_.data()));
    value = parsed;
    return true;
  }
  [[nodiscard]] bool done() const { return text_.empty(); }
  [[nodiscard]] std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

void ReadMinorLine(std::string_view line, MigMinors& out) {
  Reader reader(line);
  unsigned gpu = 0;
  unsigned gi = 0;
  unsigned ci = 0;
  unsigned minor = 0;
  if (!reader.TakeWord("gpu") || !reader.TakeNumber(gpu) || !reader.TakeWord("/gi") ||
      !reader.TakeNumber(gi)) {
    return;
  }
  const bool compute = reader.TakeWord("/ci");
  if (compute && !reader.TakeNumber(ci)) return;
  if (!reader.TakeWord("/access ") || !reader.TakeNumber(minor) || !reader.done()) return;
  if (compute) {
    out.compute_instances[{gpu, gi, ci}] = minor;
  } else {
    out.gpu_instances[{gpu, gi}] = minor;
  }
}

}  // namespace

std::string_view BufferText(const char* buffer, std::size_t size) {
  const std::string_view all(buffer, size);
  return all.substr(0, std::min(all.find('\0'), size));
}

std::string ParseProductName(std::string_view text) {
  std::string name(text);
  std::erase_if(name, [](char c) { return c < ' ' || c > '~'; });
  return name;
}

std::optional<std::string> ParseUuid(std::string_view text) {
  if (!text.starts_with("GPU-") && !text.starts_with("MIG-")) return std::nullopt;
  if (text.size() <= 4 || text.size() > kUuidBufferSize) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), IsIdCharacter)) return std::nullopt;
  // It may be the last part of a path (/dev/null is mounted at …/<uuid>).
  if (text.find("..") != std::string_view::npos) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> ParseBusId(std::string_view text) {
  Reader reader(text);
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
  unsigned function = 0;
  if (!reader.TakeNumber(domain, 16) || !reader.TakeWord(":") || !reader.TakeNumber(bus, 16) ||
      !reader.TakeWord(":") || !reader.TakeNumber(device, 16) || !reader.TakeWord(".") ||
      !reader.TakeNumber(function, 16) || !reader.done()) {
    return std::nullopt;
  }
  if (bus > 0xFF || device > 0x1F || function > 7) return std::nullopt;
  char out[32];
  // The kernel writes the domain as %04x: longer where it needs to be (VMD, some clouds).
  std::snprintf(out, sizeof out, "%04x:%02x:%02x.%x", domain, bus, device, function);
  return std::string(out);
}

bool IsDisplayGpu(std::string_view name) {
  return name == "DGX Display" || name == "NVIDIA DGX Display";
}

std::optional<MigProfile> ParseMigProfile(std::string_view text) {
  Reader reader(text);
  MigProfile profile;
  if (!reader.TakeNumber(profile.gpu_slices)) return std::nullopt;
  const bool partial = reader.TakeWord("c.");
  if (partial) {
    profile.compute_slices = profile.gpu_slices;
    if (!reader.TakeNumber(profile.gpu_slices)) return std::nullopt;
  }
  if (!reader.TakeWord("g.") || !reader.TakeNumber(profile.memory_gb) || !reader.TakeWord("gb")) {
    return std::nullopt;
  }
  if (!partial) profile.compute_slices = profile.gpu_slices;
  if (profile.compute_slices == 0 || profile.compute_slices > profile.gpu_slices) {
    return std::nullopt;
  }
  const std::string_view rest = reader.rest();
  if (rest.empty()) return profile;
  const bool fits = rest.size() >= 2 && rest.size() <= 16 && (rest[0] == '+' || rest[0] == '-');
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '.' || c == ','; };
  if (!fits || !std::all_of(rest.begin() + 1, rest.end(), is_letter)) return std::nullopt;
  profile.attribute = rest;
  return profile;
}

std::string FormatMigProfile(const MigProfile& profile) {
  std::string text;
  if (profile.compute_slices != profile.gpu_slices) {
    text = std::to_string(profile.compute_slices) + "c.";
  }
  return text + std::to_string(profile.gpu_slices) + "g." + std::to_string(profile.memory_gb) +
         "gb" + profile.attribute;
}

std::optional<MigProfile> ProfileInName(std::string_view name) {
  constexpr std::string_view kMark = "MIG ";
  const std::size_t at = name.rfind(kMark);
  if (at == std::string_view::npos || (at > 0 && name[at - 1] != ' ')) return std::nullopt;
  return ParseMigProfile(base::Trim(name.substr(at + kMark.size())));
}

unsigned MigMemoryGb(std::uint64_t device_bytes, std::uint64_t instance_mib) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  constexpr double kMiB = 1U << 20U;
  if (device_bytes == 0) return 0;
  const double part =
      std::min(1.0, static_cast<double>(instance_mib) * kMiB / static_cast<double>(device_bytes));
  const std::uint64_t whole = device_bytes / kGiB + (device_bytes % kGiB != 0 ? 1 : 0);
  const double gb = std::round(std::ceil(part * 8) / 8 * static_cast<double>(whole));
  return gb > 1e6 ? 0 : static_cast<unsigned>(gb);
}

MigMinors ParseMigMinors(std::string_view text) {
  MigMinors out;
  for (std::size_t lines = 0; !text.empty() && lines < kMostMinorLines; ++lines) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    ReadMinorLine(base::Trim(text.substr(0, end)), out);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<int> ParseNumaNode(std::string_view text) {
  Reader reader(base::Trim(text));
  unsigned node = 0;
  // Above what any kernel is built with (CONFIG_NODES_SHIFT is at most 10) it is no node.
  if (!reader.TakeNumber(node) || !reader.done() || node >= 1024) return std::nullopt;
  return static_cast<int>(node);
}

std::optional<unsigned> ParsePciClass(std::string_view text) {
  constexpr unsigned kMostClass = 0xFFFFFF;
  Reader reader(base::Trim(text));
  unsigned parsed = 0;
  if (!reader.TakeWord("0x") || !reader.TakeNumber(parsed, 16) || !reader.done())
    return std::nullopt;
  return parsed <= kMostClass ? std::optional(parsed) : std::nullopt;
}

std::optional<std::string> FabricUuid(const unsigned char* bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::span<const unsigned char> all(bytes, kFabricUuidSize);
  if (std::ranges::all_of(all, [](unsigned char byte) { return byte == 0; })) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[all[i] >> 4U];
    text += kDigits[all[i] & 0xFU];
  }
  return text;
}

std::string_view ReturnText(Return result) {
  switch (result) {
    case nvml::kSuccess:
      return "success";
    case nvml::kUninitialized:
      return "not initialised";
    case nvml::kInvalidArgument:
      return "invalid argument";
    case nvml::kNotSupported:
      return "not supported";
    case nvml::kNoPermission:
      return "insufficient permissions";
    case nvml::kNotFound:
      return "not found";
    case nvml::kInsufficientSize:
      return "insufficient size";
    case nvml::kInsufficientPower:
      return "insufficient external power";
    case nvml::kDriverNotLoaded:
      return "driver not loaded";
    case nvml::kTimeout:
      return "timeout";
    case nvml::kIrqIssue:
      return "interrupt request issue";
    case nvml::kFunctionNotFound:
      return "function not found in the library";
    case nvml::kCorruptedInforom:
      return "corrupted infoROM";
    case nvml::kGpuIsLost:
      return "GPU is lost";
    case nvml::kResetRequired:
      return "GPU requires reset";
    case nvml::kOperatingSystem:
      return "the operating system denied it";
    case nvml::kLibRmVersionMismatch:
      return "driver and library version differ";
    case nvml::kInUse:
      return "in use by another client";
    case nvml::kMemory:
      return "insufficient memory";
    case nvml::kNotReady:
      return "not ready";
    case nvml::kGpuNotFound:
      return "GPU not found";
    case nvml::kInvalidState:
      return "invalid state";
    default:
      return "unknown error";
  }
}

Status ReturnStatus(Return result, std::string_view call) {
  if (result == nvml::kSuccess) return Status::Ok();
  Code code = Code::kUnavailable;
  switch (result) {
    case nvml::kGpuIsLost:
    case nvml::kGpuNotFound:
      code = Code::kDataLoss;
      break;
    case nvml::kNotSupported:
    case nvml::kFunctionNotFound:
      code = Code::kUnimplemented;
      break;
    case nvml::kNotFound:
      code = Code::kNotFound;
      break;
    case nvml::kNoPermission:
      code = Code::kPermissionDenied;
      break;
    default:
      break;
  }
  return {code, std::string(call) + ": " + std::string(ReturnText(result)) + " (" +
                    std::to_string(static_cast<unsigned>(result)) + ")"};
}

}  // namespace tranche::gpu::nvml
