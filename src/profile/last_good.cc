#include "profile/last_good.h"

#include <fmt/format.h>
#include <zlib.h>

#include <optional>
#include <string_view>
#include <utility>

#include "base/document/api_version.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"
#include "config/load.h"

namespace tranche::profile {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr char kFileName[] = "last-good.json";
constexpr char kKind[] = "LastGoodConfig";
// JSON writes a control byte as six ("\u0001"); names and keys need little more.
constexpr std::size_t kMaxFileBytes = 6 * config::kMaxConfigBytes + (64U << 10U);

// JSON strings are Unicode, a config file need not be (a comment in Latin-1 is no error): where the
// bytes are not UTF-8, each is stored as the code point of its number.
constexpr char kUtf8[] = "utf-8";
constexpr char kLatin1[] = "latin-1";

std::string ToLatin1CodePoints(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0U | (byte >> 6U));
      out += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  return out;
}

std::optional<std::string> FromLatin1CodePoints(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      out += text[i];
      continue;
    }
    if (lead > 0xC3 || i + 1 == text.size()) return std::nullopt;
    const auto next = static_cast<unsigned char>(text[++i]);
    out += static_cast<char>(((lead & 0x03U) << 6U) | (next & 0x3FU));
  }
  return out;
}

std::uint32_t Checksum(const LastGood& good) {
  uLong crc = crc32_z(0, nullptr, 0);
  for (const std::string* part : {&good.profile, &good.source, &good.text}) {
    // The terminating NUL goes in, so that bytes cannot move from one part to the next unseen.
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part->c_str()), part->size() + 1);
  }
  return static_cast<std::uint32_t>(crc);
}

enum class Encoding { kAsUtf8, kAsLatin1 };

std::string Encode(const LastGood& good, Encoding encoding) {
  const bool latin1 = encoding == Encoding::kAsLatin1;
  const auto text = [latin1](const std::string& bytes) {
    return Json(latin1 ? ToLatin1CodePoints(bytes) : bytes);
  };
  Json json = Json::MakeObject();
  json.Set("apiVersion", base::document::kApiVersion)
      .Set("kind", kKind)
      .Set("encoding", latin1 ? kLatin1 : kUtf8)
      .Set("profile", text(good.profile))
      .Set("source", text(good.source))
      .Set("text", text(good.text))
      .Set("crc32", fmt::format("{:08x}", Checksum(good)));
  return json.Dump(2) + "\n";
}

// Why the bytes are no last good config, or the config.
Result<LastGood> Decode(std::string_view bytes) {
  const auto damaged = [](std::string why) { return Status(Code::kDataLoss, std::move(why)); };
  const Result<Json> json = Json::Parse(bytes);
  if (!json.ok()) return damaged(json.status().message());
  if (base::TextAt(*json, "apiVersion") != base::document::kApiVersion ||
      base::TextAt(*json, "kind") != kKind) {
    return damaged("not a last good config of this version");
  }
  const std::string& encoding = base::TextAt(*json, "encoding");
  if (encoding != kUtf8 && encoding != kLatin1) return damaged("unknown encoding");

  LastGood good;
  for (const auto& [key, field] :
       {std::pair("profile", &good.profile), {"source", &good.source}, {"text", &good.text}}) {
    std::optional<std::string> value;
    if (const std::string* stored = base::FindText(*json, key)) {
      value = encoding == kLatin1 ? FromLatin1CodePoints(*stored) : *stored;
    }
    if (!value) return damaged(fmt::format("field '{}' is missing or of the wrong kind", key));
    *field = std::move(*value);
  }
  if (base::TextAt(*json, "crc32") != fmt::format("{:08x}", Checksum(good))) {
    return damaged("the checksum does not match");
  }
  return good;
}

}  // namespace

Status SaveLastGood(const std::string& directory, const LastGood& good) {
  if (const Result<LastGood> stored = LoadLastGood(directory); stored.ok() && *stored == good) {
    return Status::Ok();
  }
  std::string bytes = Encode(good, Encoding::kAsUtf8);
  if (const Result<LastGood> back = Decode(bytes); !back.ok()) {
    bytes = Encode(good, Encoding::kAsLatin1);
  }
  return base::WriteFileAtomic(base::JoinPath(directory, kFileName), bytes, 0644,
                               base::Durability::kSynced);
}

Result<LastGood> LoadLastGood(const std::string& directory) {
  const std::string path = base::JoinPath(directory, kFileName);
  const Result<std::string> bytes = base::ReadFile(path, kMaxFileBytes);
  if (bytes.status().code() == Code::kOutOfRange) {
    return Status(Code::kDataLoss, bytes.status().message());
  }
  if (!bytes.ok()) return bytes.status();
  Result<LastGood> good = Decode(*bytes);
  if (!good.ok()) return good.status().Wrap(path);
  return good;
}

}  // namespace tranche::profile
