#include "apiserver/watch_lines.h"

#include <utility>

#include "base/json_read.h"

namespace tranche::apiserver {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

WatchEvent::Type TypeOf(std::string_view word) {
  if (word == "ADDED") return WatchEvent::Type::kAdded;
  if (word == "MODIFIED") return WatchEvent::Type::kModified;
  if (word == "DELETED") return WatchEvent::Type::kDeleted;
  if (word == "BOOKMARK") return WatchEvent::Type::kBookmark;
  if (word == "ERROR") return WatchEvent::Type::kError;
  return WatchEvent::Type::kOther;  // of a server to come
}

}  // namespace

Result<bool> LineBuffer::Next(std::string& line) {
  for (;;) {
    const std::size_t end = text_.find('\n', scanned_);
    const std::size_t length = (end == std::string::npos ? text_.size() : end) - start_;
    if (length > max_line_) {
      return Status(Code::kResourceExhausted,
                    "an event of the watch is larger than " + std::to_string(max_line_) + " bytes");
    }
    if (end == std::string::npos) {
      // Only what is left is kept, and moved but once for all the lines before it.
      text_.erase(0, start_);
      start_ = 0;
      scanned_ = text_.size();
      return false;
    }
    std::string_view found = std::string_view(text_).substr(start_, length);
    if (found.ends_with('\r')) found.remove_suffix(1);
    line = found;
    start_ = end + 1;
    scanned_ = start_;
    if (!line.empty()) return true;
  }
}

Result<WatchEvent> ParseWatchEvent(std::string_view line) {
  const auto bad = [](const std::string& why) {
    return Status(Code::kInvalidArgument, "the watch sent a line that is no event: " + why);
  };
  auto parsed = Json::Parse(line);
  if (!parsed.ok()) return bad(parsed.status().message());
  const std::string_view type = base::TextAt(*parsed, "type");
  const Json* object = parsed->Find("object");
  if (type.empty() || object == nullptr || !object->is_object()) return bad("no type or object");
  WatchEvent event;
  event.type = TypeOf(type);
  event.version = base::TextAt(*object, {"metadata", "resourceVersion"});
  event.object = *object;
  const bool has_version =
      event.type != WatchEvent::Type::kError && event.type != WatchEvent::Type::kOther;
  if (has_version && event.version.empty()) return bad("no resourceVersion");
  return event;
}

}  // namespace tranche::apiserver
