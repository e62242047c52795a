// One line per event to stderr: level, time, message, key=value pairs (or one JSON object a line).
//
// Thread-safe. Strings from outside are escaped and bounded (contracts: "Strings from pods"), so a
// hostile value cannot forge a line. State changes are Info, per-call detail is Debug; repeated
// failures are the caller's to limit (see OncePer in this header).
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace tranche::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// A key and a value already rendered as text.
struct LogField {
  std::string key;
  std::string value;
};

LogField Kv(std::string_view key, std::string_view value);
LogField Kv(std::string_view key, const char* value);
LogField Kv(std::string_view key, bool value);
LogField Kv(std::string_view key, double value);
LogField Kv(std::string_view key, std::int64_t value);
LogField Kv(std::string_view key, std::uint64_t value);
LogField Kv(std::string_view key, int value);
LogField Kv(std::string_view key, unsigned value);
LogField Kv(std::string_view key, std::chrono::nanoseconds value);

// Process-wide; call before the first thread starts. Default: Info, text.
void ConfigureLog(LogLevel minimum, LogFormat format);

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {});
void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {});
void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {});
void LogError(std::string_view message, std::initializer_list<LogField> fields = {});

// `text` with control bytes and invalid UTF-8 written as \xNN and cut at `max_bytes` (then "…").
std::string Printable(std::string_view text, std::size_t max_bytes = 1024);

// Says true at most once per `period` for one key: for the log line of a failure that repeats.
// Not thread-safe; one belongs to one loop.
class OncePer {
 public:
  explicit OncePer(std::chrono::steady_clock::duration period) : period_(period) {}
  bool operator()(const std::string& key, std::chrono::steady_clock::time_point now);

 private:
  std::chrono::steady_clock::duration period_;
  std::map<std::string, std::chrono::steady_clock::time_point> last_;
};

}  // namespace tranche::base
