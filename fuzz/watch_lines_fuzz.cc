// The bytes that an API server sends: a watch's stream, in pieces of any size, and whole replies.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/reply.h"
#include "apiserver/watch_lines.h"
#include "base/json.h"
#include "base/status.h"

namespace {

namespace apiserver = tranche::apiserver;
using tranche::base::Json;

constexpr std::size_t kMaxLine = 512;
constexpr std::size_t kMaxMessage = 4096;

struct Cut {
  std::vector<std::string> lines;
  bool too_long = false;
  friend bool operator==(const Cut&, const Cut&) = default;
};

// By the definition, from the whole text.
Cut Expected(std::string_view text) {
  Cut cut;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    cut.too_long = line.size() > kMaxLine;
    if (cut.too_long || end == std::string_view::npos) return cut;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) cut.lines.emplace_back(line);
    text.remove_prefix(end + 1);
  }
  return cut;
}

// By the product, in pieces of 1 to `largest` bytes.
Cut InPieces(std::string_view text, std::size_t largest) {
  tranche::apiserver::LineBuffer buffer(kMaxLine);
  Cut cut;
  std::string line;
  for (std::size_t round = 0; !text.empty(); ++round) {
    const std::size_t size = std::min(text.size(), 1 + (round * 7) % largest);
    buffer.Append(text.substr(0, size));
    text.remove_prefix(size);
    for (;;) {
      const auto next = buffer.Next(line);
      cut.too_long = !next.ok();
      if (cut.too_long) return cut;
      if (!*next) break;
      cut.lines.push_back(line);
    }
  }
  return cut;
}

const char* Word(tranche::apiserver::WatchEvent::Type type) {
  switch (type) {
    case tranche::apiserver::WatchEvent::Type::kAdded:
      return "ADDED";
    case tranche::apiserver::WatchEvent::Type::kModified:
      return "MODIFIED";
    case tranche::apiserver::WatchEvent::Type::kDeleted:
      return "DELETED";
    case tranche::apiserver::WatchEvent::Type::kBookmark:
      return "BOOKMARK";
    case tranche::apiserver::WatchEvent::Type::kError:
      return "ERROR";
    case tranche::apiserver::WatchEvent::Type::kOther:
      return "OF A SERVER TO COME";
  }
  return "";
}

// What an event was made of, said again, is the same event.
void CheckEvent(std::string_view line) {
  const auto event = tranche::apiserver::ParseWatchEvent(line);
  if (!event.ok()) {
    TRANCHE_CHECK(!event.status().message().empty());
    return;
  }
  TRANCHE_CHECK(event->object.is_object());
  const bool may_lack_version = event->type == tranche::apiserver::WatchEvent::Type::kError ||
                                event->type == tranche::apiserver::WatchEvent::Type::kOther;
  TRANCHE_CHECK(may_lack_version || !event->version.empty());
  const auto again = tranche::apiserver::ParseWatchEvent(
      Json::MakeObject({{"type", Word(event->type)}, {"object", event->object}}).Dump());
  TRANCHE_CHECK(again.ok() && again->type == event->type && again->version == event->version);
  TRANCHE_CHECK(again->object == event->object);
}

// A reply of any code: an object, or a failure that can be shown to people.
void CheckReply(std::string_view body, int code) {
  using tranche::apiserver::ReplyForm;
  for (const ReplyForm form : {ReplyForm::kObject, ReplyForm::kMetadata, ReplyForm::kText}) {
    const auto reply =
        tranche::apiserver::ReadReply({.code = code, .body = std::string(body)}, form);
    TRANCHE_CHECK(!reply.ok() || (code >= 200 && code < 300));
    if (reply.ok()) continue;
    const std::string& message = reply.status().message();
    TRANCHE_CHECK(!message.empty() && message.size() <= kMaxMessage);
    TRANCHE_CHECK(
        std::ranges::none_of(message, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Cut whole = Expected(text);
  for (const std::size_t largest : {1U, 5U, 64U, 4096U}) {
    TRANCHE_CHECK(InPieces(text, largest) == whole);
  }
  for (const std::string& line : whole.lines) CheckEvent(line);
  for (const int code : {0, 200, 302, 404, 409, 410, 500}) CheckReply(text, code);
  return 0;
}
