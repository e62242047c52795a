#include "config/option_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/decode_sharing.h"
#include "config/memory_amount.h"
#include "config/resource_name.h"
#include "config/schema.h"
#include "config/units.h"
#include "config/yaml/diagnostic.h"
#include "config/yaml/scalar.h"

namespace tranche::config {
namespace {

using yaml::CompactJson;
using yaml::kMaxMistakes;

constexpr std::size_t kMaxShown = 80;

std::string Shown(const Node& node) { return CompactJson(node, kMaxShown); }

}  // namespace

bool IsOptionDevice(std::string_view text) {
  constexpr std::size_t kLongest = 64;  // "MIG-GPU-<uuid>/<gi>/<ci>" with room
  return text.size() <= kLongest && IsDeviceRef(text);
}

void OptionReader::Map(const Node& node, const std::vector<Option>& options) {
  if (node.is_null()) return;
  if (!node.is_map()) {
    Fail(node, fmt::format("a map is wanted, not {}", Shown(node)));
    return;
  }
  for (const Node::Entry& entry : node.entries) {
    const auto option = std::find_if(options.begin(), options.end(),
                                     [&](const Option& one) { return one.key == entry.key; });
    if (option == options.end()) {
      Find(UnknownKey(entry, fmt::format("{}", fmt::join(path_, "."))));
    } else if (!entry.value->is_null()) {
      path_.emplace_back(entry.key);
      option->read(*entry.value);
      path_.pop_back();
    }
  }
}

void OptionReader::Fail(const Node& node, const std::string& message, const std::string& instead) {
  ++errors_;
  Find({.severity = Severity::kError,
        .message = fmt::format("{}: {}", fmt::join(path_, "."), message),
        .line = node.mark.line,
        .column = node.mark.column,
        .instead = instead});
}

void OptionReader::Find(Diagnostic one) {
  if (findings_.size() < kMaxMistakes || (errors_ == 1 && one.severity == Severity::kError)) {
    findings_.push_back(std::move(one));
  }
}

std::string OptionReader::WordText(const Node& node) {
  if (node.kind == Node::Kind::kBool) return node.boolean ? "on" : "off";
  return node.is_string() ? node.text : Shown(node);
}

void OptionReader::FailWord(const Node& node, const std::string& text,
                            const std::vector<std::string>& known) {
  std::string message =
      fmt::format("'{}' is not one of {}", text.substr(0, kMaxShown), fmt::join(known, ", "));
  if (const std::string near = NearestName(text, known); !near.empty()) {
    message += fmt::format(" (did you mean '{}'?)", near);
  }
  Fail(node, message);
}

bool OptionReader::Bool(const Node& node) {
  if (node.kind == Node::Kind::kBool) return node.boolean;
  Fail(node, fmt::format("write true or false, not {}", Shown(node)));
  return false;
}

std::int64_t OptionReader::Integer(const Node& node, std::int64_t least, std::int64_t most) {
  if (node.kind == Node::Kind::kInt && node.integer >= least && node.integer <= most) {
    return node.integer;
  }
  Fail(node, fmt::format("{} is not a whole number from {} to {}", Shown(node), least, most));
  return least;
}

std::string OptionReader::Name(const Node& node) {
  constexpr std::size_t kLongest = 63;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (node.is_string() && !node.text.empty() && node.text.size() <= kLongest &&
      std::all_of(node.text.begin(), node.text.end(), allowed)) {
    return node.text;
  }
  Fail(node, fmt::format("{} is not a name (a-z, 0-9 and -, 63 at most)", Shown(node)));
  return "";
}

std::string OptionReader::ResourceName(const Node& node) {
  if (!node.is_string()) {
    Fail(node, fmt::format("a resource name is wanted, not {}", Shown(node)));
    return "";
  }
  auto name = MakeResourceName(node.text);
  if (name.ok()) return *std::move(name);
  const NameAdvice advice = AdviseOnName(node.text);
  Fail(node, advice.what + "; " + advice.instead);
  return "";
}

std::string OptionReader::Device(const Node& node) {
  if (node.kind == Node::Kind::kInt && node.integer >= 0) return std::to_string(node.integer);
  if (node.is_string() && IsOptionDevice(node.text)) return node.text;
  Fail(node, fmt::format("{} is no GPU index, MIG index (\"0:1\") or UUID", Shown(node)));
  return "";
}

std::chrono::nanoseconds OptionReader::Period(const Node& node) {
  if (node.kind == Node::Kind::kInt) {
    Fail(node, fmt::format("a unit is missing: write \"{}s\" for seconds", node.integer));
    return {};
  }
  if (!node.is_string()) {
    Fail(node, fmt::format("{} is not a duration (60s, 5m)", Shown(node)));
    return {};
  }
  auto period = ParseGoDuration(node.text);
  if (!period.ok()) {
    Fail(node, period.status().message());
  } else if (period->count() <= 0) {
    Fail(node, fmt::format("'{}' is not above zero", node.text));
  }
  return period.ok() ? *period : std::chrono::nanoseconds{};
}

MemoryAmount OptionReader::Memory(const Node& node) {
  if (!node.is_string() && node.kind != Node::Kind::kInt && node.kind != Node::Kind::kFloat) {
    Fail(node, fmt::format("{} is neither a quantity (4Gi) nor a percent (25%)", Shown(node)));
    return Bytes{};
  }
  const auto amount = ParseMemoryAmount(node.is_string() ? node.text : CompactJson(node));
  if (!amount.ok()) Fail(node, amount.status().message());
  return amount.ok() ? *amount : Bytes{};
}

Milli OptionReader::Percent(const Node& node) {
  if (!node.is_string()) {
    Fail(node, fmt::format("a percent sign is missing: write {}%", Shown(node)));
    return {};
  }
  auto percent = ParsePercent(node.text);
  if (!percent.ok()) {
    Fail(node, percent.status().message());
    return {};
  }
  return *percent;
}

}  // namespace tranche::config
