#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

#include "base/json.h"
#include "base/log_output.h"
#include "base/mutex.h"

namespace tranche::base {

namespace {

// Log settings are the process's, like the stderr they apply to; set once, before threads start.
std::atomic<LogFormat> log_format{LogFormat::kText};
std::atomic<LogLevel> log_minimum{LogLevel::kInfo};

// Never destroyed: threads that outlive main may still log.
struct Sink {
  Mutex mutex;
  LogOutput output TRANCHE_GUARDED_BY(mutex){STDERR_FILENO};
};

Sink& TheSink() {
  static Sink& sink = *new Sink;
  return sink;
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

// "2026-01-31T12:00:00.123456Z": wall time, because a log is read beside other logs.
std::string Timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     now.tv_nsec / 1000);
}

bool NeedsQuotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"") != std::string_view::npos;
}

std::string Quoted(std::string_view value) {
  std::string out = "\"";
  for (char c : value) {
    // The backslash too: one at the end would take the closing quote with it.
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string TextLine(LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields) {
  std::string line =
      fmt::format("{} {:<7} {}", Timestamp(), NameOf(level), Printable(message, 8192));
  for (const LogField& field : fields) {
    const std::string value = Printable(field.value, 8192);
    line += fmt::format(" {}={}", field.key, NeedsQuotes(value) ? Quoted(value) : value);
  }
  return line;
}

std::string JsonLine(LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields) {
  Json line = Json::MakeObject();
  line.Set("time", Timestamp());
  line.Set("level", NameOf(level));
  line.Set("message", Printable(message, 8192));
  for (const LogField& field : fields) line.Set(field.key, Printable(field.value, 8192));
  return line.Dump();
}

std::string Line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  return (log_format == LogFormat::kJson ? JsonLine(level, message, fields)
                                         : TextLine(level, message, fields)) +
         "\n";
}

void ReportLeftOut(LogOutput& output, TimePoint now) {
  if (!output.ReportIsDue(now)) return;
  const LogOutput::LeftOut left_out = output.left_out();
  output.WriteReport(Line(LogLevel::kWarning, "lines of the log were left out",
                          {Kv("over_budget", left_out.over_budget), Kv("unread", left_out.unread),
                           Kv("first", left_out.first)}),
                     now);
}

// How many bytes the UTF-8 sequence at `text[at]` has; 0 when it is not a valid one (the Unicode
// Standard, table 3-7) or breaks a line.
std::size_t Utf8Length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  std::size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if ((first & 0xF0U) == 0xE0) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80) return 0;
  }
  const unsigned char second = byte(at + 1);
  // Overlong forms, surrogates, and what is beyond U+10FFFF.
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second >= 0xA0) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second >= 0x90) return 0;
  // U+0080…U+009F are control characters too; some terminals obey them.
  if (first == 0xC2 && second < 0xA0) return 0;
  // U+2028 and U+2029 end a line for some readers.
  const bool separator = first == 0xE2 && second == 0x80 && (byte(at + 2) & 0xFEU) == 0xA8;
  return separator ? 0 : length;
}

}  // namespace

LogField Kv(std::string_view key, std::string_view value) {
  return {std::string(key), std::string(value)};
}
LogField Kv(std::string_view key, const char* value) { return Kv(key, std::string_view(value)); }
LogField Kv(std::string_view key, bool value) { return Kv(key, value ? "true" : "false"); }
LogField Kv(std::string_view key, double value) {
  return {std::string(key), fmt::format("{}", value)};
}
LogField Kv(std::string_view key, std::int64_t value) {
  return {std::string(key), std::to_string(value)};
}
LogField Kv(std::string_view key, std::uint64_t value) {
  return {std::string(key), std::to_string(value)};
}
LogField Kv(std::string_view key, int value) { return {std::string(key), std::to_string(value)}; }
LogField Kv(std::string_view key, unsigned value) {
  return {std::string(key), std::to_string(value)};
}
LogField Kv(std::string_view key, std::chrono::nanoseconds value) {
  return {std::string(key), fmt::format("{:.3f}ms", static_cast<double>(value.count()) / 1e6)};
}

void ConfigureLog(LogLevel minimum, LogFormat format) {
  log_format = format;
  log_minimum = minimum;
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < log_minimum.load()) return;
  const TimePoint now = std::chrono::steady_clock::now();
  Sink& sink = TheSink();
  const MutexLock lock(sink.mutex);
  ReportLeftOut(sink.output, now);
  if (!sink.output.Admit(level, message, now)) return;
  sink.output.Write(Line(level, message, fields), message);
}
void ReportLeftOutLines() {
  Sink& sink = TheSink();
  const MutexLock lock(sink.mutex);
  ReportLeftOut(sink.output, std::chrono::steady_clock::now());
}
void LogDebug(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kDebug, message, fields);
}
void LogInfo(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kInfo, message, fields);
}
void LogWarning(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kWarning, message, fields);
}
void LogError(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kError, message, fields);
}

std::string Printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes) + 8);
  for (std::size_t i = 0; i < text.size();) {
    if (out.size() >= max_bytes) return out + "…";
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7F) {
      out += text[i++];
      continue;
    }
    const std::size_t length = byte < 0x80 ? 0 : Utf8Length(text, i);
    if (length > 0) {
      out += text.substr(i, length);
      i += length;
    } else if (byte == '\n') {
      out += "\\n";
      ++i;
    } else {
      out += fmt::format("\\x{:02x}", byte);
      ++i;
    }
  }
  return out;
}

bool OncePer::operator()(const std::string& key, std::chrono::steady_clock::time_point now) {
  // Keys are few (one per kind of failure); a flood of distinct ones must not grow without end.
  if (last_.size() > 1024) last_.clear();
  const auto [it, inserted] = last_.try_emplace(key, now);
  if (!inserted && now - it->second < period_) return false;
  it->second = now;
  return true;
}

}  // namespace tranche::base
