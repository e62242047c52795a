#include "sim/kubelet/checkpoint.h"

#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"

namespace tranche::sim {
namespace {

using base::Json;

constexpr std::size_t kMaxBytes = 256U << 20U;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// RFC 4648 base 64, as Go writes []byte into JSON.
std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return text;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string bytes;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    group = group << 6U | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(group >> static_cast<unsigned>(bits) & 0xffU);
    }
  }
  return bytes;
}

std::uint32_t Fnv1a(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

Json ToJson(const std::vector<std::string>& ids) {
  Json array = Json::MakeArray();
  for (const std::string& id : ids) array.Append(id);
  return array;
}

Json ToJson(const Checkpoint& checkpoint) {
  Json entries = Json::MakeArray();
  for (const CheckpointEntry& entry : checkpoint.entries) {
    Json ids = Json::MakeObject();
    for (const auto& [node, devices] : entry.ids) ids.Set(std::to_string(node), ToJson(devices));
    Json json = Json::MakeObject();
    json.Set("PodUID", entry.pod_uid);
    json.Set("ContainerName", entry.container);
    json.Set("ResourceName", entry.resource);
    json.Set("DeviceIDs", std::move(ids));
    json.Set("AllocResp", EncodeBase64(entry.answer));
    entries.Append(std::move(json));
  }
  Json registered = Json::MakeObject();
  for (const auto& [resource, ids] : checkpoint.registered) registered.Set(resource, ToJson(ids));
  Json data = Json::MakeObject();
  data.Set("PodDeviceEntries", std::move(entries));
  data.Set("RegisteredDevices", std::move(registered));
  return data;
}

std::optional<std::vector<std::string>> Strings(const Json& json) {
  if (!json.is_array()) return std::nullopt;
  std::vector<std::string> strings;
  for (const Json& item : json.as_array()) {
    if (!item.is_string()) return std::nullopt;
    strings.push_back(item.as_string());
  }
  return strings;
}

std::optional<CheckpointEntry> EntryFrom(const Json& json) {
  const std::string* uid = base::FindText(json, "PodUID");
  const std::string* container = base::FindText(json, "ContainerName");
  const std::string* resource = base::FindText(json, "ResourceName");
  const std::string* text = base::FindText(json, "AllocResp");
  const Json* ids = json.Find("DeviceIDs");
  if (!uid || !container || !resource || !text || ids == nullptr || !ids->is_object()) {
    return std::nullopt;
  }
  const auto answer = DecodeBase64(*text);
  if (!answer) return std::nullopt;
  CheckpointEntry entry{*uid, *container, *resource, {}, *answer};
  for (const auto& [node, devices] : ids->as_object()) {
    const auto strings = Strings(devices);
    if (!strings) return std::nullopt;
    entry.ids[std::strtoll(node.c_str(), nullptr, 10)] = *strings;
  }
  return entry;
}

std::optional<Checkpoint> FromJson(const Json& data) {
  const Json* entries = data.Find("PodDeviceEntries");
  const Json* registered = data.Find("RegisteredDevices");
  if (entries == nullptr || !entries->is_array() || registered == nullptr ||
      !registered->is_object()) {
    return std::nullopt;
  }
  Checkpoint checkpoint;
  for (const Json& json : entries->as_array()) {
    auto entry = EntryFrom(json);
    if (!entry) return std::nullopt;
    checkpoint.entries.push_back(std::move(*entry));
  }
  for (const auto& [resource, ids] : registered->as_object()) {
    auto strings = Strings(ids);
    if (!strings) return std::nullopt;
    checkpoint.registered[resource] = std::move(*strings);
  }
  return checkpoint;
}

}  // namespace

base::Status SaveCheckpoint(const std::string& path, const Checkpoint& checkpoint) {
  Json data = ToJson(checkpoint);
  const std::int64_t checksum = Fnv1a(data.Dump());
  Json json = Json::MakeObject();
  json.Set("Data", std::move(data));
  json.Set("Checksum", checksum);
  return base::WriteFileAtomic(path, json.Dump(), 0600);
}

base::Result<Checkpoint> LoadCheckpoint(const std::string& path) {
  const auto text = base::ReadFile(path, kMaxBytes);
  if (!text.ok()) return text.status();
  const base::Status corrupt(base::Code::kDataLoss, "checkpoint is corrupted: " + path);
  const auto json = Json::Parse(*text);
  if (!json.ok()) return corrupt;
  const Json* data = json->Find("Data");
  const Json* checksum = json->Find("Checksum");
  if (data == nullptr || checksum == nullptr || !checksum->is_int()) return corrupt;
  auto checkpoint = FromJson(*data);
  // Go's JSON decoder, too, is followed by a checksum of what was decoded.
  if (!checkpoint || checksum->as_int() != Fnv1a(ToJson(*checkpoint).Dump())) return corrupt;
  return std::move(*checkpoint);
}

}  // namespace tranche::sim
