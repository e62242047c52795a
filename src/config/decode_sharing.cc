#include "config/decode_sharing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/resource_name.h"
#include "config/yaml/scalar.h"

namespace tranche::config {
namespace {

using yaml::CompactJson;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool IsUnsigned(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The four spellings that https://pkg.go.dev/github.com/google/uuid#Parse takes.
bool IsUuid(std::string_view text) {
  constexpr std::size_t kPlain = 36;
  constexpr std::size_t kBare = 32;
  constexpr std::string_view kUrn = "urn:uuid:";
  if (text.size() == kBare) return std::all_of(text.begin(), text.end(), IsHex);
  if (text.size() == kPlain + kUrn.size()) {
    for (std::size_t i = 0; i < kUrn.size(); ++i) {
      if ((text[i] | 0x20) != (kUrn[i] | 0x20)) return false;
    }
    text.remove_prefix(kUrn.size());
  } else if (text.size() == kPlain + 2) {
    text = text.substr(1, kPlain);  // braces, which that parser does not look at either
  }
  if (text.size() != kPlain) return false;
  for (std::size_t i = 0; i < kPlain; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !IsHex(text[i])) return false;
  }
  return true;
}

bool IsGpuUuid(std::string_view text) { return StartsWith(text, "GPU-") && IsUuid(text.substr(4)); }

bool IsMigUuid(std::string_view text) {
  if (!StartsWith(text, "MIG-")) return false;
  text.remove_prefix(4);
  if (IsUuid(text)) return true;
  const std::size_t first = text.find('/');
  if (first == std::string_view::npos) return false;
  const std::size_t second = text.find('/', first + 1);
  if (second == std::string_view::npos) return false;
  return IsGpuUuid(text.substr(0, first)) &&
         IsUnsigned(text.substr(first + 1, second - first - 1)) &&
         IsUnsigned(text.substr(second + 1));
}

// A resource name, or "" with the error recorded.
std::string DecodeName(const Node& node, Decoder& decoder) {
  if (!node.is_string() && !node.is_null()) {
    decoder.StopWithTypeError(node, "string");
    return "";
  }
  auto name = MakeResourceName(node.is_string() ? std::string_view(node.text) : "");
  if (name.ok()) return *std::move(name);
  decoder.Stop(node, name.status().message());
  return "";
}

// `devices`: true for all of them, false for a choice.
bool DecodeDevices(const Node& node, Decoder& decoder) {
  if (node.is_null() || node.is_string()) {
    const std::string_view word = node.is_string() ? std::string_view(node.text) : "";
    if (word == "all") return true;
    decoder.Stop(node,
                 fmt::format("devices set as '{}' but the only valid string input is 'all'", word));
    return true;
  }
  if (const auto count = GoInteger(node)) {
    if (*count <= 0) {
      decoder.Stop(node,
                   fmt::format("devices set as '{}' but a count of devices must be > 0", *count));
    }
    return false;
  }
  if (!node.is_list()) {
    decoder.Stop(node, "unrecognized type for devices spec: " + CompactJson(node));
    return false;
  }
  for (const Node* item : node.items) {
    const auto index = GoInteger(*item);
    if (item->is_null() || item->kind == Node::Kind::kUnsigned || (index && *index >= 0)) continue;
    if (item->is_string() && IsDeviceRef(item->text)) continue;
    decoder.Stop(*item, fmt::format("unsupported type for device in devices list: {}, string",
                                    item->is_string() ? item->text : ""));
    return false;
  }
  return false;
}

std::int64_t DecodeReplicas(const Node& node, Decoder& decoder) {
  const auto number = GoInteger(node);
  if (!number && !node.is_null()) {
    decoder.StopWithTypeError(node, "int");
    return 0;
  }
  // Ours: 1 means not shared. Upstream wants 2, and its text says so.
  if (number.value_or(0) < 1) decoder.Stop(node, "number of replicas must be >= 2");
  return number.value_or(0);
}

FileResource DecodeResource(const Node& node, Decoder& decoder) {
  FileResource out;
  out.mark = node.mark;
  if (!decoder.OpenMap(node)) return out;
  const Node::Entry* name = node.Find("name");
  const Node::Entry* devices = node.Find("devices");
  const Node::Entry* replicas = node.Find("replicas");
  const Node::Entry* rename = node.Find("rename");
  if (name == nullptr) {
    decoder.Stop(node, "no resource name specified");
    return out;
  }
  out.name = DecodeName(*name->value, decoder);
  if (devices != nullptr && !decoder.stopped()) {
    out.all_devices = DecodeDevices(*devices->value, decoder);
  }
  if (decoder.stopped()) return out;
  if (replicas == nullptr) {
    decoder.Stop(node, "no replicas specified");
    return out;
  }
  out.replicas_mark = replicas->value->mark;
  out.replicas = DecodeReplicas(*replicas->value, decoder);
  if (rename != nullptr && !decoder.stopped()) out.rename = DecodeName(*rename->value, decoder);
  return out;
}

void DecodeResources(const Node& node, Decoder& decoder, FileSharing& out) {
  if (!node.is_list() && !node.is_null()) {
    decoder.StopWithTypeError(node, "[]v1.ReplicatedResource");
    return;
  }
  out.resources.clear();
  for (const Node* item : node.items) {
    out.resources.push_back(DecodeResource(*item, decoder));
    if (decoder.stopped()) return;
  }
  if (out.resources.empty()) decoder.Stop(node, "no resources specified");
}

void DropFrom(FileSharing& sharing, std::string_view id, std::vector<Diagnostic>& warnings) {
  Mark rename;
  Mark devices;
  for (FileResource& resource : sharing.resources) {
    const std::string wanted =
        sharing.rename_by_default ? resource.name + std::string(kSharedSuffix) : "";
    const bool renamed = !resource.rename.empty() && resource.rename != wanted;
    if (renamed && rename.line == 0) rename = resource.mark;
    if (!resource.all_devices && devices.line == 0) devices = resource.mark;
    resource.rename = wanted;
    resource.all_devices = true;
  }
  if (rename.line != 0) {
    warnings.push_back({Severity::kWarning,
                        fmt::format("Setting the 'rename' field in sharing.{}.resources is not yet "
                                    "supported in the config. Ignoring...",
                                    id),
                        rename.line, rename.column});
  }
  if (devices.line != 0) {
    warnings.push_back({Severity::kWarning,
                        fmt::format("Customizing the 'devices' field in sharing.{}.resources is "
                                    "not yet supported in the config. Ignoring...",
                                    id),
                        devices.line, devices.column});
  }
}

}  // namespace

bool IsDeviceRef(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && IsUnsigned(text.substr(0, colon)) &&
      IsUnsigned(text.substr(colon + 1))) {
    return true;
  }
  return IsUnsigned(text) || IsGpuUuid(text) || IsMigUuid(text);
}

