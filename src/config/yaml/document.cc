#include "config/yaml/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace tranche::config::yaml {
namespace {

// Counted without regard to quotes, so far above kMaxDepth; upstream's library has the same limit.
constexpr int kMaxOpenBrackets = 10'000;

// The length of the UTF-8 sequence at `at`, or 0 where there is none (RFC 3629).
std::size_t SequenceLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  const unsigned second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

char32_t Decode(std::string_view text, std::size_t at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (length == 1) return byte(0);
  char32_t value = byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) value = (value << 6U) | (byte(i) & 0x3FU);
  return value;
}

// https://yaml.org/spec/1.1/#c-printable
bool IsPrintable(char32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7E) || c == 0x85 ||
         (c >= 0xA0 && c <= 0xFFFD) || c >= 0x10000;
}

// The text with line breaks as LF. Refuses what YAML does not allow and the library takes.
std::optional<Failure> Clean(std::string_view text, std::string& out) {
  int line = 1;
  int open_brackets = 0;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = SequenceLength(text, at);
    if (length == 0) return YamlFailure({line, 0}, "invalid UTF-8: not a text file");
    const char32_t c = Decode(text, at, length);
    if (!IsPrintable(c)) return YamlFailure({line, 0}, "control characters are not allowed");
    // The library reads a line to its end before the first event, a token for each bracket.
    if (c == '[' || c == '{') ++open_brackets;
    if (c == ']' || c == '}') open_brackets = std::max(0, open_brackets - 1);
    if (open_brackets > kMaxOpenBrackets) {
      return YamlFailure({line, 0}, fmt::format("exceeded max depth of {}", kMaxOpenBrackets));
    }
    const bool pair = c == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    const bool line_break = c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (line_break) {
      ++line;
      out.push_back('\n');
    } else {
      out.append(text.substr(at, length));
    }
    at += pair ? 2 : length;
  }
  return std::nullopt;
}

// "---" or "..." at the start of a line, and nothing but a blank behind it.
bool IsMarker(std::string_view line, std::string_view marker) {
  if (!line.starts_with(marker)) return false;
  line.remove_prefix(marker.size());
  return line.empty() || line.front() == ' ' || line.front() == '\t';
}

// "%YAML 1.1" and "%TAG …" are all that upstream's library knows.
std::optional<Failure> CheckDirective(int line, std::string_view text) {
  text.remove_prefix(1);
  const std::string_view name = text.substr(0, text.find_first_of(" \t"));
  if (name == "TAG") return std::nullopt;
  if (name != "YAML") return YamlFailure({line, 0}, "found unknown directive name");
  std::string_view version = base::Trim(text.substr(name.size()));
  version = version.substr(0, version.find_first_of(" \t#"));
  if (version == "1.1") return std::nullopt;
  return YamlFailure({line, 0}, "found incompatible YAML document");
}

// Cuts `text` off where its first document ends.
std::optional<Failure> CutBehindFirst(std::string& text) {
  bool directives = false;
  bool started = false;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const std::string_view content = base::Trim(line, " ");
    ++number;
    const bool start = IsMarker(line, "---");
    const bool stop = IsMarker(line, "...");
    if (started && (start || stop)) {
      text.resize(at);
      return std::nullopt;
    }
    if (!started && line.starts_with('%')) {
      if (auto failure = CheckDirective(number, line)) return failure;
      directives = true;
    } else if (!started && !content.empty() && content.front() != '#') {
      if (stop) return YamlFailure({number, 0}, "did not find expected node content");
      if (directives && !start) {
        return YamlFailure({number, 0}, "did not find expected <document start>");
      }
      started = true;
    }
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace

Failure ConversionFailure(Mark mark, std::string message) {
  return {base::Code::kInvalidArgument, "error converting YAML to JSON: " + std::move(message),
          mark};
}

Failure YamlFailure(Mark mark, const std::string& message) {
  if (mark.line <= 0) return ConversionFailure(mark, "yaml: " + message);
  return ConversionFailure(mark, fmt::format("yaml: line {}: {}", mark.line, message));
}

std::optional<Failure> FirstDocument(std::string_view text, std::string& out) {
  if (auto failure = Clean(text, out)) return failure;
  return CutBehindFirst(out);
}

}  // namespace tranche::config::yaml
