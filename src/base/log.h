// The log writes one line per event to stderr: level, time, message, and key=value pairs (or one
// JSON object per line).
//
// State changes are logged as Info, details of single calls as Debug. A caller whose failures
// repeat limits their lines itself (see OncePer in this header).
//
// Threading: safe on any thread, but for ConfigureLog and OncePer, which say so.
// Errors: none. Strings from outside are escaped and bounded, so a hostile value cannot forge a
// line.
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