void DecodeSharing(const Node& node, Decoder& decoder, FileSharing& out) {
  out.mark = node.mark;
  if (!decoder.OpenMap(node)) return;
  out.rename_by_default = false;
  if (const auto* entry = node.Find("renameByDefault"); entry != nullptr) {
    if (entry->value->kind == Node::Kind::kBool) {
      out.rename_by_default = entry->value->boolean;
    } else if (!entry->value->is_null()) {
      decoder.StopWithTypeError(*entry->value, "bool");
      return;
    }
  }
  if (const auto* entry = node.Find("failRequestsGreaterThanOne"); entry != nullptr) {
    if (entry->value->kind == Node::Kind::kBool) {
      out.fail_requests_greater_than_one = entry->value->boolean;
    } else if (entry->value->is_null()) {
      out.fail_requests_greater_than_one.reset();
    } else {
      decoder.StopWithTypeError(*entry->value, "bool");
      return;
    }
  }
  const auto* resources = node.Find("resources");
  if (resources == nullptr) {
    decoder.Stop(node, "no resources specified");
    return;
  }
  DecodeResources(*resources->value, decoder, out);
}

bool DecodeResourceRules(const Node& node, Decoder& decoder) {
  if (node.is_null()) return false;
  if (!node.is_list()) {
    decoder.TypeError(node, "[]v1.Resource");
    return false;
  }
  for (const Node* item : node.items) {
    if (!decoder.OpenMap(*item)) return false;
    const Node::Entry* pattern = item->Find("pattern");
    const Node::Entry* name = item->Find("name");
    if (pattern == nullptr) {
      decoder.Stop(*item, "resources must have a 'pattern' field set");
    } else if (name == nullptr) {
      decoder.Stop(*item, "resources must have a 'name' field set");
    } else if (!pattern->value->is_string() && !pattern->value->is_null()) {
      decoder.StopWithTypeError(*pattern->value, "v1.ResourcePattern");
    } else {
      DecodeName(*name->value, decoder);
    }
    if (decoder.stopped()) return false;
  }
  return !node.items.empty();
}

void DropWhatIsNotHonoured(FileModel& model, std::vector<Diagnostic>& warnings) {
  if (model.customises_resources) {
    warnings.push_back({Severity::kWarning,
                        "Customizing the 'resources' field is not yet supported in the config. "
                        "Ignoring...",
                        0, 0});
  }
  DropFrom(model.time_slicing, "timeSlicing", warnings);
  if (model.mps) DropFrom(*model.mps, "mps", warnings);
}

}  // namespace tranche::config
