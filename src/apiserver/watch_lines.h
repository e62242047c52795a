// Parses the stream of a watch, which is one JSON event per line.
//
// Threading: plain functions and values; one thread at a time.
// Errors: a Status. The bytes come from outside, and a line is bounded by kMaxWatchLineBytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace tranche::apiserver {

// etcd refuses objects above 1.5 MiB; managed fields and JSON may blow one up.
inline constexpr std::size_t kMaxWatchLineBytes = 8U << 20;

// Cuts a stream into its lines, however its pieces come.
class LineBuffer {
 public:
  explicit LineBuffer(std::size_t max_line = kMaxWatchLineBytes) : max_line_(max_line) {}

  void Append(std::string_view bytes) { text_.append(bytes); }

  // The next whole line without its end, into `line`; false: there is none yet. Blank lines are
  // passed over. kResourceExhausted: a line is too long, and the stream of no more use.
  base::Result<bool> Next(std::string& line);

 private:
  std::size_t max_line_;
  std::string text_;
  std::size_t start_ = 0;    // of the line that is next
  std::size_t scanned_ = 0;  // up to here there is no end of it
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError, kOther };
  Type type = Type::kOther;
  base::Json object;
  std::string version;  // the object's resourceVersion; "" only for kError and kOther
};

// kInvalidArgument: it is no event.
base::Result<WatchEvent> ParseWatchEvent(std::string_view line);

}  // namespace tranche::apiserver
