// What a program in a pod may send to the node program (src/node/walls/requests.h), and the record
// of walls (src/node/walls/record.h), which a successor reads, and what a pod's annotation may ask
// for (src/config/memory_amount.h): any bytes.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "base/status.h"
#include "config/memory_amount.h"
#include "node/walls/record.h"
#include "node/walls/requests.h"
#include "wire/pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace walls = tranche::node::walls;
  namespace wire = tranche::wire;
  const auto read = walls::ReadRequest(std::as_bytes(std::span(data, size)));
  if (const auto* request = std::get_if<walls::Request>(&read)) {
    if (const auto* hello = std::get_if<wire::Hello>(request)) {
      TRANCHE_CHECK(hello->device_count <= wire::kMaxDevices);
    } else if (const auto* measure = std::get_if<wire::Measure>(request)) {
      TRANCHE_CHECK(measure->slot < wire::kMaxSlots && measure->device < wire::kMaxDevices);
    }
  } else {
    TRANCHE_CHECK(std::get<wire::Status>(read) != wire::Status::kOk);
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(walls::ParseUuid(text));
  if (const auto amount = tranche::config::ParseMemoryAmount(text); amount.ok()) {
    constexpr std::uint64_t kDevice = 80ULL << 30U;
    const bool percent = std::holds_alternative<tranche::config::Milli>(*amount);
    TRANCHE_CHECK(!percent || tranche::config::BytesOf(*amount, kDevice) <= kDevice);
    TRANCHE_CHECK(tranche::config::AmountText(*amount).size() < 64);
  }
  const auto pods = walls::ReadRecord(text);
  if (!pods.ok()) return 0;
  for (const walls::PodRecord& pod : *pods) {
    TRANCHE_CHECK(!pod.devices.empty() && pod.devices.size() <= wire::kMaxDevices);
  }
  return 0;
}
