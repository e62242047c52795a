#include "labels/facts.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "labels/label_text.h"

namespace tranche::labels {
namespace {

using base::Code;
using base::Kv;
using base::Result;
using base::Status;

constexpr std::size_t kMostConfig = 4096;  // PCI Express; the first 256 bytes are of interest
constexpr std::size_t kMostMachine = 64U << 10U;

std::uint8_t Byte(std::string_view bytes, std::size_t at) {
  return at < bytes.size() ? static_cast<std::uint8_t>(bytes[at]) : 0;
}

// The vendor-specific capability (PCI Local Bus Specification 3.0, 6.7), "" where there is none.
std::string_view VendorCapability(std::string_view config) {
  constexpr std::size_t kStatus = 0x06;
  constexpr std::uint8_t kHasCapabilities = 0x10;
  constexpr std::size_t kFirstCapability = 0x34;
  constexpr std::uint8_t kVendorSpecific = 0x09;
  constexpr std::uint8_t kBroken = 0xFF;
  if ((Byte(config, kStatus) & kHasCapabilities) == 0) return "";
  std::array<bool, 256> seen{};
  for (std::uint8_t at = Byte(config, kFirstCapability); at != 0 && !seen.at(at);) {
    seen.at(at) = true;
    const std::uint8_t id = Byte(config, at);
    if (id == kBroken) return "";
    if (id == kVendorSpecific) return config.substr(at, Byte(config, at + 2U));
    at = Byte(config, at + 1U);
  }
  return "";
}

// A text of fixed length, filled up with zeros.
std::string FixedText(std::string_view bytes) {
  const std::size_t first = bytes.find_first_not_of('\0');
  if (first == std::string_view::npos) return "";
  return SanitiseLabel(bytes.substr(first, bytes.find_last_not_of('\0') - first + 1));
}

// Finds the vGPU devices among the node's NVIDIA PCI functions.
Status ReadVgpu(const std::string& devices, LabelFacts& facts) {
  const auto names = base::ListDirectory(devices);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string directory = base::JoinPath(devices, name);
    const auto vendor = base::ReadFile(base::JoinPath(directory, "vendor"), 64);
    if (!vendor.ok()) return vendor.status();
    if (base::Trim(*vendor) != "0x10de") continue;
    const auto config = base::ReadFile(base::JoinPath(directory, "config"), kMostConfig);
    if (!config.ok()) return config.status();
    auto vgpu = VgpuOf(*config);
    if (!vgpu.ok()) return vgpu.status().Wrap(name);
    // Of several, the last one with a driver version counts; where none has one, the first.
    if (*vgpu && (!facts.vgpu || !(*vgpu)->driver_version.empty())) facts.vgpu = **std::move(vgpu);
  }
  return Status::Ok();
}

}  // namespace

Result<std::optional<VgpuHost>> VgpuOf(std::string_view config) {
  constexpr std::size_t kWhole = 256;
  if (config.size() < kWhole) {
    return Status(Code::kFailedPrecondition,
                  "only " + std::to_string(config.size()) +
                      " bytes of its PCI configuration can be read: the process is not privileged");
  }
  const std::string_view capability = VendorCapability(config.substr(0, kWhole));
  // "VF" after id, next and length; then records of id, length and data.
  constexpr std::size_t kSignature = 3;
  constexpr std::size_t kRecords = 5;
  constexpr std::size_t kTextLength = 10;
  if (capability.size() < kRecords || capability.substr(kSignature, 2) != "VF") {
    return std::optional<VgpuHost>();
  }
  VgpuHost host;
  for (std::size_t at = kRecords; at + 2 + 2 * kTextLength <= capability.size();) {
    if (Byte(capability, at) == 0) {  // the host's driver
      host.driver_version = FixedText(capability.substr(at + 2, kTextLength));
      host.driver_branch = FixedText(capability.substr(at + 2 + kTextLength, kTextLength));
      break;
    }
    const std::uint8_t length = Byte(capability, at + 1);
    if (length == 0) break;
    at += length;
  }
  return std::optional<VgpuHost>(std::move(host));
}

LabelFacts ReadLabelFacts(const std::string& machine_type_file, const std::string& sys_root) {
  LabelFacts facts;
  facts.machine = "unknown";
  if (!machine_type_file.empty()) {
    const auto machine = base::ReadFile(machine_type_file, kMostMachine);
    if (machine.ok()) {
      facts.machine = base::Trim(*machine);
    } else {
      base::LogDebug("the machine type is not known", {Kv("error", machine.status().message())});
    }
  }
  const Status status = ReadVgpu(sys_root + "/sys/bus/pci/devices", facts);
  facts.vgpu_known = status.ok();
  if (!status.ok()) {
    base::LogDebug("whether there is a vGPU is not known", {Kv("error", status.message())});
  }
  return facts;
}

}  // namespace tranche::labels
